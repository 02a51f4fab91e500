"""The leaderboard on a few real cells, in a copy of the repository, with a method added to it."""

import json
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from test_workflow import clone, snakemake

from repository import ROOT

RANKED = {
    "replicates": 2,
    "subset": {"sizes": [200], "seed": 5},
    "grid": [{"latent_dim": 2, "hidden_units": 6}],
    "pca": {"components": [2, 4]},
    "leaderboard": {
        "representations": ["raw", "pca-k4", "gmvae-z2-h6", "hvg-pca-k5"],
        "classifiers": ["ffnn", "logistic", "naive-bayes"],
        "replicates": {"gmvae-z2-h6": 1},
    },
}
RIDGE = '''"""Ridge regression on the types."""

from latentcell.classify.choosing import Predict, calibrated, choose, decisions
from latentcell.fitting import Fitted, Labelled, Options

TAKES = ("counts", "scores")
USES = ("sklearn.linear_model",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    from sklearn.linear_model import RidgeClassifier

    def learn(alpha: float) -> Predict:
        return decisions(RidgeClassifier(alpha).fit(training.features, training.codes))

    return calibrated(choose([{"alpha": 1.0}, {"alpha": 10.0}], learn, validation), validation)
'''

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("leaderboard")]


def configure(folder, **changes):
    config = yaml.safe_load((folder / "tiny.yaml").read_text())
    config["leaderboard"] |= changes
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


def bytes_of(folder):
    """What does not tell of seconds and memory."""
    results = folder / "results/tiny"
    found = [*results.rglob("metrics.json"), *results.rglob("predictions.csv")]
    found += [*results.rglob("representations/**/*.h5ad"), results / "leaderboard/scores.csv"]
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


def table(folder):
    return pd.read_csv(folder / "results/tiny/tables/leaderboard.csv")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("ranked"), RANKED)
    done = snakemake(folder, "leaderboard")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_sensible_pair_has_a_row(ranked):
    found = table(ranked)
    pairs = set(zip(found["representation"], found["classifier"], strict=True))
    assert pairs == {
        *(("raw", "ffnn"), ("raw", "naive-bayes")),
        *((r, c) for r in ("pca-k4", "gmvae-z2-h6", "hvg-pca-k5") for c in ("ffnn", "logistic")),
    }
    assert found["accuracy_mean"].between(0, 1).all()
    assert found["accuracy_mean"].is_monotonic_decreasing
    assert (found["seconds"] > 0).all()
    assert found["peak_mb"].between(50, 20_000).all()
    replicates = found.set_index("representation")["replicates"]
    assert set(replicates["gmvae-z2-h6"]) == {1}
    assert set(replicates["raw"]) == {2}
    assert found["probability_best"].sum() == pytest.approx(1)
    for kind in ("pdf", "png", "svg"):
        assert (ranked / f"results/tiny/figures/leaderboard.{kind}").stat().st_size > 1000
    markdown = (ranked / "results/tiny/tables/leaderboard.md").read_text()
    assert "Left out, as they make no sense: logistic on raw; naive-bayes on pca-k4" in markdown


def test_the_log_says_what_was_left_out(ranked):
    log = ranked / "results/tiny/logs/n200/r1/classify_cells/hvg-pca-k5.log"
    assert "hvg-pca-k5 makes no sense to naive-bayes: left out" in log.read_text()


def test_representations_are_of_all_cells_with_their_split(ranked):
    folder = ranked / "results/tiny/n200/r1"
    scores = ad.read_h5ad(folder / "representations/hvg-pca-k5/scores.h5ad")
    cells = ad.read_h5ad(folder / "cells.h5ad")
    assert scores.shape == (200, 5)
    assert scores.obs.equals(cells.obs)
    cost = json.loads((folder / "representations/hvg-pca-k5/cost.json").read_text())
    assert cost["seconds"] > 0


def test_the_studys_network_is_that_of_the_run_itself(ranked):
    done = snakemake(ranked, "results/tiny/n200/r2/ffnn/pca-k4/predictions.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = ranked / "results/tiny/n200/r2"
    own, other = (
        pd.read_csv(folder / f"{name}/predictions.csv")
        for name in ("ffnn/pca-k4", "leaderboard/pca-k4/ffnn")
    )
    assert (own["predicted"] == other["predicted"]).all()


def test_one_core_gives_the_same_bytes(ranked, tmp_path):
    folder = clone(tmp_path, RANKED)
    done = snakemake(folder, "leaderboard", cores=1)
    assert done.returncode == 0, done.stdout + done.stderr
    ours = bytes_of(folder)
    assert len(ours) > 30
    theirs = bytes_of(ranked)
    assert {name: theirs[name] for name in ours} == ours
    costly = ["seconds", "peak_mb"]
    pd.testing.assert_frame_equal(
        table(folder).drop(columns=costly), table(ranked).drop(columns=costly)
    )


def test_without_a_leaderboard_there_is_nothing_to_do(ranked):
    folder = ranked.parent / "without"
    folder.mkdir()
    other = clone(folder)
    done = snakemake(other, "leaderboard", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"^rule (classify_|represent_cells)", done.stdout, flags=re.M)
    shown = snakemake(other, "--dry-run").stdout
    assert "leaderboard" not in shown


def documented_method():
    """The example of docs/methods.md."""
    text = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.S)[0]


# Last, as it changes the copy that the others look at.
def test_a_method_is_a_file_and_a_line_and_leaves_the_others_alone(ranked):
    package = ranked / "workflow/src/latentcell"
    (package / "represent/methods/common.py").write_text(documented_method())
    (package / "classify/methods/ridge.py").write_text(RIDGE)
    wanted = RANKED["leaderboard"]
    configure(
        ranked,
        representations=[*wanted["representations"], "common-g50"],
        classifiers=[*wanted["classifiers"], "ridge"],
    )
    results = ranked / "results/tiny"
    kept = {path: path.read_bytes() for path in results.rglob("leaderboard/**/cost.json")}
    assert len(kept) == 14
    done = snakemake(ranked, "leaderboard")
    assert done.returncode == 0, done.stdout + done.stderr
    found = table(ranked)
    pairs = set(zip(found["representation"], found["classifier"], strict=True))
    added = {("common-g50", "ffnn"), ("common-g50", "logistic"), ("raw", "ridge")}
    assert added | {("pca-k4", "ridge")} <= pairs
    features = ad.read_h5ad(results / "n200/r1/representations/common-g50/scores.h5ad")
    assert features.shape == (200, 50)
    assert np.expm1(features.X.toarray()).sum(1).max() < 1e4
    # Seconds differ from run to run: those that stand as they were were not done again.
    assert {path: path.read_bytes() for path in kept} == kept
    again = snakemake(ranked, "leaderboard")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_an_unknown_method_is_refused_at_once(ranked):
    configure(ranked, classifiers=["svm"])
    done = snakemake(ranked, "leaderboard", "--dry-run")
    assert done.returncode != 0
    assert "expected a classifier among actinn" in done.stdout + done.stderr
