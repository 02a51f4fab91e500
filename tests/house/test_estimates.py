"""The usual times of jobs: from the record of whole runs, which they foretell."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from latentcell.cli.timing import DATASET_SECONDS, USUAL

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import estimates  # noqa: E402

RECORD = pd.read_csv(ROOT / "docs/results/estimates.csv")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("cells/all/r1/cells.tsv", "cells"),
        ("cells/all/r1/finish_cells.tsv", "cells"),
        ("cells/all/r1/gmvae-z10-h100-recommended.tsv", "models"),
        ("cells/all/r1/hvg-pca-k50.tsv", "representations"),
        ("cells/all/r1/hvg-pca-k50/tsne.tsv", "maps"),
        ("cells/all/r1/hvg-pca-k50/quality.tsv", "quality"),
        ("cells/all/r1/hvg-pca-k50/ffnn.tsv", "ffnn"),
        ("cells/all/r1/hvg-pca-k50/svm-rbf.tsv", "classifiers"),
        ("cells/n1300/r2/vae-z10-h100.tsv", "models"),
        ("deposit/raw-n1300/repeat.tsv", "ffnn"),
        ("cells/choose_models.tsv", "rest"),
        ("figures/cells/figure1.tsv", "rest"),
        ("write_report.tsv", "rest"),
    ],
)
def test_the_kind_of_a_job_is_that_of_its_file(path, kind):
    assert estimates.kind_of(Path(path)) == kind


def test_jobs_are_counted_and_timed_by_kind(tmp_path):
    heading = "s\tcpu_time\n"
    for name, text in (
        ("cells/all/r1/raw.tsv", "2.5\t1.0\n"),
        ("cells/all/r2/raw.tsv", "2.5\t4.0\n"),
        ("cells/all/r1/vae-z4-h8.tsv", "0.1\t-\n"),
        ("../variants/as-run/benchmarks/cells/all/r1/vae-z4-h8.tsv", "0.4\t-\n"),
    ):
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(heading + text)
    found = estimates.taken(tmp_path)
    assert found.loc["representations"].to_list() == [2, 6.5]
    assert found.loc["models"].to_list() == [2, 0.5]


def test_the_start_is_that_of_the_quickest_run_and_the_share_what_remains():
    record = pd.DataFrame(
        [
            ("small", 1, "models", 10, 100.0, 20.0),
            ("large", 2, "models", 10, 900.0, 120.0),
            ("small", 1, "rest", 3, None, 30.0),
            ("large", 2, "rest", 3, None, 90.0),
        ],
        columns=estimates.COLUMNS,
    )
    assert estimates.usual(record).loc["models"].to_list() == [2.0, 0.1]
    assert estimates.dataset_seconds(record) == 40


def test_the_command_has_the_usual_times_of_the_record():
    found = estimates.usual(RECORD)
    assert {kind: (row.start, row.share) for kind, row in found.iterrows()} == USUAL
    assert estimates.dataset_seconds(RECORD) == DATASET_SECONDS


def test_usual_times_are_near_those_of_each_run():
    rows = estimates.by_run(RECORD)
    assert len(rows) == RECORD["run"].nunique() > 2
    assert (rows["usual"] / rows["seconds"]).between(0.5, 2).all()
    assert (rows["seconds"] < rows["bound_seconds"] + 600 / 3600).all()
