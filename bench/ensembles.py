"""Measure an ensemble of models against its models one by one.

    LATENTCELL_DATA=<folder of the deposit> python bench/ensembles.py [--cells 1300]

Trains gmvae-z50-h100-recommended on the first deposited cells (stratified split, 80/10/10) in
processes like those of the jobs of a run: one for each of five seeds, and one for the ensemble of
these seeds, in turns. Seconds are those of the processor for a whole process, start-up, reading
and writing included, on one thread. The latents of the ensemble must equal those of the models.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SEED, MEMBERS = 101, 5
NAME = "gmvae-z50-h100-recommended"


def draw(cells: int, path: Path) -> None:
    """Write the first deposited cells with a split."""
    import anndata as ad
    from cells import study_cells

    from latentcell.config.settings import SplitSettings
    from latentcell.data.split import split_cells
    from latentcell.runtime.io import write_h5ad

    study = study_cells()
    types = study.types[:cells]
    split = np.asarray(split_cells(types, SplitSettings(), SEED), str)
    obs = pd.DataFrame({"cell_type": pd.Categorical(types), "split": pd.Categorical(split)})
    obs.index = obs.index.astype(str)
    write_h5ad(path, ad.AnnData(study.counts[:cells].astype(np.float32), obs=obs))


def train(name: str, seed: int, source: Path, folder: Path, epochs: int) -> None:
    """Train a model or an ensemble as a job does."""
    # Loads PyTorch before its threads are limited.
    import latentcell.grid.model_files  # noqa: F401
    from latentcell.config.names import ModelName
    from latentcell.config.settings import VaeSettings
    from latentcell.grid.training import FILES, Training
    from latentcell.runtime.job import limit_threads
    from latentcell.runtime.pool import run_parts

    limit_threads(1)
    settings = VaeSettings(preset="recommended", device="cpu", epochs=epochs)
    training = Training(ModelName.parse(name), str(source), settings, seed)
    run_parts([training.part([folder / file for file in FILES], "bench")], 1)


def measured(name: str, seed: int, source: Path, folder: Path, epochs: int) -> dict[str, float]:
    """Train in a process of its own; seconds of the processor and peak memory."""
    folder.mkdir(parents=True)
    command = [sys.executable, __file__, "--train", name, str(seed), str(source), str(folder)]
    process = subprocess.Popen([*command, "--epochs", str(epochs)], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"ensembles: {name}, seed {seed}: exit status {process.returncode}")
    seconds = usage.ru_utime + usage.ru_stime
    return {"cpu_seconds": seconds, "peak_mb": usage.ru_maxrss * 1024 / 1e6}


def compare(cells: int, epochs: int, folder: Path) -> pd.DataFrame:
    """Rows of the ensemble and of its models one by one."""
    import anndata as ad

    from latentcell.config.names import member_seeds

    source = folder / "cells.h5ad"
    draw(cells, source)
    # Compiles what Numba keeps, which no later process does again.
    measured(NAME, SEED, source, folder / "warm", 1)
    ensemble = measured(f"{NAME}-s{MEMBERS}", SEED, source, folder / "ensemble", epochs)
    seeds = member_seeds(SEED, MEMBERS)
    single = [measured(NAME, seed, source, folder / str(seed), epochs) for seed in seeds]
    ours = ad.read_h5ad(folder / "ensemble/features.h5ad").X
    theirs = [ad.read_h5ad(folder / str(seed) / "features.h5ad").X for seed in seeds]
    if ours.tobytes() != np.hstack(theirs).tobytes():
        sys.exit("ensembles: the latents of the ensemble are not those of its models")
    total = sum(one["cpu_seconds"] for one in single)
    rows = [
        {"what": "models", "processes": MEMBERS, "cpu_seconds": total}
        | {"peak_mb": max(one["peak_mb"] for one in single)},
        {"what": "ensemble", "processes": 1, **ensemble},
    ]
    found = pd.DataFrame(rows).assign(cells=cells, members=MEMBERS)
    return found.assign(share=found["cpu_seconds"] / total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1300)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--train", nargs=4, metavar=("NAME", "SEED", "CELLS", "FOLDER"))
    parser.add_argument("--out", type=Path, default=Path("results/bench/ensembles.csv"))
    options = parser.parse_args()
    if options.train:
        name, seed, source, folder = options.train
        train(name, int(seed), Path(source), Path(folder), options.epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = compare(options.cells, options.epochs, Path(folder))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = ["what", "members", "cells", "processes", "cpu_seconds", "share", "peak_mb"]
    found[columns].round(3).to_csv(options.out, index=False)
    print(found[columns].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
