"""Annotation of a query: missing genes, unassigned and novel cells, written files."""

import json
from dataclasses import replace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.annotate import annotate, annotate_cells, save_bundle, train, write_annotation
from latentcell.annotate.apply import UNASSIGNED
from latentcell.annotate.files import (
    PAGE_MARK,
    Query,
    add_to,
    load_query,
    read_query,
    read_reference,
)
from latentcell.annotate.neighbours import COLUMNS as CONSENSUS_COLUMNS
from latentcell.annotate.report import query_lines, reference_lines
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import in_file
from tenx import write_10x

SETTINGS = AnnotateSettings(
    **{"variable_genes": 60, "components": 8, "penalties": [0.1, 1.0], "latent_dim": 2},
    **{"hidden_units": 8, "epochs": 8, "early_stopping": 2, "learning_rate": 0.02},
)
COLUMNS = [
    *("cell_type", "cell_type_probability", "cell_type_first", "cell_type_second"),
    *("cell_type_second_probability", "unassigned_reason", "novelty_score", "novel"),
]


@pytest.fixture(scope="module")
def reference(simulate, tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "my reference.h5ad"
    adata = simulate([60, 40, 20], genes=60, depth=400, seed=1)
    adata.layers["counts"] = adata.X.copy()
    adata.X.data = np.log1p(adata.X.data)
    adata.obs.loc[adata.obs_names[:1], "cell_type"] = "nan"  # The cell has no type.
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def learnt(reference):
    return train(reference, SETTINGS)


@pytest.fixture(scope="module")
def simple(learnt):
    """The same annotator without a density model."""
    return replace(learnt, density=None)


@pytest.fixture
def query(simulate):
    return simulate([20, 20, 20], genes=60, depth=400, seed=2)


def typed(annotator, query, **options):
    return annotate_cells(annotator, sp.csr_matrix(query.X), query.var, **options)


def agreement(found, query):
    return (found.cells["cell_type_first"].to_numpy() == query.obs["cell_type"].to_numpy()).mean()


def test_cells_without_type_are_left_out_and_the_name_is_made_safe(learnt, reference):
    cells = learnt.reference["cells"]
    assert sum(cells.values()) == 119
    assert learnt.reference["dataset"] == "own-my-reference"
    assert read_reference(reference).n_obs == 119
    assert read_reference(reference, "cell_type", "counts").n_obs == 119


def test_a_reference_without_counts_is_refused(reference, tmp_path):
    adata = ad.read_h5ad(reference)
    del adata.layers["counts"]
    adata.write_h5ad(tmp_path / "logs.h5ad")
    with pytest.raises(InputError, match=r"expected raw counts.*found X: log-transformed values"):
        read_reference(tmp_path / "logs.h5ad")
    with pytest.raises(InputError, match=r"expected raw counts.*found X: log-transformed values"):
        read_query(tmp_path / "logs.h5ad")
    with pytest.raises(InputError, match="expected the column 'kind' with cell types"):
        read_reference(reference, "kind")
    with pytest.raises(InputError, match=r"expected raw counts \(whole numbers\), found"):
        read_reference(reference, layer="X")


def test_types_are_not_taken_for_batches(simulate, tmp_path):
    cells = simulate([60, 40], genes=60, depth=400)
    cells.obs = cells.obs[["cell_type"]].rename(columns={"cell_type": "sample_type"})
    cells.write_h5ad(tmp_path / "reference.h5ad")
    assert list(read_reference(tmp_path / "reference.h5ad", "sample_type").obs) == ["cell_type"]


def test_a_name_without_letters_is_a_name(simulate, tmp_path):
    simulate([5, 5], genes=60).write_h5ad(tmp_path / "___.h5ad")
    assert read_reference(tmp_path / "___.h5ad").uns["dataset"] == "own"


def test_training_stores_a_bundle(simulate, tmp_path, query):
    cells = simulate([30, 30], genes=60, depth=400)
    annotator = train(
        cells, SETTINGS.model_copy(update={"density": False}), bundle=tmp_path / "model"
    )
    query.write_h5ad(tmp_path / "query.h5ad")
    wanted = annotate(annotator, tmp_path / "query.h5ad")[1]
    found = annotate(tmp_path / "model", tmp_path / "query.h5ad")[1]
    pd.testing.assert_frame_equal(found.cells, wanted.cells)


def test_cells_get_types_and_probabilities(learnt, query):
    found = typed(learnt, query)
    cells = found.cells
    assert list(cells) == COLUMNS
    assert agreement(found, query) > 0.9
    np.testing.assert_allclose(found.probabilities.sum(1), 1.0, rtol=1e-5)
    ordered = np.sort(found.probabilities, axis=1)[:, ::-1]
    np.testing.assert_allclose(cells["cell_type_probability"], ordered[:, 0], rtol=1e-6)
    np.testing.assert_allclose(cells["cell_type_second_probability"], ordered[:, 1], rtol=1e-6)
    assert (cells["cell_type_first"].astype(str) != cells["cell_type_second"].astype(str)).all()
    assert found.types == ("type 000", "type 001", "type 002")
    assert found.representations["X_hvg_pca"].shape == (60, 8)
    assert found.representations["X_gmvae"].shape == (60, 2)
    assert found.report["mean_probability"] == pytest.approx(cells["cell_type_probability"].mean())
    assert sum(found.report["types"].values()) == found.report["cells"] == 60


def test_below_the_threshold_no_type_is_given(simple, query):
    probability = typed(simple, query).cells["cell_type_probability"]
    threshold = float(probability.median())
    strict = replace(simple, classifier=replace(simple.classifier, threshold=threshold))
    found = typed(strict, query)
    below = (probability < threshold).to_numpy()
    assert 0 < below.sum() < 60
    np.testing.assert_array_equal(found.cells["cell_type"] == UNASSIGNED, below)
    given = found.cells.loc[~below]
    assert (given["cell_type"].astype(str) == given["cell_type_first"].astype(str)).all()
    unassigned = found.report["unassigned"]
    assert unassigned["cells"] == below.sum()
    assert unassigned["threshold"] == threshold
    assert unassigned["reasons"]["low probability"] == below.sum()
    np.testing.assert_array_equal(found.cells["unassigned_reason"] == "low probability", below)
    assert found.cells["unassigned_reason"].isna().sum() == (~below).sum()
    assert found.report["types"][UNASSIGNED] == below.sum()
    assert set(found.representations) == {"X_hvg_pca"}
    assert "novel" not in found.report


def test_empty_cells_are_unassigned_and_not_novel(learnt, query):
    query.X = sp.csr_matrix(sp.diags((np.arange(60) >= 3).astype(np.float32)) @ query.X)
    query.X.eliminate_zeros()
    found = typed(learnt, query)
    assert (found.cells["cell_type"][:3] == UNASSIGNED).all()
    assert not found.cells["novel"][:3].any()
    assert found.report["empty_cells"] == 3
    assert (found.cells["unassigned_reason"][:3] == "few counts").all()
    lines = query_lines(found)
    assert any("3 cells have no counts in genes in common: unassigned" in line for line in lines)


def test_cells_of_a_strange_kind_are_novel(learnt, simulate):
    query = simulate([120, 100, 60], genes=60, depth=400, seed=2)
    counts, strange = sp.csr_matrix(query.X), np.arange(280) < 50
    counts = sp.vstack([counts[:50][:, ::-1] * 3, counts[50:]], format="csr")
    found = annotate_cells(learnt, counts, query.var)
    assert found.cells["novel"][strange].mean() > 0.9
    assert found.cells["novel"][~strange].mean() < 0.1
    assert (found.cells["unassigned_reason"][found.cells["novel"]] == "novel").all()
    report = found.report["novel"]
    assert report["cells"] == found.cells["novel"].sum()
    assert report["limit"] >= learnt.density.limit
    assert report["expected_share"] == 0.01
    nats = [one["nats_per_cell"] for one in report["unexplained_genes"]]
    assert len(nats) == 10
    assert nats == sorted(nats, reverse=True)
    assert nats[-1] > 0
    lines = query_lines(found)
    assert any(report["unexplained_genes"][0]["gene"] in line for line in lines)


def test_a_query_that_differs_as_a_whole_is_said_to(learnt, query):
    assert typed(learnt, query).report["bulk"]["differs"] == []
    other = query.copy()
    other.X = sp.csr_matrix(query.X[:, ::-1] * 3)
    found = typed(learnt, other)
    bulk = found.report["bulk"]
    assert {"counts", "nats", "distance"} <= set(bulk["differs"])
    assert bulk["counts"]["query"] == pytest.approx(np.median(np.asarray(other.X.sum(1))))
    assert bulk["nats"]["exceeds"] > 0.9
    *_, said, widened = query_lines(found)
    assert said.startswith("WARNING     the query as a whole differs from held-out cells of the re")
    assert f"{bulk['counts']['query']:,.0f} counts a cell against" in said
    assert widened.startswith("widened     probabilities are widened by the temperature 1.90")


def test_no_novel_cells_have_no_genes(learnt, query):
    tolerant = replace(learnt, density=replace(learnt.density, limit=1e9))
    found = typed(tolerant, query)
    assert found.report["novel"]["cells"] == 0
    assert found.report["novel"]["unexplained_genes"] == []
    assert not any("WARNING" in line for line in query_lines(found))


def test_missing_genes_are_reported(learnt, query):
    whole = typed(learnt, query).report["genes"]
    assert (whole["matched_by"], whole["matched"], whole["missing"]) == ("identifiers", 60, 0)
    assert whole["most_important_missing"] == []
    assert whole["importance_missing"] == 0

    classifier = learnt.classifier
    worst = np.argsort(-classifier.importance)[:12]
    lacking = query[:, np.setdiff1d(np.arange(60), worst)]
    found = typed(learnt, lacking)
    genes = found.report["genes"]
    assert (genes["matched"], genes["missing"], genes["query"]) == (48, 12, 48)
    assert genes["variable_missing"] == 12
    assert genes["variable_missing_share"] == pytest.approx(0.2)
    assert genes["importance_missing"] == pytest.approx(np.sort(classifier.importance)[-12:].sum())
    share = classifier.mean_counts[worst].sum() / classifier.mean_counts.sum()
    assert genes["counts_missing"] == pytest.approx(share)
    named = [one["gene"] for one in genes["most_important_missing"]]
    assert named == [f"GENE{gene}A" for gene in worst[:10]]
    lines = query_lines(found)
    assert lines[1].startswith("genes       48 of the reference's 60 found, by identifiers")
    assert named[0] in lines[2]
    assert "genes that distinguish the types are missing" in lines[3]


def test_genes_are_found_by_symbol_and_in_any_order(simple, query):
    wanted = typed(simple, query)
    shuffled = query[:, np.random.default_rng(0).permutation(60)].copy()
    shuffled.var.index = shuffled.var["symbol"].to_numpy()
    found = typed(simple, shuffled)
    assert found.report["genes"]["matched_by"] == "symbols"
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, rtol=1e-5)


def test_too_few_common_genes_are_refused(simple, query):
    foreign = query.copy()
    foreign.var = pd.DataFrame({"symbol": [f"other{n}" for n in range(60)]})
    foreign.var.index = foreign.var["symbol"].to_numpy()
    with pytest.raises(InputError, match=r"mine: expected genes of the reference, such as ENSG0"):
        typed(simple, foreign, source="mine")
    importance = np.where(np.arange(60) < 5, 0.2, 0.0)
    classifier = replace(simple.classifier, importance=importance)
    with pytest.raises(InputError, match=r"some of the 5 genes that tell.*none among 50 genes"):
        typed(replace(simple, classifier=classifier), query[:, 10:])


def test_results_do_not_depend_on_threads_or_pieces(learnt, simulate):
    query = simulate([400, 300], genes=60, depth=400, seed=3)  # More than are annotated together.
    one, two = typed(learnt, query), typed(learnt, query, threads=2)
    pd.testing.assert_frame_equal(one.cells, two.cells)
    assert len(one.cells) == 700
    last = typed(learnt, query[650:])
    np.testing.assert_allclose(last.probabilities, one.probabilities[650:], rtol=1e-5)


def test_files_are_written_and_read_again(learnt, query, tmp_path):
    query.layers["counts"] = query.X.copy()
    query.X.data = np.log1p(query.X.data)
    query.obsm["X_mine"] = np.ones((60, 2))
    query.write_h5ad(tmp_path / "query.h5ad")
    adata, found = annotate(learnt, tmp_path / "query.h5ad")
    paths = write_annotation(adata, found, learnt, tmp_path / "results/typed.h5ad")
    assert [path.name for path in paths] == ["typed.h5ad", "typed.csv", "typed.json"]

    again = ad.read_h5ad(paths[0])
    columns = [*COLUMNS, *CONSENSUS_COLUMNS]
    assert list(again.obs) == [*query.obs, "cell_type_before", *columns[1:]]
    assert (again.obs["cell_type_before"] == query.obs["cell_type"]).all()
    assert list(again.obs["cell_type"].cat.categories) == [*found.types, UNASSIGNED]
    np.testing.assert_array_equal(again.obs["novel"], found.cells["novel"])
    assert set(again.obsm) == {"X_mine", "X_hvg_pca", "X_gmvae", "X_cell_type_probabilities"}
    np.testing.assert_array_equal(again.obsm["X_cell_type_probabilities"], found.probabilities)
    assert list(again.uns["latentcell"]["types"]) == list(found.types)
    assert again.uns["latentcell"]["reference"] == "own-my-reference"
    assert again.uns["latentcell"]["threshold"] == learnt.classifier.threshold
    assert "simulated" not in again.uns["latentcell"]
    np.testing.assert_allclose(again.X.toarray(), query.X.toarray())  # The rest is unchanged.

    table = pd.read_csv(paths[1])
    assert list(table) == ["barcode", *columns]
    assert list(table["barcode"]) == list(query.obs_names)
    assert list(table["cell_type"]) == list(found.cells["cell_type"])
    np.testing.assert_allclose(table["novelty_score"], found.cells["novelty_score"], rtol=1e-8)

    report = json.loads(paths[2].read_text())
    assert set(report) == {"reference", "classifier", "query"}
    assert report["query"]["genes"]["matched"] == 60
    assert report["classifier"]["types"] == list(found.types)
    assert report["reference"]["test"] == learnt.reference["test"]


def test_what_was_there_is_kept_however_often_cells_are_typed(simple, query):
    once = add_to(query, typed(simple, query), simple)
    twice = add_to(once, typed(simple, once), simple)
    assert list(query.obs) == ["cell_type", "donor"]  # The query itself is left alone.
    assert once.X is query.X  # Matrices are not copied.
    assert (twice.obs["cell_type_before"] == query.obs["cell_type"]).all()
    former = twice.obs["cell_type_before_before"].astype(str)
    assert (former == once.obs["cell_type"].astype(str)).all()


def test_columns_of_an_earlier_annotation_are_not_those_of_a_later_one(learnt, simple, query):
    query.obs["novel"] = "mine"
    plain = add_to(query, typed(simple, query), simple)
    assert (plain.obs["novel"] == "mine").all()  # It is the user's own.
    once, _ = annotate(learnt, query_of(query))
    few = once[:15].copy()  # So few are not clustered.
    twice, found = annotate(simple, query_of(few))
    assert "cell_type_cluster" not in found.cells
    assert not {"novel", "novelty_score", *CONSENSUS_COLUMNS} & set(twice.obs)
    for name in ("novelty_score", *CONSENSUS_COLUMNS):
        assert (twice.obs[f"{name}_before"] == few.obs[name]).all()
    assert (twice.obs["novel_before_before"] == few.obs["novel"]).all()
    assert (twice.obs["novel_before"] == "mine").all()


def query_of(cells):
    return Query("mine", cells, cells)


def test_cells_of_other_formats_are_typed(simple, query, tmp_path):
    counts = pd.DataFrame(query.X.toarray().astype(int), query.obs_names, query.var_names)
    counts.to_csv(tmp_path / "query.tsv", sep="\t")
    adata, found = annotate(simple, tmp_path / "query.tsv")
    assert list(adata.obs_names) == list(query.obs_names)
    np.testing.assert_allclose(found.probabilities, typed(simple, query).probabilities, rtol=1e-5)


def test_what_comes_of_simulated_cells_says_so(simple, query):
    marked = replace(simple, reference=simple.reference | {"simulated": "SIMULATED cells"})
    adata = add_to(query, typed(marked, query), marked)
    assert adata.uns["latentcell"]["simulated"] == "SIMULATED cells"
    assert "WARNING     SIMULATED cells" in reference_lines(marked)


def test_the_reference_is_described(learnt, simple):
    cells = learnt.reference["cells"]
    lines = reference_lines(learnt)
    assert lines[0] == (
        f"reference   own-my-reference: 3 types, {cells['training']} training, "
        f"{cells['validation']} validation and {cells['test']} test cells"
    )
    classifier = learnt.classifier
    [expert] = classifier.experts
    row = next(row for row in classifier.candidates if row["name"] == expert.name)
    assert lines[1] == (
        f"classifier  {expert.name}, the best of 3 by log loss on {cells['training']} training "
        f"cells in 5 folds: accuracy {row['accuracy']:.3f}, macro-F1 {row['macro_f1']:.3f}"
    )
    two = [replace(expert, name="hvg-pca", weight=0.25), replace(expert, name="other", weight=0.75)]
    both = replace(
        classifier, experts=tuple(two), candidates=(row, row | {"name": "hvg-pca + other"})
    )
    said = f"0.25 hvg-pca + 0.75 other, weights learnt on {cells['training']} training"
    assert said in reference_lines(replace(learnt, classifier=both))[1]
    assert f"accuracy {learnt.reference['test']['accuracy']:.3f}, balanced" in lines[2]
    needs = learnt.reference["evidence"]
    counts = needs["counts_needed"]
    assert lines[4].startswith("evidence    accuracy 1.000 of whole validation cells, 0.500 by nam")
    assert lines[4].endswith(f"0.750 needs {counts:,.0f} counts of a cell")
    assert lines[6].startswith(f"novel       more than {learnt.density.limit:.1f} nats")
    assert reference_lines(simple) == lines[:6]
    about = learnt.reference | {"evidence": needs | {"counts_needed": None}}
    unreached = reference_lines(replace(learnt, reference=about))
    assert unreached[4].endswith("0.750 needs more than they have")


def test_what_is_unknown_or_rare_is_said(simple):
    test = simple.reference["test"] | {"accuracy_assigned": None, "macro_f1": None}
    sizes = simple.reference["cells_of_types"] | {"type 002": 4, "type 001": 5}
    about = simple.reference | {"test": test, "cells_of_types": sizes}
    lines = reference_lines(replace(simple, reference=about))
    assert lines[2].endswith("macro-F1 unknown")
    assert "unknown of them correctly" in lines[5]
    assert lines[6] == "note        fewer than 5 training cells, so rarely predicted: type 002"


def test_types_are_listed_with_their_shares(simple, query):
    found = typed(simple, query)
    lines = query_lines(found)
    assert lines[0] == "query       60 cells"
    name, number = next(iter(found.report["types"].items()))
    assert f"            {name:<10} {number:>9,} {number / 60:7.1%}" in lines


def test_the_page_of_an_earlier_result_does_not_stay(learnt, query, tmp_path):
    adata = query.copy()
    found = typed(learnt, adata)
    page = tmp_path / "typed.html"
    for text, stays in ((f"<html>{PAGE_MARK}", False), ("of the user", True)):
        page.write_text(text)
        write_annotation(adata, found, learnt, tmp_path / "typed.h5ad")
        assert page.exists() == stays


def test_a_bundle_and_its_maker_write_the_same(learnt, query, tmp_path):
    save_bundle(learnt, tmp_path / "model")
    query.write_h5ad(tmp_path / "query.h5ad")
    written = []
    for name, source in (("a", learnt), ("b", tmp_path / "model")):
        adata, found = annotate(source, tmp_path / "query.h5ad")
        paths = write_annotation(adata, found, learnt, tmp_path / name / "typed.h5ad")
        written.append([path.read_bytes() for path in paths[1:]])
    assert written[0] == written[1]


@pytest.mark.parametrize("names", [["unassigned", "B"], ["unassigned", "unassigned (latentcell)"]])
def test_a_type_called_unassigned_is_told_from_no_type(simulate, query, names, tmp_path):
    cells = simulate([40, 40], genes=60, depth=400, names=names)
    annotator = train(cells, SETTINGS.model_copy(update={"density": False}))
    probability = typed(annotator, query).cells["cell_type_probability"]
    threshold = float(probability.median())
    classifier = replace(annotator.classifier, threshold=threshold)
    strict = replace(annotator, classifier=classifier)
    found = typed(strict, query)
    own = "unassigned (latentcell)" * (len(names[1]) < 5) or "unassigned (latentcell) (latentcell)"
    below = (probability < threshold).to_numpy()
    np.testing.assert_array_equal(found.cells["cell_type"] == own, below)
    first = found.cells["cell_type_first"] == "unassigned"
    np.testing.assert_array_equal(found.cells["cell_type"] == "unassigned", first & ~below)
    assert found.report["unassigned"]["cells"] == below.sum()
    assert found.report["unassigned"]["name"] == own
    assert any(f"cells without a type are called {own}" in line for line in query_lines(found))
    assert add_to(query, found, strict).uns["latentcell"]["unassigned"] == own


def test_a_type_called_unassigned_can_be_left_out(simulate, query):
    cells = simulate([40, 40, 40], genes=60, depth=400, names=["a", "b", "unassigned"])
    annotator = train(cells, SETTINGS.model_copy(update={"density": False}))
    classifier = replace(annotator.classifier, threshold=1.1)
    found = typed(replace(annotator, classifier=classifier), query, types=["a", "b"])
    assert set(found.cells["cell_type"]) == {"unassigned"}
    assert "name" not in found.report["unassigned"]


def stored(query, path, **others):
    """Write a query whose counts are in a layer, unsorted and with stored zeros."""
    adata = ad.AnnData(query.X.copy(), obs=query.obs, var=query.var, **others)
    adata.X.data = np.log1p(adata.X.data)
    turned = query.X[:, ::-1].tocsc()[:, ::-1].tocsr()
    turned.data[::50] = 0
    turned.data[turned.indptr[7] : turned.indptr[8]] = 0  # A cell without counts.
    adata.layers["counts"] = sp.csr_matrix((turned.data, turned.indices, turned.indptr))
    adata.raw = adata
    adata.write_h5ad(path)


def test_a_query_that_stays_in_its_file_has_the_same_results(learnt, query, tmp_path):
    stored(query, tmp_path / "query.h5ad")
    assert_same_results(
        *(learnt, tmp_path / "query.h5ad", tmp_path),
        lambda read: (
            *(read.counts.X, read.whole.X),
            *(read.whole.layers["counts"], read.whole.raw.X),
        ),
    )


def assert_same_results(learnt, path, folder, matrices):
    """Annotate a query that is read, and one whose matrices stay in a file."""
    for name, most in (("memory", None), ("file", 10)):
        read = load_query(path, most=most)
        assert {in_file(matrix) for matrix in matrices(read)} == {name == "file"}
        typed, found = annotate(learnt, read, threads=2)
        write_annotation(typed, found, learnt, folder / name / "typed.h5ad")
    for end in ("h5ad", "csv", "json"):
        parts = [(folder / name / f"typed.{end}").read_bytes() for name in ("memory", "file")]
        assert parts[0] == parts[1]


def write_tenx(query, path):
    names = dict.fromkeys(("features/id", "features/name"), query.var_names)
    kinds = {"features/feature_type": ["Gene Expression"] * query.n_vars}
    write_10x(path, sp.csr_matrix(query.X), query.obs_names, names | kinds)


def write_by_genes(query, path):
    ad.AnnData(sp.csc_matrix(query.X), obs=query.obs, var=query.var).write_h5ad(path)


@pytest.mark.parametrize(("write", "end"), [(write_tenx, "h5"), (write_by_genes, "h5ad")])
def test_a_query_that_is_stored_in_another_way_has_the_same_results(
    learnt, query, tmp_path, write, end
):
    write(query, path := tmp_path / f"query.{end}")
    assert_same_results(learnt, path, tmp_path, lambda read: (read.counts.X, read.whole.X))


def test_only_parts_as_anndata_writes_them_stay_in_their_file(query, tmp_path):
    path = tmp_path / "query.h5ad"
    stored(query, path)
    with h5py.File(path, "a") as file:
        group = file["layers/counts"]
        starts = group["indptr"][:]
        del group["indptr"]
        group["indptr"] = starts.astype(np.int64)
    read = load_query(path, most=10)
    assert in_file(read.whole.X)
    assert sp.issparse(read.whole.layers["counts"])
    # The counts are in a temporary file.
    assert in_file(read.counts.X)
    assert read.counts.X.dtype == np.int32
