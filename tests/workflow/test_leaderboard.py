"""The leaderboard on a few real cells, in a copy of the repository, with a method added to it."""

import json
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from test_workflow import SAMPLE, clone, snakemake

from repository import ROOT

RANKED = {
    "replicates": 2,
    "subset": {"sizes": [200], "seed": 5},
    "grid": {
        "representations": ["raw", "pca-k2", "pca-k4", "hvg-pca-k5"],
        "models": [{"latent_dim": 2, "hidden_units": 6}],
        "classifiers": ["ffnn", "logistic", "naive-bayes"],
        "consensus": {"two": ["raw/naive-bayes", "hvg-pca-k5/logistic"]},
        "replicates": {"gmvae-z2-h6": 1},
        "quality": 2,
    },
    "choice": {"classified": "all"},
}
RIDGE = '''"""Ridge regression on the types."""

from latentcell.classify.choosing import Predict, calibrated, choose, decisions
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("counts", "scores")
USES = ("sklearn.linear_model",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    from sklearn.linear_model import RidgeClassifier

    def learn(alpha: float) -> Predict:
        return decisions(RidgeClassifier(alpha).fit(training.features, training.codes))

    return calibrated(choose([{"alpha": 1.0}, {"alpha": 10.0}], learn, validation), validation)
'''

TARGETS = (
    "results/tiny/tables/leaderboard.csv",
    "results/tiny/tables/table5.csv",
    f"results/tiny/figures/{SAMPLE}/leaderboard.png",
    f"results/tiny/figures/{SAMPLE}/latent_quality.png",
)

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("leaderboard")]


def configure(folder, **changes):
    config = yaml.safe_load((folder / "tiny.yaml").read_text())
    config["grid"] |= changes
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


def table(folder):
    return pd.read_csv(folder / "results/tiny/tables/leaderboard.csv")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("ranked"), RANKED)
    done = snakemake(folder, *TARGETS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_sensible_pair_has_a_row(ranked):
    found = table(ranked)
    pairs = set(zip(found["representation"], found["classifier"], strict=True))
    dense = ("pca-k2", "pca-k4", "gmvae-z2-h6", "hvg-pca-k5")
    assert pairs == {
        *(("raw", "ffnn"), ("raw", "naive-bayes")),
        *((name, classifier) for name in dense for classifier in ("ffnn", "logistic")),
        ("consensus-two", "argmax"),
    }
    assert found["accuracy_mean"].between(0, 1).all()
    assert found["accuracy_mean"].is_monotonic_decreasing
    assert (found["seconds"] > 0).all()
    assert found["peak_mb"].between(50, 20_000).all()
    replicates = found.set_index("representation")["replicates"]
    assert set(replicates["gmvae-z2-h6"]) == {1}
    assert set(replicates["raw"]) == {2}
    assert found["probability_best"].isna().all()  # Two replicates tell nothing.
    for kind in ("pdf", "png", "svg"):
        assert (ranked / f"results/tiny/figures/{SAMPLE}/leaderboard.{kind}").stat().st_size > 1000
    markdown = (ranked / "results/tiny/tables/leaderboard.md").read_text()
    left_out = "; ".join(f"naive-bayes on {name}" for name in sorted(dense))
    assert f"Not applicable: logistic on raw; {left_out}." in markdown


def test_dense_representations_are_measured_without_a_classifier(ranked):
    measured = pd.read_csv(ranked / "results/tiny/tables/latents.csv")
    assert set(measured["representation"]) == {"pca-k2", "pca-k4", "hvg-pca-k5", "gmvae-z2-h6"}
    assert measured[["nmi_mean", "test_nmi_mean"]].gt(0).all(axis=None)
    record = pd.read_csv(ranked / "results/tiny/records/quality.csv")
    assert len(record) == 2 * (3 * 2 + 1)
    found = measured.set_index("representation")["accuracy_mean"]
    ranks = table(ranked).query("classifier == 'ffnn'").set_index("representation")
    assert found.to_dict() == pytest.approx(ranks["accuracy_mean"].drop("raw").to_dict())


def test_representations_are_of_all_cells_with_their_split(ranked):
    folder = ranked / "results/tiny" / SAMPLE / "n200/r1"
    scores = ad.read_h5ad(folder / "hvg-pca-k5/features.h5ad")
    cells = ad.read_h5ad(folder / "cells.h5ad")
    assert scores.shape == (200, 5)
    assert scores.obs.equals(cells.obs)
    cost = json.loads((folder / "hvg-pca-k5/cost.json").read_text())
    assert cost["seconds"] > 0


def test_a_consensus_costs_as_much_as_its_experts(ranked):
    seconds = table(ranked).set_index(["representation", "classifier"])["seconds"]
    experts = seconds["raw", "naive-bayes"] + seconds["hvg-pca-k5", "logistic"]
    assert seconds["consensus-two", "argmax"] == pytest.approx(experts, abs=0.05)


def test_table_5_and_the_leaderboard_read_the_same_classifier(ranked):
    found = table(ranked).query("classifier == 'ffnn'").set_index("representation")
    table5 = pd.read_csv(ranked / "results/tiny/tables/table5.csv")
    own = table5[table5["input"] == "hvg-pca-k5"]["accuracy_mean"].item()
    assert own == pytest.approx(found["accuracy_mean"]["hvg-pca-k5"])
    assert len(table5) == len(found)


def test_with_one_classifier_there_is_no_leaderboard(ranked):
    folder = ranked.parent / "without"
    folder.mkdir()
    shown = snakemake(clone(folder), "--dry-run").stdout
    assert "leaderboard" not in shown


def test_types_that_count_and_groups_are_chosen_without_training(ranked):
    before = table(ranked)
    config = (ranked / "tiny.yaml").read_text()
    cell_types = ad.read_h5ad(ranked / f"results/tiny/{SAMPLE}/dataset.h5ad").obs["cell_type"]
    groups = {"all": list(map(str, cell_types.cat.categories))}
    more = {"datasets": [{"name": SAMPLE, "coarse_types": groups}], "measures": {"min_cells": 50}}
    (ranked / "tiny.yaml").write_text(yaml.safe_dump(yaml.safe_load(config) | more))
    try:
        planned = snakemake(ranked, TARGETS[0], "--dry-run", "--quiet", "host").stdout
        assert set(re.findall(r"^rule (\w+):", planned, flags=re.M)) == {
            *("collect_records", "write_table")
        }
        done = snakemake(ranked, TARGETS[0])
        assert done.returncode == 0, done.stdout + done.stderr
        after = table(ranked)
    finally:
        (ranked / "tiny.yaml").write_text(config)
    same = ["representation", "classifier", "accuracy_mean", "accuracy_low", "probability_best"]
    pd.testing.assert_frame_equal(after[same], before[same])
    assert not after["macro_f1_mean"].equals(before["macro_f1_mean"])
    # A single type is left, and nothing can be wrong.
    assert (after["accuracy_merged_mean"] == 1).all()
    assert (before["accuracy_merged_mean"] < 1).any()


# A figure is one entry of the catalogue and one function.
ENTRY = """
FIGURES["added"] = FigureEntry(
    "An added figure",
    "Caption of the added figure.",
    "study.added",
    lambda settings, dataset, chosen: ["tables/table5.csv"],
    lambda settings: True,
)
"""
FUNCTION = """

def added(data: FigureData) -> "Figure":
    \"\"\"Accuracies as bars.\"\"\"
    from matplotlib.figure import Figure

    figure = Figure()
    table = data.table("table5")
    figure.subplots().bar(range(len(table)), table["accuracy_mean"])
    return figure
"""


def add_figure(package):
    for name, text in (("catalogue", ENTRY), ("study", FUNCTION)):
        module = package / f"figures/{name}.py"
        module.write_text(module.read_text() + text)


def documented_method():
    """The example of docs/methods.md."""
    text = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    (method,) = (block for block in blocks if "GIVES = " in block)
    return method


# Last, as it changes the copy that the others look at.
def test_a_method_is_a_file_and_a_figure_an_entry_and_the_others_are_left_alone(ranked):
    package = ranked / "workflow/src/latentcell"
    (package / "represent/methods/dca_Common.py").write_text(documented_method())
    (package / "classify/methods/ridge.py").write_text(RIDGE)
    add_figure(package)
    wanted = RANKED["grid"]
    configure(
        ranked,
        representations=[*wanted["representations"], "dca-Common-g50"],
        classifiers=[*wanted["classifiers"], "ridge"],
    )
    results = ranked / "results/tiny"
    kept = {path: path.read_bytes() for path in results.rglob("*/*/cost.json")}
    assert len(kept) > 20
    done = snakemake(ranked, *TARGETS, "results/tiny/report.html", "results/tiny/answer.html")
    assert done.returncode == 0, done.stdout + done.stderr
    found = table(ranked)
    pairs = set(zip(found["representation"], found["classifier"], strict=True))
    added = {("dca-Common-g50", "ffnn"), ("dca-Common-g50", "logistic"), ("raw", "ridge")}
    assert added | {("pca-k4", "ridge")} <= pairs
    features = ad.read_h5ad(results / SAMPLE / "n200/r1/dca-Common-g50/features.h5ad")
    assert features.shape == (200, 50)
    assert np.expm1(features.X.toarray()).sum(1).max() < 1e4
    table5 = pd.read_csv(results / "tables/table5.csv")
    assert "dca-Common-g50" in set(table5["input"])
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "dca-Common-g50" in report
    assert "Caption of the added figure." in report
    assert (results / f"figures/{SAMPLE}/added.svg").stat().st_size > 1000
    assert "dca-Common-g50" in (results / "answer.html").read_text(encoding="utf-8")
    # Seconds differ from run to run: those that are as they were did not train again.
    assert {path: path.read_bytes() for path in kept} == kept
    again = snakemake(ranked, *TARGETS)
    assert "Nothing to be done" in again.stdout + again.stderr


# Jobs of the method follow from the choice of models, so they are no part of the first plan.
@pytest.mark.parametrize("target", ["tables", f"results/tiny/{SAMPLE}/n200/r1/raw/needy/cost.json"])
def test_a_missing_library_is_refused_before_the_first_job(ranked, target):
    method = ranked / "workflow/src/latentcell/classify/methods/needy.py"
    method.write_text(RIDGE.replace("sklearn.linear_model", "absent_library"))
    config = (ranked / "tiny.yaml").read_text()
    grid, model = RANKED["grid"], {"latent_dim": 3, "hidden_units": 4}
    methods = {"classifiers": [*grid["classifiers"], "needy"], "models": [*grid["models"], model]}
    configure(ranked, **methods)
    try:
        done = snakemake(ranked, target)
    finally:
        (ranked / "tiny.yaml").write_text(config)
        method.unlink()
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "classifier needy needs the library absent_library, found none: pip install" in output
    assert "Finished jobid" not in output
    assert not list((ranked / "results/tiny").rglob("gmvae-z3-h4*"))
    again = snakemake(ranked, TARGETS[0], "--dry-run")  # The folder is not left locked.
    assert again.returncode == 0, again.stdout + again.stderr


def test_an_unknown_method_is_refused_at_once(ranked):
    configure(ranked, classifiers=["svm"])
    done = snakemake(ranked, "--dry-run")
    assert done.returncode != 0
    assert "expected a classifier among actinn" in done.stdout + done.stderr
