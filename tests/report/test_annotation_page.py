"""The page of an annotation: sections, numbers, charts that compile, no requests."""

import html
import json
import re
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.annotate import annotate, annotate_cells, learn, write_annotation
from latentcell.annotate.files import PAGE_MARK, complete, earlier_results
from latentcell.config.settings import AnnotateSettings
from latentcell.report.annotation import annotation_page, map_of

SETTINGS = AnnotateSettings(
    **{"variable_genes": 60, "components": 5, "penalties": [0.1, 1.0], "latent_dim": 2},
    **{"hidden_units": 8, "epochs": 4, "early_stopping": 2, "learning_rate": 0.02},
)


def simulated(sizes, seed, genes=60):
    """Cells of types that differ in a third of their genes."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    profiles = np.tile(np.random.default_rng(99).lognormal(0.5, 0.8, genes), (len(sizes), 1))
    for code, profile in enumerate(profiles):
        profile[code :: len(sizes)] *= 4
    obs = pd.DataFrame(
        {"cell_type": [f"type <{code}>" for code in codes]},
        index=[f"cell-{seed}-{number}" for number in range(len(codes))],
    )
    symbols = [f"GENE{gene}A" for gene in range(genes)]
    var = pd.DataFrame({"symbol": symbols}, index=[f"ENSG{gene:011d}" for gene in range(genes)])
    counts = sp.csr_matrix(rng.poisson(profiles[codes]).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=var)


@pytest.fixture(scope="module")
def learnt():
    return learn(simulated([80, 60, 40], 1), SETTINGS)


@pytest.fixture(scope="module")
def found(learnt):
    query = simulated([30, 30, 30], 2)[:, :55]
    query.X = sp.csr_matrix(sp.diags((np.arange(90) >= 7).astype(np.float32)) @ query.X)
    annotation = annotate_cells(learnt, sp.csr_matrix(query.X), query.var)
    return complete(annotation, learnt, ["type <0>", "mine"] + [None] * 88)


@pytest.fixture(scope="module")
def page(learnt, found):
    return annotation_page(learnt, found, "query.h5ad")


def content(page):
    """Text of the page without styles and scripts, and the data of its charts."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    plain = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", plain), json.loads(data[1])


def test_the_page_has_all_its_sections(page, found, learnt):
    text, data = content(page)
    for heading in (
        "Cells of each type", "Unassigned cells and reasons", "Reference and query on one map",
        "How reliable the probabilities are", "How the classifier was chosen",
        "Genes used by the classifier", "Genes in common and missing",
    ):  # fmt: skip
        assert heading in text
    assert set(data["charts"]) == {
        f"annotation:{name}" for name in ("types", "map-reference", "map-query", "reliability")
    }
    for name in data["charts"]:
        assert f'data-chart="{name}"' in page
    assert "few counts" in text
    assert f"{found.report['unassigned']['cells']} of 90 cells have no type." in text
    assert "2 cells keep the type that they had before" in text
    for row in learnt.classifier.candidates:
        assert row["name"] in text
    for genes in learnt.reference["markers"].values():
        assert ", ".join(one["gene"] for one in genes) in text
    assert "55 of the reference" in text
    assert found.report["genes"]["most_important_missing"][0]["gene"] in text


def test_names_are_escaped(page):
    body = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert "type &lt;0&gt;" in body
    assert "type <0>" not in body


def test_the_page_asks_for_nothing(page):
    assert "default-src 'none'" in html.unescape(page)
    body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#)', body)


def test_charts_compile(page):
    import vl_convert

    for spec in content(page)[1]["charts"].values():
        sized = spec | {"width": 300}
        svg = vl_convert.vegalite_to_svg(sized)
        assert svg.startswith("<svg")
        assert svg.count("<path") > 5


def test_the_map_has_cells_of_both(learnt, found):
    frame = map_of(learnt, found)
    assert frame["source"].value_counts().to_dict() == {
        "Query": 90, "Reference": len(learnt.held_out.types),
    }  # fmt: skip
    query = frame[frame["source"] == "Query"]
    assert (query["type"].to_numpy() == found.cells["cell_type"].to_numpy(str)).all()
    again = map_of(learnt, found)
    pd.testing.assert_frame_equal(frame, again)
    types = frame[frame["source"] == "Reference"]
    # Cells lie nearer to cells of their type than to others.
    centres = types.groupby("type")[["x", "y"]].mean()
    apart = np.linalg.norm(types[["x", "y"]].to_numpy()[:, None] - centres.to_numpy(), axis=2)
    assert (centres.index.to_numpy()[apart.argmin(1)] == types["type"]).mean() > 0.8


def test_a_page_without_extras(learnt):
    query = simulated([6, 6], 3)
    simple = replace(learnt, density=None)
    annotation = annotate_cells(simple, sp.csr_matrix(query.X), query.var)
    text, _ = content(annotation_page(simple, annotation, "query.h5ad"))
    assert "clusters of neighbours" not in text
    assert "keep the type" not in text
    assert "No model of novel cells was trained" in text


def test_the_page_is_written_and_known_again(learnt, page, tmp_path):
    query = simulated([20, 20, 20], 4)
    query.write_h5ad(tmp_path / "query.h5ad")
    cells, annotation = annotate(learnt, tmp_path / "query.h5ad")
    output = tmp_path / "typed.h5ad"
    paths = write_annotation(cells, annotation, learnt, output, page)
    assert [path.suffix for path in paths] == [".h5ad", ".csv", ".json", ".html"]
    assert paths[3].read_text() == page
    assert PAGE_MARK in page
    assert earlier_results(output)
    paths[3].write_text("my notes")
    assert not earlier_results(output)
