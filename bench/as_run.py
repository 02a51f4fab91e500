"""Keep the finished replicates of the study's protocols: docs/study.md.

    snakemake ... --configfile config/protocols.yaml
    snakemake ... --configfile config/table3.yaml
    python bench/as_run.py [results/protocols results/table3]

These runs take hours, and their own tables need all of them. This keeps the measures of the models
and classifiers that are finished, whatever is missing, in docs/results/as_run_models.csv and
as_run_classifiers.csv, and in as_run_effects.csv the effects of the confounders that follow from
them. The ELBOs of the epochs of the models as run are kept in as_run_model_curves.csv, and the
claim that they decide, on the plateau, in as_run_claims.csv. Measures of jobs that these folders do
not have stay as they were kept before, so a run can be made in parts: by files of models and
classifiers as targets of snakemake, with r1/cells.h5ad, whose types are counted.
"""

import argparse
from pathlib import Path
from typing import Literal

import pandas as pd
from verdicts import COLUMNS, reduced

from latentcell.config.protocols.confounders import CONFOUNDERS
from latentcell.config.settings import load_settings
from latentcell.evaluate.metrics import Scoring
from latentcell.grid.records import collect
from latentcell.grid.variants import main_variant, variants
from latentcell.runtime.io import write_csv
from latentcell.study.claims import claims_frame, decide_claims
from latentcell.study.evidence import AS_RUN, CONTROLLED, Evidence
from latentcell.tables.ablations import ablation_table, without_unchanged

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/results"
STAGES: dict[str, Literal["classify", "vae"]] = {
    "models": "vae",
    "classifiers": "classify",
    "model_curves": "vae",
}
CLAIM = "plateau-before-50-epochs"


def finished(run: Path, record: str) -> pd.DataFrame:
    """Measures of the finished jobs of all variants of a run that confound as the study did."""
    settings = load_settings(ROOT / f"config/{run.name}.yaml")
    confounded = {one.name: one for one in variants(settings).values() if one.name != CONTROLLED}
    depth = "/".join("*" * (5 if record == "classifiers" else 4))
    file = "history.csv" if record == "model_curves" else "metrics.json"
    files = {
        name: sorted((run.parent / confounded[name].folder).glob(f"{depth}/{file}"))
        for name in ([AS_RUN] if record == "model_curves" else confounded)
    }
    if record == "classifiers":  # The types that count are those of the run's own cells.
        files.setdefault(main_variant(settings), []).extend(sorted(run.glob("*/*/r1/cells.h5ad")))
    if not any(files.values()):
        return pd.DataFrame(columns=list(COLUMNS[record]))
    scoring = Scoring(settings.measures.min_cells, settings.type_groups())
    rows = reduced(record, collect(record, files, scoring))
    of_variants = {one.name: one.settings for one in confounded.values()}
    return without_unchanged(rows, of_variants, STAGES[record])


def updated(before: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows kept before with those of the run, which replace rows of their jobs; by variant, job."""
    columns = list(rows.columns)
    keys = columns[: columns.index("split") + 1]
    # Empty tables would decide the types of columns.
    parts = [part for part in (rows, before[columns]) if not part.empty] or [rows]
    every = pd.concat(parts, ignore_index=True).drop_duplicates(keys)
    settings = load_settings(ROOT / "config/protocols.yaml")
    place = {one.name: place for place, one in enumerate(variants(settings).values())}
    order = every.assign(variant=every["variant"].map(place)).sort_values(keys[:-1], kind="stable")
    return every.loc[order.index].reset_index(drop=True)


def kept(record: str) -> pd.DataFrame:
    """A kept record; empty if there is none yet."""
    file = KEPT / f"as_run_{record}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=list(COLUMNS[record]))


def effects() -> pd.DataFrame:
    """Effects of the confounders that have enough replicates in the kept records."""
    rows = ablation_table(kept("classifiers"), kept("models"), CONFOUNDERS)
    return rows[rows["low"].notna()]


def decided() -> pd.DataFrame:
    """The claim that the curves of the models as run decide."""
    models, curves = kept("models"), kept("model_curves")
    (dataset,) = models["dataset"].unique()
    evidence = Evidence(models=models, model_curves=curves, dataset=dataset)
    claims = claims_frame(decide_claims(evidence))
    return claims[claims["claim"] == CLAIM]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    own = [run for run in (ROOT / "results/protocols", ROOT / "results/table3") if run.is_dir()]
    parser.add_argument("runs", type=Path, nargs="*", default=own, help="folders of the runs")
    runs = parser.parse_args().runs
    for record in STAGES:
        rows = kept(record)
        for run in runs:
            rows = updated(rows, finished(run, record))
        write_csv(KEPT / f"as_run_{record}.csv", rows)
        print(f"{record}: {len(rows)} rows of {rows['variant'].nunique()} variants")
    write_csv(KEPT / "as_run_effects.csv", effects())
    write_csv(KEPT / "as_run_claims.csv", decided())


if __name__ == "__main__":
    main()
