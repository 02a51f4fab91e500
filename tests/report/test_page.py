"""The page of a run: what it holds is what the files hold, safe, small and the same every time."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import vl_convert
from made_run import COMPARISON, HOSTILE, add_comparison, add_leaderboard, make_run, settings_of

from latentcell.io import read_json
from latentcell.mark import SIMULATION_NOTE
from latentcell.report.answer import verdict
from latentcell.report.cells import MOST_CELLS, cell_map, on_dark
from latentcell.report.collect import collect
from latentcell.report.cost import cost_table, step_of
from latentcell.report.page import embedded, render
from latentcell.report.parts import interval, number

COMPARED = {"protocol": "controlled", "comparison": {"protocols": ["as-run"]}}
RANKED = {
    "leaderboard": {"representations": ["raw", "hvg-pca-k50"], "classifiers": ["svm-rbf"]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = settings_of([60, "all"])
    chosen = make_run(folder, settings, types=HOSTILE)
    return folder, settings, chosen


@pytest.fixture(scope="module")
def page(run):
    return render(collect(*run))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    settings = settings_of(["all"], **COMPARED, **RANKED)
    chosen = make_run(folder, settings, simulated=SIMULATION_NOTE)
    add_comparison(folder)
    add_leaderboard(folder, ["raw", "hvg-pca-k50", "gmvae-z5-h32"], ["svm-rbf", "ffnn"])
    return collect(folder, settings, chosen)


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


def test_the_map_holds_the_cells_of_the_files(run):
    folder, settings, chosen = run
    shown = cell_map(folder, settings, chosen, "n60")
    assert [part["name"] for part in shown["representations"]] == chosen
    assert len(cell_map(folder, settings, chosen, "all")["representations"]) == 1 + len(chosen)
    points = pd.read_csv(folder / "n60/r1/maps" / f"{chosen[0]}.csv")
    assert shown["barcodes"] == list(points["barcode"])
    assert shown["representations"][0]["x"] == list(points["x"].round(2))
    for made in shown["inputs"]:
        table = pd.read_csv(folder / "n60/r1/ffnn" / made["name"] / "predictions.csv")
        assert [shown["types"][i] for i in made["predicted"]] == list(table["predicted"])
        assert [shown["types"][i] for i in shown["type"]] == list(table["cell_type"])
        assert made["probability"] == list(table["probability"].round(3))
    assert shown["shown"] == ""
    assert all(count > 0 for count in shown["umi"])


def test_matrices_are_of_the_cells_on_the_map(run):
    folder, settings, chosen = run
    report = collect(folder, settings, chosen)
    assert len(report.matrices) == 2 * 5
    for matrix in report.matrices:
        made = next(
            part
            for shown in report.maps
            if shown["cells"] == matrix.cells
            for part in shown["inputs"]
            if part["name"] == matrix.input
        )
        shown = next(shown for shown in report.maps if shown["cells"] == matrix.cells)
        behind = np.zeros((4, 4), int)
        for index, split in enumerate(made["split"]):
            if split == 2:
                true = matrix.labels.index(shown["types"][shown["type"][index]])
                behind[true, matrix.labels.index(shown["types"][made["predicted"][index]])] += 1
        assert behind.tolist() == matrix.counts
        totals = np.array(matrix.shares).sum(axis=1)
        assert np.all(np.isclose(totals, 1, atol=2e-3) | (totals == 0))


def test_cells_of_their_own_are_on_the_map_and_missing_elsewhere(tmp_path):
    settings = settings_of(["all"])
    chosen = make_run(tmp_path, settings)
    for name in ("maps/{}.csv", "ffnn/{}/predictions.csv"):
        path = tmp_path / "all/r1" / name.format(chosen[0])
        pd.read_csv(path).iloc[:40].to_csv(path, index=False)
    shown = cell_map(tmp_path, settings, chosen, "all")
    of = {part["name"]: part for part in shown["representations"]}
    assert of[chosen[0]]["x"].count(None) == 80
    assert of[chosen[1]]["x"].count(None) == 0
    made = next(part for part in shown["inputs"] if part["name"] == chosen[0])
    assert made["split"][40:] == made["predicted"][40:] == made["probability"][40:] == [None] * 80


def test_of_too_many_cells_all_that_test_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("latentcell.report.cells.MOST_CELLS", 50)
    assert MOST_CELLS == 20_000
    settings = settings_of(["all"])
    chosen = make_run(tmp_path, settings)
    shown = cell_map(tmp_path, settings, chosen, "all")
    table = pd.read_csv(tmp_path / "all/r1/ffnn/raw/predictions.csv")
    assert len(shown["barcodes"]) == 50
    assert set(table.loc[table["split"] == "test", "barcode"]) <= set(shown["barcodes"])
    assert shown["shown"].startswith("Shown are 50 of 120 cells")


def test_fifteen_thousand_cells_are_under_fifteen_megabytes(tmp_path):
    settings = settings_of(
        [1300, 15000],
        grid=[{"latent_dim": [10, 25, 50, 100], "hidden_units": 250}],
        pca={"components": [10, 25, 50, 100]},
        replicates=1,
    )
    chosen = make_run(tmp_path, settings, cells=15000, types=[f"type {i}" for i in range(11)])
    page = render(collect(tmp_path, settings, chosen))
    assert len(data_of(page)["maps"][1]["barcodes"]) == 15000
    assert 2e6 < len(page.encode()) < 15e6


def test_intervals_and_differences_are_those_of_the_measures(run):
    folder, settings, chosen = run
    answers = collect(folder, settings, chosen).answers
    assert [section.title for section in answers] == ["60 cells", "All 120 cells"]
    values = answers[0].charts[0].spec["data"]["values"]
    found = [
        read_json(folder / "n60" / replicate / "ffnn/raw/metrics.json")["splits"]["test"]
        for replicate in ("r1", "r2")
    ]
    mean = np.mean([measures["accuracy"] for measures in found])
    assert values[0]["label"] == "Raw counts"
    assert values[0]["mean"] == pytest.approx(mean)
    assert values[0]["low"] < mean < values[0]["high"]
    assert values[0]["drawn_low"] >= 0
    assert values[0]["drawn_high"] <= 1
    table = answers[0].charts[0].table
    assert table.rows[0][1] == interval(mean, values[0]["low"], values[0]["high"])
    latents, other, difference = answers[0].tables[0].rows[0][:3]
    assert latents.startswith("GMVAE")
    means = {value["label"]: value["mean"] for value in values}
    assert difference.startswith(f"{number(means[latents] - means[other])} (")
    chances = [float(text) for text in answers[0].tables[0].rows[0][3:6]]
    assert sum(chances) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.05, "better"),
        (-0.05, -0.02, "worse"),
        (-0.01, 0.01, "equal in practice"),
        (-0.05, 0.05, "not decided by these replicates"),
        (0.0, 0.05, "not decided by these replicates"),
        (0.03, 0.03, "the same in every replicate, so nothing is known of the spread"),
        (None, None, "one replicate, so nothing is known of the spread"),
    ],
)
def test_what_an_interval_says(low, high, said):
    assert verdict(low, high, 0.01) == said


def test_the_comparison_is_that_of_its_tables(full):
    titles = [section.title for section in full.compared]
    assert titles[0] == "The study's claims"
    assert len(titles) == 9
    charts = {chart.name: chart for section in full.compared for chart in section.charts}
    assert {"protocols", "probabilities", "learning-curve", "ablations-elbo-gmvae-z10-h100"} <= set(
        charts
    )
    chances = pd.DataFrame(charts["probabilities"].spec["data"]["values"])
    assert np.allclose(chances.groupby("label")["probability"].sum(), 1, atol=1e-6)
    # Nats as they are, accuracies as percentage points.
    effects = charts["ablations-elbo-gmvae-z10-h100"].spec["data"]["values"]
    table = pd.read_csv(COMPARISON / "ablations.csv")
    assert effects[0]["mean"] in set(table.loc[table["measure"] == "elbo", "effect"])
    claims = full.compared[0].tables[0]
    assert len(claims.rows) == len(pd.read_csv(COMPARISON / "claims.csv"))


def test_marks_of_a_chart_share_their_axes(full):
    for chart in full.charts():
        scales = vl_convert.vegalite_to_vega(chart.spec)["scales"]
        # Scales of a layer alone would be called layer_0_x.
        assert {scale["name"] for scale in scales} <= {"x", "y", "color", "shape", "yOffset"}


def test_the_leaderboard_is_that_of_its_table(full):
    table = full.leaderboard.charts[0].table
    assert [row[0] for row in table.rows] == [str(rank) for rank in range(1, 7)]
    accuracies = [float(row[3].split(" ")[0]) for row in table.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert {row[1] for row in table.rows} == {"Raw counts", "hvg-pca-k50", "GMVAE Z = 5, H = 32"}


def test_simulated_cells_are_announced(full, page):
    assert full.simulated == SIMULATION_NOTE
    assert f'aria-label="Simulated cells">{SIMULATION_NOTE}' in render(full)
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
    assert HOSTILE[0] in data_of(page)["maps"][0]["types"]
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
    table = cost_table(run[0])
    assert table.rows == [
        ["map_cells", "2", "7", "7", "310"],
        ["import_dataset", "1", "2", "2", "200"],
        ["tables", "1", "0", "0", ""],
        ["All", "4", "10", "10", "310"],
    ]


def test_steps_are_named_by_their_rule(run):
    folder = run[0] / "benchmarks"
    assert step_of(folder / "n60/train_vae/batch1.tsv") == "train_vae"
    assert step_of(folder / "all/r2/fit_pca.tsv") == "fit_pca"
    assert step_of(folder / "figures/figure2.tsv") == "figures"


def test_seeds_versions_and_configuration_are_told(run, page):
    folder, settings, _ = run
    assert '<td class="number">42</td>' in page
    report = collect(folder, settings, run[2])
    assert ["vae.seed", "1"] in report.seeds.rows
    assert report.config == (folder / "config.yaml").read_text()
    assert {"Python", "torch", "latentcell"} <= {row[0] for row in report.versions.rows}


@pytest.mark.parametrize("colour", ["#000000", "#332288", "#0072B2", "#F0E442"])
def test_colours_can_be_told_from_black(colour):
    def luminance(text):
        channels = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    # 3 to 1 against the page's dark ground, as WCAG wants of graphics.
    assert (luminance(on_dark(colour)) + 0.05) / (luminance("#14171b") + 0.05) >= 3


def test_numbers_are_read_as_numbers():
    assert number(-1234.5678, 1) == "−1,234.6"
    assert number(None) == number(float("nan")) == ""
    assert interval(0.5, None, None) == "0.500"
    assert interval(0.5, 0.25, 0.75, 2) == "0.50 (0.25 to 0.75)"
