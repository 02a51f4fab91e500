"""Compare the preset `scvae` with scVAE's own learning curve, for three seeds.

    LATENTCELL_DATA=<folder of the deposit> python bench/faithful.py [--epochs 100] [--out FILE]

GMVAE with Z = 10, H = 100, K = 11 on the first 1,300 cells and scVAE's split. Writes true means
over validation cells for the known epochs of scVAE, and their ratio.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from cells import study_cells

from latentcell.config.names import ModelName
from latentcell.config.settings import SplitSettings, VaeSettings
from latentcell.data.split import split_cells
from latentcell.models.training import train

# Validation ELBO of scVAE itself, true means, one run (docs/study-checks.md).
SCVAE = {
    1: -23035, 2: -22411, 5: -20294, 10: -16198, 20: -10077, 30: -7662, 40: -6625,
    50: -6226, 60: -5880, 70: -5698, 80: -5624, 90: -5143, 100: -4998,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/bench/faithful.csv"))
    options = parser.parse_args()
    cells = study_cells()
    split = np.asarray(split_cells(cells.types, SplitSettings(method="scvae"), 42))
    settings = VaeSettings(preset="scvae", epochs=options.epochs)
    rows = []
    for seed in range(1, options.seeds + 1):
        trained = train(cells.counts, split, ModelName("gmvae", 10, 100), 11, settings, seed)
        for record in trained.history:
            if record["split"] == "validation" and record["epoch"] in SCVAE:
                published = SCVAE[record["epoch"]]
                ratio = record["elbo"] / published
                rows.append({"seed": seed, **record, "scvae": published, "ratio": ratio})
        test = trained.evaluate(cells.counts).take(split == "test").means()["elbo"]
        print(f"seed {seed}: best epoch {trained.best_epoch}, test ELBO {test:.1f}", flush=True)
    table = pd.DataFrame(rows).round(4)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    print(table.pivot(index="epoch", columns="seed", values="ratio").to_string())


if __name__ == "__main__":
    main()
