"""The page of a run: what it holds is what the files hold, safe, small and the same every time."""

import base64
import hashlib
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import anndata
import numpy as np
import pandas as pd
import pytest
import vl_convert
from made_run import COMPARISON, HOSTILE, make_run, settings_of
from scipy import sparse

from latentcell.config.names import input_title
from latentcell.config.settings import parse_settings
from latentcell.evaluate.statistics import paired_difference
from latentcell.figures.style import _KNOWN_TYPES as STUDY_TYPES
from latentcell.figures.style import type_styles
from latentcell.report import provenance
from latentcell.report.answer import verdict
from latentcell.report.best import LATENTS, RAW, best_of_each_kind, kind_of, ranked_inputs
from latentcell.report.cells import MOST_CELLS, _look, cell_map, on_dark
from latentcell.report.collect import collect
from latentcell.report.cost import cost_table, step_of
from latentcell.report.genes import STEPS, marker_genes
from latentcell.report.headline import Outcome, _tallied
from latentcell.report.page import _library, embedded, render
from latentcell.report.parts import number
from latentcell.report.results import results_of
from latentcell.report.summary import _intervals
from latentcell.report.tables import _short, has_published
from latentcell.runtime.io import read_json, write_text
from latentcell.runtime.mark import SIMULATION_NOTE
from latentcell.tables.catalogue import TABLES

RULES = Path(__file__).parents[2] / "workflow/rules"
EVERYTHING = {
    "protocol": "controlled",
    "grid": {
        "representations": ["raw", "pca-k10", "pca-k25", "hvg-pca-k50"],
        "classifiers": ["ffnn", "svm-rbf"],
    },
    "comparison": {"protocols": ["as-run"], "labelled_shares": [0.05]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = settings_of([60, "all"])
    chosen = make_run(folder, settings, types=HOSTILE)
    return folder, settings, chosen


@pytest.fixture(scope="module")
def report(run):
    return collect(*run)


@pytest.fixture(scope="module")
def page(report):
    return render(report)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    settings = settings_of(["all"], **EVERYTHING)
    chosen = make_run(folder, settings, simulated=SIMULATION_NOTE)
    return collect(folder, settings, chosen)


@pytest.fixture(scope="module")
def full_page(full):
    return render(full)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    settings = settings_of([60, "all"], ("second", "first"))
    return folder, settings, make_run(folder, settings)


@pytest.fixture(scope="module")
def two_report(two):
    return collect(*two)


@pytest.fixture(scope="module")
def two_page(two_report):
    return render(two_report)


def map_of(folder, settings, chosen, cells, dataset="mine"):
    (results,) = (one for one in results_of(folder, settings, chosen) if one.dataset == dataset)
    return cell_map(results, cells)


def topic(report, name, place=0):
    return next(one for one in report.datasets[place].topics if one.name == name)


def data_of(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text.group(1))


class Outline(HTMLParser):
    """Elements of a page, in order."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def names_of(shown):
    return [look["name"] for look in shown["types"]]


def test_the_map_holds_the_cells_of_the_files(run):
    folder, _, chosen = run
    shown = map_of(*run, "n60")
    assert [part["name"] for part in shown["representations"]] == chosen["mine"]
    assert len(map_of(*run, "all")["representations"]) == 1 + len(chosen["mine"])
    place = folder / "mine/n60/r1"
    points = pd.read_csv(place / chosen["mine"][0] / "tsne.csv")
    assert shown["barcodes"] == list(points["barcode"])
    assert shown["representations"][0]["tsne"]["x"] == list(points["x"].round(2))
    finished = anndata.read_h5ad(place / "finished.h5ad")
    umap = finished.obsm[f"X_umap_{chosen['mine'][0]}"]
    assert shown["representations"][0]["umap"]["y"] == list(umap[:, 1].round(2))
    for made in shown["inputs"]:
        table = pd.read_csv(place / made["name"] / "ffnn/predictions.csv")
        types = names_of(shown)
        assert [types[i] for i in made["predicted"]] == list(table["predicted"])
        assert [types[i] for i in shown["type"]] == list(table["cell_type"])
        assert made["probability"] == list(table["probability"].round(3))
    assert shown["shown"] == ""
    assert all(count > 0 for count in shown["umi"])


@pytest.mark.parametrize("made", ["run", "two"])
def test_matrices_are_of_the_cells_on_the_map(made, request):
    _, settings, _ = request.getfixturevalue(made)
    report = request.getfixturevalue({"run": "report", "two": "two_report"}[made])
    assert len(report.matrices) == len(settings.datasets) * 2 * 5
    for matrix in report.matrices:
        shown = next(shown for shown in report.maps if shown["name"] == matrix.map)
        made = next(part for part in shown["inputs"] if part["name"] == matrix.input)
        types = names_of(shown)
        behind = np.zeros((4, 4), int)
        for index, split in enumerate(made["split"]):
            if split == 2:
                true = matrix.labels.index(types[shown["type"][index]])
                behind[true, matrix.labels.index(types[made["predicted"][index]])] += 1
        assert behind.tolist() == matrix.counts
        totals = np.array(matrix.shares).sum(axis=1)
        assert np.all(np.isclose(totals, 1, atol=2e-3) | (totals == 0))


def test_cells_of_their_own_are_on_the_map_and_missing_elsewhere(tmp_path):
    settings = settings_of(["all"])
    chosen = make_run(tmp_path, settings)
    first, second = chosen["mine"]
    for name in ("tsne.csv", "ffnn/predictions.csv"):
        path = tmp_path / "mine/all/r1" / first / name
        pd.read_csv(path).iloc[:40].to_csv(path, index=False)
    shown = map_of(tmp_path, settings, chosen, "all")
    of = {part["name"]: part for part in shown["representations"]}
    assert of[first]["tsne"]["x"].count(None) == 80
    assert of[second]["tsne"]["x"].count(None) == 0
    made = next(part for part in shown["inputs"] if part["name"] == first)
    assert made["split"][40:] == made["predicted"][40:] == made["probability"][40:] == [None] * 80


def test_of_too_many_cells_all_that_test_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("latentcell.report.cells.MOST_CELLS", 50)
    assert MOST_CELLS == 20_000
    settings = settings_of(["all"])
    chosen = make_run(tmp_path, settings)
    shown = map_of(tmp_path, settings, chosen, "all")
    table = pd.read_csv(tmp_path / "mine/all/r1/raw/ffnn/predictions.csv")
    assert len(shown["barcodes"]) == 50
    assert set(table.loc[table["split"] == "test", "barcode"]) <= set(shown["barcodes"])
    assert shown["shown"].startswith("The map has 50 of 120 cells")


def test_fifteen_thousand_cells_are_under_fifteen_megabytes(tmp_path):
    settings = settings_of(
        [1300, 15000],
        grid={
            "models": [{"latent_dim": [10, 25, 50, 100], "hidden_units": 250}],
            "representations": ["raw", "pca-k10", "pca-k25", "pca-k50", "pca-k100"],
        },
        replicates=1,
    )
    chosen = make_run(tmp_path, settings, cells=15000, types=[f"type {i}" for i in range(11)])
    page = render(collect(tmp_path, settings, chosen))
    assert len(data_of(page)["maps"][1]["barcodes"]) == 15000
    assert 2e6 < len(page.encode()) < 15e6


def test_intervals_and_differences_are_those_of_the_measures(run, report):
    folder, settings, _ = run
    answers = topic(report, "answer").sections
    assert [section.title for section in answers] == ["60 cells", "All 120 cells"]
    chart = answers[0].charts[0]
    values = chart.spec["data"]["values"]
    found = [
        read_json(folder / "mine/n60" / replicate / "raw/ffnn/metrics.json")["splits"]["test"]
        for replicate in settings.replicate_names()
    ]
    mean = np.mean([measures["accuracy"] for measures in found])
    assert values[0]["label"] == "Raw counts"
    assert values[0]["mean"] == pytest.approx(mean)
    low, high = values[0]["low"], values[0]["high"]
    assert 0 <= low < mean < high <= 1
    said = f"{number(mean, 3)} ({number(low, 3)} to {number(high, 3)})"
    assert chart.table.rows[0][1] == values[0]["text"] == said
    latents, other, _, difference = answers[0].tables[0].rows[0][:4]
    assert latents.startswith("GMVAE")
    means = {value["label"]: value["mean"] for value in values}
    assert difference.startswith(f"{number(means[latents] - means[other], 3)} (")
    rows = answers[0].tables[0].rows
    assert [row[2] for row in rows[:3]] == ["accuracy", "balanced accuracy", "macro-F1"]
    for row in rows:
        assert sum(float(text) for text in row[4:7]) == pytest.approx(1, abs=2e-3)
    said = answers[0].sentences
    assert len(said) == len(rows) / 3
    assert said[0].startswith(f"{latents} against {other}: {difference} of accuracy, ")
    assert f"; {rows[1][3]} of balanced accuracy, " in said[0]
    assert f"; {rows[2][3]} of macro-F1, " in said[0]


def test_the_best_on_validation_cells_stand_for_their_kind(run, report):
    folder, _, chosen = run
    rows = topic(report, "answer").sections[0].tables[0].rows

    def validated(name):
        paths = sorted((folder / "mine/n60").glob(f"r?/{name}/ffnn/metrics.json"))
        return np.mean([read_json(path)["splits"]["validation"]["accuracy"] for path in paths])

    titles = {"pca-k10": "PCA, k = 10", "pca-k25": "PCA, k = 25", "raw": "Raw counts"}
    best = max(("pca-k10", "pca-k25"), key=validated)
    assert [row[1] for row in rows] == ["Raw counts"] * 3 + [titles[best]] * 3
    latents = max(sorted(chosen["mine"]), key=validated)  # ties: the first by name
    size = latents.split("-")[1].removeprefix("z")
    assert {row[0] for row in rows} == {f"GMVAE Z = {size}, H = 32"}


def test_the_first_screen_compares_the_best_latents_with_the_best_other_input(run, report):
    folder, head = run[0], report.headline
    scores = pd.read_csv(folder / "records/classifiers.csv")
    own = scores[(scores["cells"] == "all") & (scores["classifier"] == "ffnn")]
    validated, tested = (
        own[own["split"] == split].groupby("input")["accuracy"].mean()
        for split in ("validation", "test")
    )
    latents = validated[validated.index.str.startswith("gmvae")].idxmax()
    other = validated[~validated.index.str.startswith("gmvae")].idxmax()
    wide = own[own["split"] == "test"].pivot(index="replicate", columns="input", values="accuracy")
    sizes = own[own["input"] == "raw"].groupby("split")["split_cells"].sum()
    expected = paired_difference(wide[latents], wide[other], sizes["test"] / sizes["training"])
    facts = {fact.name: fact for fact in head.facts}
    assert len(facts) == 3
    assert facts["Accuracy, best latents"].value == number(tested[latents], 3)
    assert facts["Accuracy, best other input"].value == number(tested[other], 3)
    assert facts["Accuracy, best other input"].remark == input_title(other)
    assert facts["Difference"].value.lstrip("+") == number(expected.mean, 3)
    bounds = f"{number(expected.low, 3)} to {number(expected.high, 3)}"
    assert facts["Difference"].remark == f"95 % interval {bounds}"
    (sentence,) = head.sentences
    assert sentence.startswith(f"All 120 cells: {input_title(latents)}, the best latents on ")
    assert "Probability that latents are: better " in sentence
    assert head.remarks == []


@pytest.mark.parametrize(
    ("gain", "answer"),
    [
        (0.2, "Yes: learnt latents classify these cells better."),
        (-0.2, "No: learnt latents classify these cells worse."),
        (0.0, "No: latents and other inputs are equal in practice."),
        (None, "Undecided: the difference is smaller than its uncertainty."),
    ],
)
def test_the_answer_is_that_of_the_interval(few_inputs, gain, answer):
    folder, settings, chosen = few_inputs("mine")
    spread = np.array([-2, -1, 0, 1, 2])
    gains = spread / 10 if gain is None else gain + spread / 1000
    latents = 0.5 + spread / 100 + gains
    set_accuracies(folder, {"raw": 0.5 + spread / 100, "gmvae-z5-h32": latents})
    head = collect(folder, settings, chosen).headline
    assert head.answer == answer
    assert head.facts[0].value == number(latents.mean(), 3)


def test_accuracies_of_the_first_screen_are_those_of_the_compared_replicates(tmp_path):
    grid = {"representations": ["raw"], "models": [{"latent_dim": 5, "hidden_units": 32}]}
    settings = settings_of(["all"], grid=grid | {"replicates": {"gmvae-z5-h32": 3}})
    chosen = make_run(tmp_path, settings)
    # Latents are better in each replicate that both have.
    set_accuracies(tmp_path, {"raw": [0.5, 0.5, 0.5, 0.9, 0.9], "gmvae-z5-h32": [0.6] * 3})
    report = collect(tmp_path, settings, chosen)
    facts = report.headline.facts
    assert [fact.value for fact in facts] == ["0.600", "0.500", "+0.100"]
    assert "with 95 % intervals, for 5 or more replicates." in report.summary.notes[0]


def test_latents_of_a_library_are_learnt_latents(tmp_path):
    grid = {"representations": ["scvi-z10", "raw"]}
    grid["models"] = [{"latent_dim": 5, "hidden_units": 32}]
    settings = settings_of(["all"], grid=grid)
    chosen = make_run(tmp_path, settings)
    raw = 0.5 + np.arange(5) / 100
    accuracies = {"scvi-z10": raw + np.array([0.2, 0.21, 0.2, 0.19, 0.2]), "raw": raw}
    set_accuracies(tmp_path, accuracies | {"gmvae-z5-h32": raw - 0.1})
    head = collect(tmp_path, settings, chosen).headline
    assert head.answer == "Yes: learnt latents classify these cells better."
    assert [fact.remark for fact in head.facts[:2]] == ["scvi-z10", "Raw counts"]
    assert [fact.value for fact in head.facts] == ["0.720", "0.520", "+0.200"]


def test_inputs_that_know_the_types_are_not_chosen():
    grid = {"representations": ["raw", "label-rule"], "classifiers": ["logistic", "ffnn"]}
    grid["models"] = [{"latent_dim": 5, "hidden_units": 32}]
    grid["consensus"] = {
        "knowing": ["label-rule/logistic", "gmvae-z5-h32/logistic"],
        "two": ["gmvae-z5-h32/logistic", "raw/ffnn"],
    }
    settings = parse_settings({"datasets": ["pbmc68k-study", "zheng-sorted"], "grid": grid})
    validated = {"label-rule": 0.9, "raw": 0.5, "gmvae-z5-h32": 0.6}
    validated |= {"consensus-knowing": 0.8, "consensus-two": 0.7}
    scores = pd.DataFrame({"input": validated.keys(), "accuracy": validated.values()})
    scores = scores.assign(split="validation")
    ranked = ranked_inputs(scores, settings)
    assert ranked == ["consensus-two", "gmvae-z5-h32", "raw"]
    assert [kind_of(name, settings) for name in ranked] == [LATENTS, LATENTS, RAW]
    without = scores[~scores["input"].str.startswith("consensus")]
    assert ranked_inputs(without, settings) == ["gmvae-z5-h32", "raw"]
    assert best_of_each_kind(without, settings) == {RAW: "raw", LATENTS: "gmvae-z5-h32"}


def test_inputs_of_different_splits_are_not_paired_on_the_page(tmp_path):
    grid = {"representations": ["raw"], "models": [{"latent_dim": 5, "hidden_units": 32}]}
    settings = settings_of(["all"], grid=grid, ffnn={"split": "own"})
    chosen = make_run(tmp_path, settings)
    # Paired, the difference has no spread.
    raw = np.array([0.5, 0.6, 0.55, 0.7, 0.4])
    set_accuracies(tmp_path, {"raw": raw, "gmvae-z5-h32": raw + 0.1})
    report = collect(tmp_path, settings, chosen)
    assert report.headline.answer == "Undecided: the difference is smaller than its uncertainty."
    assert report.design == [
        *("Models are chosen on validation cells.", "Accuracies are measured on test cells.")
    ]


def test_equal_differences_have_no_probability_on_the_first_screen(few_inputs):
    folder, settings, chosen = few_inputs("mine")
    set_accuracies(folder, {"raw": [1.0] * 5, "gmvae-z5-h32": [1.0] * 5})
    head = collect(folder, settings, chosen).headline
    assert head.answer.startswith("Undecided: the difference is the same in all replicates")
    assert head.sentences[0].endswith(" The difference is the same in all 5 replicates.")
    assert head.facts[2].remark == "the same in all 5 replicates"


def test_a_single_data_set_of_several_that_is_compared_is_named():
    row = {"replicates": 5, "difference_low": 0.1, "difference_high": 0.2}
    outcome = Outcome("mine", "n60", "gmvae-z5-h32", "raw", (0.6, 0.5), row, "better")
    assert _tallied([outcome]) == "Latents are better on mine."
    assert _tallied([outcome] * 2) == "Latents are better on all 2 data sets."


def set_accuracies(folder, values, dataset="mine"):
    """Write accuracies of replicates r1, r2, ... on test cells into the records of a run."""
    path = folder / "records/classifiers.csv"
    scores = pd.read_csv(path)
    for name, accuracies in values.items():
        for index, accuracy in enumerate(accuracies, 1):
            job = (scores["input"] == name) & (scores["replicate"] == f"r{index}")
            job &= (scores["dataset"] == dataset) & (scores["split"] == "test")
            scores.loc[job, "accuracy"] = accuracy
    scores.to_csv(path, index=False)


@pytest.fixture(scope="module")
def run_of_few_inputs(tmp_path_factory):
    """Make a run of raw counts and one model, once for each list of data sets."""

    @cache
    def made(*datasets):
        folder = tmp_path_factory.mktemp("few")
        grid = {"representations": ["raw"], "models": [{"latent_dim": 5, "hidden_units": 32}]}
        settings = settings_of(["all"], datasets, grid=grid)
        return folder, settings, make_run(folder, settings)

    return made


@pytest.fixture
def few_inputs(run_of_few_inputs, tmp_path):
    """A copy of such a run, whose records a test may change."""

    def copied(*datasets):
        folder, settings, chosen = run_of_few_inputs(*datasets)
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        return tmp_path, settings, chosen

    return copied


def test_few_replicates_are_dots_without_interval_or_probability(tmp_path):
    settings = settings_of(["all"], replicates=2)
    chosen = make_run(tmp_path, settings)
    report = collect(tmp_path, settings, chosen)
    head = report.headline
    assert head.answer == "Not known yet: too few replicates."
    assert head.facts[2].remark == "no interval: 2 of 5 replicates"
    assert "intervals and probabilities need 5" in head.sentences[0]
    values = head.charts[0].spec["data"]["values"]
    assert len(values) == 2 * 5
    assert all(value["low"] is value["high"] is None for value in values)
    assert [layer["mark"]["type"] for layer in head.charts[0].spec["layer"]] == [
        *("rule", "point", "tick")
    ]
    (section,) = topic(report, "answer").sections
    assert section.charts[0].table.cells("Accuracy") == [
        number(value["mean"], 3) for value in section.charts[0].spec["data"]["values"]
    ]
    assert all("undecided with fewer than 5 replicates" in text for text in section.sentences)
    page = render(report)
    assert not re.search(r"\d \(−?\d+\.\d+ to ", page)
    assert "(95 %)</th>" not in page
    assert "P(latents better)</th>" not in page


def test_no_interval_of_the_page_leaves_what_accuracies_can_be(report, two_report):
    for one in (report, two_report):
        for name, chart in one.charts().items():
            for value in chart.spec["data"]["values"]:
                if "mean" in value:
                    assert 0 <= value["low"] <= value["mean"] <= value["high"] <= 1, name
        for column in one.summary.columns:
            for bar in column.bars:
                assert 0 <= bar.length <= 1
                ends = [float(end.replace("−", "-")) for end in bar.interval.split(" to ") if end]
                assert all(-1 <= end <= 1 for end in ends)
                if column.group == "accuracy":
                    assert 0 <= ends[0] <= bar.value <= ends[1]


def test_the_first_chart_has_a_dot_for_each_replicate_and_the_majority_as_a_line(run, report):
    folder, settings, _ = run
    (chart,) = report.headline.charts
    values = chart.spec["data"]["values"]
    assert len(values) == 5 * 5
    raw = [value for value in values if value["label"] == "Raw counts"]
    found = [
        read_json(folder / "mine/all" / replicate / "raw/ffnn/metrics.json")
        for replicate in settings.replicate_names()
    ]
    accuracies = [metrics["splits"]["test"]["accuracy"] for metrics in found]
    assert [value["accuracy"] for value in raw] == pytest.approx(accuracies)
    assert [value["first"] for value in raw] == [True] + [False] * 4
    majority = []
    for metrics in found:
        tested, trained = (
            np.array(metrics["confusion"][part]).sum(axis=1) for part in ("matrix", "training")
        )
        majority.append(tested[trained.argmax()] / tested.sum())
    line = chart.spec["layer"][0]["encoding"]["x"]["datum"]
    assert line == pytest.approx(np.mean(majority))
    assert f"({number(line, 3)})" in chart.note
    assert chart.spec["layer"][1]["mark"]["type"] == "rule"
    assert "bars are 95 % intervals" in chart.note
    kinds = {value["kind"] for value in values}
    assert kinds == {"raw counts", "principal components", "learnt latents"}
    colours = chart.spec["layer"][1]["encoding"]["color"]["scale"]["range"]
    assert len(set(colours)) == 3


def test_several_data_sets_stand_side_by_side(two_report, two_page):
    assert [chart.title for chart in two_report.headline.charts] == [
        "second, all 120 cells",
        "first, all 120 cells",
    ]
    assert sum(int(fact.value) for fact in two_report.headline.facts) == 2
    assert len(two_report.headline.sentences) == 2
    assert two_report.summary.datasets == ["second"] * 5 + ["first"] * 5
    assert 'class="sort">Data set</button>' in two_page


@pytest.mark.parametrize(
    ("gains", "answer", "numbers"),
    [
        ((0.2, 0.2), "Latents are better on all 2 data sets.", [2, 0, 0]),
        (
            (0.2, -0.2),
            "It depends on the data set: latents are better on 1, worse on 1.",
            [1, 1, 0],
        ),
        ((None, None), "Undecided on all 2 data sets.", [0, 0, 2]),
        (
            (0.0, None),
            "It depends on the data set: latents are equal in practice on 1, undecided on 1.",
            [0, 0, 2],
        ),
    ],
)
def test_data_sets_are_counted_by_outcome(few_inputs, gains, answer, numbers):
    folder, settings, chosen = few_inputs("one", "other")
    spread = np.array([-2, -1, 0, 1, 2])
    for dataset, gain in zip(("one", "other"), gains, strict=True):
        added = spread / 10 if gain is None else gain + spread / 1000
        raw = 0.5 + spread / 100
        set_accuracies(folder, {"raw": raw, "gmvae-z5-h32": raw + added}, dataset)
    head = collect(folder, settings, chosen).headline
    assert head.answer == answer
    assert [int(fact.value) for fact in head.facts] == numbers


def test_the_summary_has_every_measure_that_there_is(tmp_path):
    settings = settings_of(["all"], grid={"quality": 2, "classifiers": ["ffnn", "svm-rbf"]})
    chosen = make_run(tmp_path, settings)
    report = collect(tmp_path, settings, chosen)
    titles = {column.title: column for column in report.summary.columns}
    assert list(titles) == [
        *("Accuracy", "Balanced accuracy", "Macro-F1", "NMI", "ARI", "Silhouette", "CPU seconds")
    ]
    accuracies = [bar.value for bar in titles["Accuracy"].bars]
    assert accuracies == sorted(accuracies, reverse=True)
    raw = report.summary.inputs.index("Raw counts")
    nmi, ari = titles["NMI"].bars, titles["ARI"].bars
    assert (nmi[raw].text, nmi[raw].value, nmi[raw - 1].text) == ("", None, "0.500")
    # A negative value has no bar.
    assert (ari[raw - 1].text, ari[raw - 1].length) == ("−0.100", 0)
    assert titles["CPU seconds"].bars[0].text == "3.5"
    csv = pd.read_csv(io.StringIO(report.summary.csv))
    assert csv["accuracy_mean"].tolist() == pytest.approx(accuracies)
    assert set(csv["replicates"]) == {5}
    link = next(one for one in Outline(render(report)).named("a") if "download" in one)
    assert link["download"] == "made-summary.csv"
    assert unquote(link["href"]) == f"data:text/csv;charset=utf-8,{report.summary.csv}"


def test_the_sample_is_called_a_demonstration(tmp_path):
    settings = parse_settings(
        {
            "run": "made",
            "datasets": [{"name": "pbmc68k-sample", "coarse_types": {}}],
            "replicates": 1,
        }
        | {"grid": {"representations": ["raw"], "models": [{"latent_dim": 5, "hidden_units": 32}]}}
    )
    chosen = make_run(tmp_path, settings)
    report = collect(tmp_path, settings, chosen)
    (remark,) = report.headline.remarks
    types = anndata.read_h5ad(tmp_path / "pbmc68k-sample/dataset.h5ad").obs["cell_type"]
    share = types.value_counts(normalize=True)
    assert remark.startswith("This is a demonstration: 120 cells with 4 genes, ")
    assert f"{100 * share.iloc[0]:.0f} % of the cells {share.index[0]}. " in remark
    assert "make study" in remark


def test_published_values_are_announced_where_there_are_some(report, full):
    assert topic(report, "published").title == "Models and inputs in numbers"
    assert not [part for part in full.datasets[0].topics if part.menu == "Published"]
    frame = pd.DataFrame({"accuracy_mean": [0.5], "accuracy_published": [0.6]})
    assert has_published(frame)
    assert not has_published(frame.assign(accuracy_published=np.nan))
    assert not has_published(frame.drop(columns="accuracy_published"))


def test_map_and_matrix_begin_with_the_best_of_the_largest_subset(two, two_page):
    folder, data = two[0], data_of(two_page)
    assert data["firstMap"] == "second/all"
    shown = next(one for one in data["maps"] if one["name"] == "second/all")
    scores = pd.read_csv(folder / "records/classifiers.csv")
    own = scores[(scores["dataset"] == "second") & (scores["cells"] == "all")]
    means = own[own["split"] == "validation"].groupby("input")["accuracy"].mean()
    names = [part["name"] for part in shown["representations"]]
    assert shown["best"] == means[means.index.isin(names)].idxmax()
    assert shown["best"] in [part["name"] for part in shown["inputs"]]


def test_origin_and_methods_are_told_in_words(run, report, page):
    origin = report.provenance
    date = datetime.fromtimestamp((run[0] / "records/classifiers.csv").stat().st_mtime, UTC)
    assert origin.date == f"{date.day} {date:%B %Y}"
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    if not head.returncode:
        assert head.stdout.startswith(origin.commit.removesuffix("-dirty"))
        assert len(origin.commit) >= 12
    assert origin.command in page.replace("&#39;", "'")
    for said in (
        "Subsets of 60 and all cells, stratified by cell type, were taken from mine (120 cells, 4 "
        "genes, 4 cell types).",
        "into 80 % training, 10 % validation and 10 % test cells",
        "repeated 5 times",
        "raw counts, principal components (k = 10 and 25) and latents of generative models",
        "negative-binomial likelihood, latent dimension Z = 5 and 10 and 1 hidden layer of 32",
        "one hidden layer of 516 units",
        "Nadeau and Bengio 2003",
        "±0.01",
    ):
        assert said in origin.methods
    assert any("scVAE" in one for one in origin.citations)
    assert "mine: the publication of these data." in origin.citations


def test_methods_are_those_of_the_settings():
    derived = [
        {"name": "across", "derived_from": "zheng-sorted", "test_on": "pbmc68k-study"},
        {
            "name": "more",
            "derived_from": "pbmc68k-study",
            "with_unlabelled": ["frozen-pbmc-donor-a"],
        },
        {"name": "even", "derived_from": "zheng-sorted", "shares": "equal"},
    ]
    model = {"latent_dim": [10, 20], "hidden_units": 100}
    settings = parse_settings(
        {
            "datasets": ["zheng-sorted", "pbmc68k-study", "frozen-pbmc-donor-a", *derived],
            "split": {"train": 0.725, "validation": 0.15, "training_cells": 500},
            "labels": {"share": 0.05},
            "grid": {"models": [model, model | {"preset": "recommended"}]},
        }
    )
    assert provenance._split(settings) == (
        "Cells were split once into 72.5 % training, 15 % validation and 12.5 % test cells, "
        "stratified by cell type. 500 of the training cells were kept. Classifiers saw the types "
        "of 5 % of training and validation cells. All inputs of a replicate shared cells and split."
    )
    assert [text for one in settings.datasets if (text := provenance._derived(one))] == [
        "across has the training and validation cells of zheng-sorted; a random half of the cells "
        "of pbmc68k-study were the test cells of a replicate.",
        "more has the cells of pbmc68k-study; representations that need no types were also fitted "
        "on those of frozen-pbmc-donor-a.",
        "even has cells of zheng-sorted with equal class shares.",
    ]
    section, preset = provenance._models(settings).split("Models")[1:]
    assert "learning rate 0.0001" in section
    assert preset.startswith(" of the preset recommended (GMVAE;")
    assert "learning rate 0.001," in preset
    # Each latent dimension has one model of each preset.
    assert provenance._choice(settings) == ""


@pytest.mark.parametrize(
    ("classified", "sizes", "said"),
    [
        ("chosen", ["all"], "Latents of gmvae-z5-h32 were classified."),
        ("all", ["all"], "Latents of all models were classified."),
        (
            *("all", [60, "all"]),
            "Latents of all models were classified, on larger subsets those of gmvae-z5-h32.",
        ),
    ],
)
def test_methods_tell_whose_latents_were_classified(classified, sizes, said):
    choice = {"by": "fixed", "models": ["gmvae-z5-h32"], "classified": classified}
    assert provenance._choice(settings_of(sizes, choice=choice)) == said


def test_readers_see_titles_and_no_names_of_columns(full):
    for chart in full.charts().values():
        for part in chart.spec.get("layer", [chart.spec]):
            tips = part["encoding"].get("tooltip", [])
            assert all(tip["title"] and "_" not in tip["title"] for tip in tips)
            for channel in ("x", "y"):
                encoding = part["encoding"].get(channel)
                assert not encoding or "title" in encoding


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.05, "better"),
        (-0.05, -0.02, "worse"),
        (-0.01, 0.01, "equal in practice"),
        (-0.05, 0.05, "undecided with these replicates"),
        (0.0, 0.05, "undecided with these replicates"),
        (0.03, 0.03, "the same in all replicates, so the spread is unknown"),
        (None, None, "undecided with fewer than 5 replicates"),
    ],
)
def test_what_an_interval_says(low, high, said):
    assert verdict(low, high, 0.01) == said


def test_the_comparison_is_that_of_its_tables(full):
    compared = topic(full, "comparison").sections
    titles = [section.title for section in compared]
    assert titles[0] == "Claims of the study"
    assert len(titles) == 9
    charts = {chart.name: chart for section in compared for chart in section.charts}
    assert {"protocols", "probabilities", "learning-curve", "ablations-elbo-gmvae-z10-h100"} <= set(
        charts
    )
    chances = pd.DataFrame(charts["probabilities"].spec["data"]["values"])
    assert np.allclose(chances.groupby("label")["probability"].sum(), 1, atol=1e-6)
    effects = charts["ablations-elbo-gmvae-z10-h100"].spec["data"]["values"]
    table = pd.read_csv(COMPARISON / "ablations.csv")
    bounds = table[table["measure"] == "elbo"]
    assert [value["mean"] for value in effects] == list(bounds["effect"])
    assert effects[0]["text"].startswith(number(effects[0]["mean"], 1).replace(",", ""))
    claims = compared[0].tables[0]
    known = pd.read_csv(COMPARISON / "claims.csv")
    assert len(claims.rows) == len(known)
    stands = (known["verdict"] == "stands").sum()
    assert f"{len(known)} claims; stands: {stands}" in compared[0].sentences[0]


def test_marks_of_a_chart_share_their_axes(full):
    assert len(full.charts()) > 8
    for chart in full.charts().values():
        scales = vl_convert.vegalite_to_vega(chart.spec)["scales"]
        # Scales of a layer alone would be called layer_0_x.
        assert {scale["name"] for scale in scales} <= {
            *("x", "y", "color", "shape", "strokeDash", "yOffset")
        }


def test_the_leaderboard_is_that_of_its_table(full):
    (section,) = topic(full, "leaderboard").sections
    (chart,) = section.charts
    assert len(chart.table.rows) == 6 + 5  # radial kernels don't take raw counts
    accuracies = [float(text.split(" ")[0]) for text in chart.table.cells("Accuracy")]
    assert accuracies == sorted(accuracies, reverse=True)
    found = {"Raw counts", "hvg-pca-k50", "GMVAE Z = 5, H = 32"}
    assert set(chart.table.cells("Representation")) > found
    values = chart.spec["data"]["values"]
    assert [value["text"] for value in values] == chart.table.cells("Accuracy")
    assert values[0]["label"] == " + ".join(chart.table.rows[0][:2])


def test_each_input_has_its_short_label():
    names = ["gmvae-z10-h100", "gmvae-z10-h100-recommended", "gmvae-z10-h100-s5", "pca-k10", "raw"]
    assert list(map(_short, names)) == [
        *("GMVAE 10/100", "GMVAE 10/100 recommended", "GMVAE 10/100 5 seeds", "PCA 10", "Raw")
    ]


@pytest.mark.parametrize(
    ("replicates", "said"),
    [
        ([1], ". 1 replicate: an interval needs 5."),
        ([3, 4], ". 3 to 4 replicates: an interval needs 5."),
        ([3, 5], " with 95 % intervals, for 5 or more replicates."),
        ([5, 9], " with 95 % intervals."),
    ],
)
def test_the_summary_tells_which_inputs_have_intervals(replicates, said):
    assert _intervals(pd.Series(replicates)) == said


def test_few_labels_are_drawn_by_number_of_labelled_cells(full):
    (section,) = topic(full, "few-labels").sections
    (chart,) = section.charts
    values = chart.spec["data"]["values"]
    assert len(values) == len(chart.table.rows) == 2 * 11
    assert {"hvg-pca-k50 + svm-rbf", "Raw counts + ffnn"} < {value["label"] for value in values}


def test_numbers_on_the_page_are_those_of_the_markdown_tables(run, report):
    folder = run[0]
    tables = [table for part in topic(report, "published").sections for table in part.tables]
    titles = [table.caption.split(".")[0] for table in tables]
    assert titles[:3] == ["Table 3", "Table 4", "Table 5"]
    for name, table in zip(("table3", "table4", "table5"), tables, strict=False):
        frame = pd.read_csv(folder / "tables" / f"{name}.csv", dtype={"dataset": str})
        markdown = TABLES[name].markdown(frame)
        for row in table.rows:
            assert "| " + " | ".join(row).replace("−", "-") + " |" in markdown
        assert all(f"- {note}\n" in markdown for note in table.notes)


def test_only_the_shown_classifier_has_maps_and_all_with_epochs_have_curves(full):
    assert [part["name"] for part in full.maps[0]["inputs"]] == [
        *("raw", "pca-k10", "pca-k25", "hvg-pca-k50", "gmvae-z5-h32", "gmvae-z10-h32")
    ]
    titles = [curve["title"] for curve in full.curves if curve["of"] == "classifiers"]
    assert len(titles) == 6
    assert all(title.endswith(", ffnn") for title in titles)
    models = [curve for curve in full.curves if curve["of"] == "models"]
    assert [len(curve["lines"]) for curve in models] == [2 * 5] * 2


def test_without_the_studys_classifier_the_first_one_answers(tmp_path):
    settings = settings_of([60], grid={"classifiers": ["svm-rbf", "knn"]})
    chosen = make_run(tmp_path, settings)
    report = collect(tmp_path, settings, chosen)
    (section,) = topic(report, "answer").sections
    assert "of the classifier svm-rbf by input" in section.charts[0].summary
    assert "Raw counts" not in section.charts[0].table.cells("Input")
    assert {curve["of"] for curve in report.curves} == {"models"}
    assert '<option value="classifiers">' not in render(report)


def test_each_data_set_has_a_part_in_the_order_of_the_run(two_report, two_page, page):
    assert [part.name for part in two_report.datasets] == ["second", "first"]
    made = two_page
    heads = re.findall(r"<h2 id=[^>]*>(.*?)</h2>", made)
    parts = ["second", "first", "Over data sets"]
    ends = ["Cells", "Learning curves", "Methods and cost"]
    assert heads[1:] == ["All inputs", *parts, *ends]
    assert "data sets <b>second</b>, <b>first</b>" in made
    outline = Outline(made)
    targets = [link["href"] for link in outline.named("a")]
    ids = [attributes["id"] for _, attributes in outline.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {target.removeprefix("#") for target in targets if target[0] == "#"} <= set(ids)
    assert targets.index("#dataset-1") < targets.index("#dataset-2") < targets.index("#answer-1")
    levels = [int(tag[1]) for tag, _ in outline.found if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    shown = [
        attributes["data-chart"] for _, attributes in outline.found if "data-chart" in attributes
    ]
    assert set(shown) == set(data_of(made)["charts"])
    # In the first screen, and of each subset and of UMIs.
    assert len(shown) == 2 + 2 * 3
    assert [one["title"] for one in data_of(made)["maps"]] == [
        *("second, 60 cells", "second, All 120 cells", "first, 60 cells", "first, All 120 cells")
    ]
    assert ">mine</h2>" not in page


def test_the_tables_over_data_sets_stand_once_after_their_parts(two, two_report, full):
    (across,) = two_report.across
    (table,) = across.sections[0].tables
    frame = pd.read_csv(two[0] / "tables/over_datasets.csv")
    assert len(table.rows) == len(frame) > 10
    assert set(table.cells("Data sets")) == {"2"}
    names = [one.name for part in two_report.datasets for one in part.topics]
    assert "across" not in names
    assert full.across == []


def test_differences_to_the_baselines_are_those_of_their_table(two, two_report):
    folder, settings, _ = two
    frame = pd.read_csv(folder / "tables/contrasts.csv")
    for place, dataset in enumerate(settings.dataset_names()):
        (section,) = topic(two_report, "contrasts", place).sections
        own = frame[frame["dataset"] == dataset]
        assert (
            section.tables[0]
            .cells("Difference")[0]
            .startswith(f"{number(own['difference_mean'].iloc[0], 3)} (")
        )
        assert len(section.tables[0].rows) == len(own)


def test_numbers_of_two_data_sets_are_not_mixed(two, two_report):
    folder, settings, _ = two
    for place, dataset in enumerate(settings.dataset_names()):
        value = topic(two_report, "answer", place).sections[0].charts[0].spec["data"]["values"][0]
        found = [
            read_json(folder / dataset / "n60" / replicate / "raw/ffnn/metrics.json")
            for replicate in settings.replicate_names()
        ]
        means = [metrics["splits"]["test"]["accuracy"] for metrics in found]
        assert value["mean"] == pytest.approx(np.mean(means))
        table5 = topic(two_report, "published", place).sections[2].tables[0]
        assert len(table5.rows) == 2 * 5
        assert table5.cells("Accuracy mean ± sd")[0].startswith(number(np.mean(means), 3))


def test_the_design_is_told_as_the_run_keeps_to_it(run, report):
    folder, _, chosen = run
    assert report.design[0].startswith("All inputs of a replicate")
    asked = {"latents": {"cells": "own"}, "choice": {"split": "test", "by": "ari_clusters"}}
    other = settings_of([60, "all"], **asked)
    assert collect(folder, other, chosen).design == [
        *("Models are chosen on test cells.", "Accuracies are measured on test cells.")
    ]


def test_simulated_cells_are_announced(full, full_page, page):
    assert full.simulated == SIMULATION_NOTE
    assert f'aria-label="Simulated cells">{SIMULATION_NOTE}' in full_page
    assert SIMULATION_NOTE not in page
    assert 'class="banner"' not in page


def test_the_same_files_give_the_same_bytes(run, page):
    assert render(collect(*run)) == page


def test_what_labels_hold_is_text(page):
    outline = Outline(page)
    assert len(outline.named("script")) == 3
    assert not outline.named("img")
    assert "&lt;script&gt;window.hacked=1&lt;/script&gt;" in page
    assert "<script>window.hacked" not in page
    assert HOSTILE[0] in names_of(data_of(page)["maps"][0])
    assert "<b>first</b>-1" in data_of(page)["maps"][0]["barcodes"]
    assert "<b>first" not in page


def test_embedded_data_cannot_end_its_element():
    value = {"</script><!--": ["\u2028", "&amp;", 1.5, None]}
    text = embedded(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="Out of range"):
        embedded(float("nan"))


def test_the_policy_admits_what_is_inside_and_nothing_else(page):
    policy = Outline(page).named("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_nothing_is_fetched(page):
    outline = Outline(page)
    assert not outline.named("link")
    assert all("src" not in attributes for _, attributes in outline.found)
    assert {attributes["href"] for attributes in outline.named("a")} >= {"report.html", "#main"}
    assert all(not attributes["href"].startswith("http") for attributes in outline.named("a"))


def test_screen_readers_find_their_way(page):
    outline = Outline(page)
    tags = [tag for tag, _ in outline.found]
    assert outline.named("html")[0]["lang"] == "en"
    assert [tags.count(tag) for tag in ("h1", "header", "nav", "main", "footer")] == [1] * 5
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tags.count("caption") == tags.count("table") > 10
    ids = [attributes["id"] for _, attributes in outline.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.found:
        for key in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(key, "").split()) <= set(ids)
        if attributes.get("role") == "img":
            assert attributes.get("aria-label") or attributes.get("aria-labelledby")


def test_cost_is_added_up_by_step(run):
    table = cost_table(run[0], settings_of([60, "all"], comparison={"protocols": ["as-run"]}))
    assert table.rows == [
        ["tSNE maps", "2", "7.0", "7.0", "310"],
        ["Import of the data set", "1", "2.5", "2.5", "200"],
        ["Representation pca", "1", "1.2", "1.2", "100"],
        ["Tables", "1", "0.40", "0.00", ""],
        ["All", "5", "11.2", "10.8", "310"],
    ]


def test_cost_is_that_of_what_the_settings_name(tmp_path):
    head = "s\tmax_rss\tcpu_time\n"
    named = ["mine/import_dataset", "mine/n60/r1/cells", "mine/n60/r2/raw/ffnn", "tables/table3"]
    named += ["mine/all/r5/gmvae-z5-h32/tsne", "mine/n60/r1/pool-cells", "store_config"]
    named += ["records/classifiers"]
    for name in [
        *named,
        *("other/import_dataset", "mine/n90/r1/cells", "mine/n60/r6/cells", "mine/n60/r6/raw"),
        *("mine/n60/r1/nmf-k5", "mine/n60/r1/nmf-k5/ffnn", "mine/n60/r1/gmvae-z99-h32/quality"),
        *("mine/n60/r1/raw/knn", "tables/leaderboard", "records/quality", "deposit/raw/repeat"),
    ]:
        write_text(tmp_path / f"benchmarks/{name}.tsv", f"{head}1\t1\t1\n")
    write_text(tmp_path / "variants/as-run/benchmarks/mine/n60/r1/raw.tsv", f"{head}1\t1\t1\n")
    table = cost_table(tmp_path, settings_of([60, "all"]))
    assert table.rows[-1][:2] == ["All", str(len(named))]


def test_cost_leaves_out_what_the_page_does_not_wait_for(tmp_path):
    names = ["figures/mine/figure2", "mine/n60/r1/gmvae-z5-h32/samples", "annotate/annotate_query"]
    for name in ["store_config", "write_report", *names]:
        write_text(tmp_path / f"benchmarks/{name}.tsv", "s\tmax_rss\tcpu_time\n1\t1\t1\n")
    table = cost_table(tmp_path, settings_of([60, "all"]))
    assert [row[:2] for row in table.rows] == [["Configuration", "1"], ["All", "1"]]
    assert any("Figures" in note for note in table.notes)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("store_config", "Configuration"),
        ("mine/import_dataset", "Import of the data set"),
        ("tables/import_dataset", "Import of the data set"),
        ("mine/choose_models", "Choice of the models"),
        ("mine/n60/r1/cells", "Subset and split"),
        ("mine/all/r12/model_cells", "Subset and split of the models"),
        ("mine/n60/r1/pool-cells", "Training of all models of a replicate"),
        ("mine/n60/r1/semi-gmvae-z10-h100", "Representation semi-gmvae"),
        ("mine/n60/r1/hvg-pca-k50", "Representation hvg-pca"),
        ("mine/n60/r1/raw", "Representation raw"),
        ("mine/n60/r1/raw/svm-rbf", "Classifier svm-rbf"),
        ("mine/n60/r1/gmvae-z10-h100/tsne", "tSNE maps"),
        ("mine/n60/r1/gmvae-z10-h100/quality", "Quality of representations"),
        ("mine/n60/r1/finish_cells", "Results of all cells in one file (finished.h5ad)"),
        ("records/classifiers", "Collection of the results"),
        ("tables/table5", "Tables"),
        ("deposit/raw/repeat", "Classifier on the authors' own data"),
        ("something/new", "new"),
    ],
)
def test_steps_are_named_in_words(name, step):
    assert step_of(name) == step


def test_every_benchmark_of_the_rules_has_a_name_in_words(tmp_path):
    texts = [path.read_text() for path in RULES.glob("*.smk")]
    paths = [path for text in texts for path in re.findall(r'benchmarks/([^"]*)\.tsv', text)]
    assert len(paths) > 15
    values = {"subset": "n60", "replicate": "r1", "kind": "vae", "latent_dim": "5"}
    late = {"annotate", "figures", "samples", "write_answer", "write_report"}
    for path in paths:
        name = re.sub(r"\{+(\w+)\}+", lambda match: values.get(match[1], match[1]), path)
        name = name.replace("hhidden_units", "h32").replace("pool-cells", "pool-model_cells")
        assert step_of(name) != name.split("/")[-1] or late.intersection(name.split("/"))


def test_seeds_versions_and_configuration_are_told(run, report, page):
    assert '<td class="number">42</td>' in page
    assert ["vae.seed", "1"] in report.seeds.rows
    # On the screen it is folded, on paper it is left out.
    assert '<details class="screen"><summary>Configuration as run' in page
    assert report.config == (run[0] / "config.yaml").read_text()
    assert {"Python", "torch", "latentcell"} <= {row[0] for row in report.versions.rows}


@pytest.mark.parametrize("colour", ["#000000", "#332288", "#0072B2", "#F0E442"])
def test_colours_can_be_told_from_black(colour):
    def luminance(text):
        channels = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    # 3 to 1 against the page's dark ground, as WCAG wants of graphics.
    assert (luminance(on_dark(colour)) + 0.05) / (luminance("#14171b") + 0.05) >= 3


def lab(colour):
    """CIE L*a*b* of an sRGB colour, for the white D65."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.maximum(to_xyz @ linear / [0.9505, 1, 1.089], 0.00886))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("adapted", [str, on_dark], ids=["light", "dark"])
def test_the_studys_types_are_20_apart_on_light_and_dark_pages(adapted):
    colours = [lab(adapted(style.colour)) for style in type_styles(STUDY_TYPES).values()]
    assert len(colours) == 11
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)]
    assert min(apart) >= 20


def test_pale_colours_are_outlined(run):
    types = [_look(name, style) for name, style in type_styles(STUDY_TYPES).items()]
    assert [look["name"] for look in types if look["outlined"]] == ["CD4+/CD45RA+/CD25- Naive T"]


def test_genes_tell_their_type_from_the_others(tmp_path):
    counts = np.full((6, 4), 5, np.int32)
    counts[:3, 2] = 500  # of type A
    counts[3:, 1] = 500  # of type B
    obs = pd.DataFrame({"cell_type": list("AAABBB")}, index=list("abcdef"))
    var = pd.DataFrame({"symbol": ["W", "X", "Y", "Z"]}, index=[f"ENSG{i}" for i in range(4)])
    anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var).write_h5ad(tmp_path / "c.h5ad")
    first, second = marker_genes(tmp_path / "c.h5ad", pd.Index(["f", "a", "other"]))
    assert (first["name"], first["title"], second["title"]) == ("ENSG2", "Y", "X")
    assert first["top"] == pytest.approx(np.log1p(1e4 * 500 / 515), abs=0.01)
    low = round(STEPS * np.log1p(1e4 * 5 / 515) / np.log1p(1e4 * 500 / 515))
    assert first["values"] == [low, STEPS, None]
    assert second["values"] == [STEPS, low, None]


def test_numbers_are_read_as_numbers():
    assert number(-1234.5678, 1) == "−1,234.6"
    assert number(None) == number(float("nan")) == ""


def test_code_in_notes_is_set_as_code_and_nothing_else_is(full_page):
    assert "(<code>comparison.rope</code>)" in full_page
    assert "`" not in re.sub(r"<script.*?</script>", "", full_page, flags=re.S)


def test_the_library_of_the_charts_is_joined_once_and_kept(tmp_path, monkeypatch):
    joined = []

    def join():
        joined.append(1)
        return "vega\u00b2();"

    monkeypatch.setattr(vl_convert, "javascript_bundle", join)
    monkeypatch.setattr("latentcell.report.page.COMPILED", tmp_path / "compiled")
    found = [_library.__wrapped__() for _ in range(3)]
    assert found == ["vega\u00b2();"] * 3
    assert len(joined) == 1
    # Another version has a file of its own, and is joined each time if that cannot be written.
    monkeypatch.setattr("latentcell.report.page.version", lambda _: "0/0")
    (tmp_path / "compiled/vega-0").touch()
    assert [_library.__wrapped__() for _ in range(2)] == found[:2]
    assert len(joined) == 3


def test_rules_import_the_digest_of_the_assets_without_pandas():
    code = (
        "import sys; from latentcell.report.page import assets_digest; assert assets_digest();"
        "assert not {'pandas', 'numpy', 'jinja2', 'vl_convert'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
