"""Keep the finished replicates of the study's protocols: docs/study.md.

    snakemake ... --configfile config/protocols.yaml
    python bench/as_run.py [--run results/protocols]

A run of `config/protocols.yaml` takes hours, and tables of a run need all of it. This keeps the
measures of the models and classifiers that are finished, whatever is missing, in
docs/results/as_run_models.csv and as_run_classifiers.csv, and in as_run_effects.csv the effects of
the confounders that follow from them. Measures of jobs that this run has not finished stay as they
were kept before, so the run can be made in parts.
"""

import argparse
from pathlib import Path

import pandas as pd
from verdicts import COLUMNS

from latentcell.config.protocols.confounders import CONFOUNDERS
from latentcell.config.settings import load_settings
from latentcell.evaluate.metrics import Scoring
from latentcell.grid.records import collect
from latentcell.grid.variants import main_variant, variants
from latentcell.runtime.io import write_csv
from latentcell.tables.ablations import ablation_table, without_unchanged

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/results"
STAGES = {"models": "vae", "classifiers": "classify"}


def finished(run: Path, record: str) -> pd.DataFrame:
    """Measures of the finished jobs of all protocols and ablations but for the run itself."""
    settings = load_settings(ROOT / "config/protocols.yaml")
    of_variants = {one.name: one.settings for one in variants(settings).values()}
    depth = "/".join("*" * (4 if record == "models" else 5))
    files = {
        name: sorted((run / "variants" / name).glob(f"{depth}/metrics.json"))
        for name in of_variants
    }
    if record == "classifiers":  # The types that count are those of the run's own cells.
        files[main_variant(settings)] += sorted(run.glob("*/*/r1/cells.h5ad"))
    scoring = Scoring(settings.measures.min_cells, settings.type_groups())
    rows = collect(record, files, scoring)[list(COLUMNS[record])]
    return without_unchanged(rows, of_variants, STAGES[record])


def updated(kept: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Kept rows with those of the run, which replace rows of the same job; by variant and job."""
    columns = list(rows.columns)
    keys = columns[: columns.index("split") + 1]
    every = pd.concat([rows, kept[columns]], ignore_index=True).drop_duplicates(keys)
    settings = load_settings(ROOT / "config/protocols.yaml")
    place = {one.name: place for place, one in enumerate(variants(settings).values())}
    order = every.assign(variant=every["variant"].map(place)).sort_values(keys[:-1], kind="stable")
    return every.loc[order.index].reset_index(drop=True)


def effects() -> pd.DataFrame:
    """Effects of the confounders that have enough replicates in the kept records."""
    scores, models = (pd.read_csv(KEPT / f"as_run_{one}.csv") for one in ("classifiers", "models"))
    rows = ablation_table(scores, models, CONFOUNDERS)
    return rows[rows["low"].notna()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=ROOT / "results/protocols")
    run = parser.parse_args().run
    for record in STAGES:
        file = KEPT / f"as_run_{record}.csv"
        rows = updated(pd.read_csv(file), finished(run, record))
        write_csv(file, rows)
        print(f"{record}: {len(rows)} rows of {rows['variant'].nunique()} variants")
    write_csv(KEPT / "as_run_effects.csv", effects())


if __name__ == "__main__":
    main()
