"""Kinds of file that users report: each is read right, or refused with the sentence that helps.

Scripts make the files. They lie below the folder in the environment variable LATENTCELL_CASES, or
in the folder `cases` beside the one in LATENTCELL_DATA.
"""

import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from case_helpers import annotated, assert_counts, says, trained
from scipy import sparse

import forked
from latentcell.annotate.files import load_query, read_query, read_reference
from latentcell.config.settings import DatasetSettings
from latentcell.data.finding import find
from latentcell.data.importing import import_dataset
from latentcell.runtime.errors import InputError


def scripts():
    """Return the folder of the scripts, or None."""
    own, data = os.environ.get("LATENTCELL_CASES"), os.environ.get("LATENTCELL_DATA")
    folders = [Path(own)] if own else []
    folders += [Path(data).parent / "cases"] if data else []
    return next((folder for folder in folders if (folder / "common.py").is_file()), None)


SCRIPTS = scripts()
pytestmark = [
    pytest.mark.study,
    pytest.mark.usefixtures("maps_once"),
    pytest.mark.xdist_group("cases"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(
        SCRIPTS is None, reason="needs the scripts of LATENTCELL_CASES or beside LATENTCELL_DATA"
    ),
]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return the folder of a case, whose script is run once."""
    folder, done = tmp_path_factory.mktemp("cases"), {}

    def make(number):
        if number not in done:
            (script,) = SCRIPTS.glob(f"{number}-*/make.py")
            environment = os.environ | {"OUT": str(folder)}
            subprocess.run(
                [forked.python(), script], env=environment, check=True, capture_output=True
            )
            done[number] = folder / script.parent.name
        return done[number]

    return make


@pytest.fixture(scope="session")
def common():
    spec = importlib.util.spec_from_file_location("cases_common", SCRIPTS / "common.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cells(common):
    """Reference and query that all cases start from."""
    reference, query, _ = common.base()
    return {"ref": reference, "query": query}


@pytest.fixture(scope="session")
def few(common):
    """Reference and query of the smaller cases."""
    reference, query, _ = common.base(200, 100)
    return {"ref": reference, "query": query}


@pytest.fixture(scope="session")
def model(cells, tmp_path_factory):
    """A bundle trained on the reference."""
    folder = tmp_path_factory.mktemp("model")
    return trained(cells["ref"], folder, variable_genes=300, components=10)


@pytest.fixture(scope="session")
def results():
    """Results of queries that several tests compare with, by path."""
    return {}


@pytest.fixture
def plain(model, results, capsys, tmp_path_factory):
    """Return the result of a query, which is annotated once."""

    def typed(path):
        if path not in results:
            results[path] = annotated(capsys, model, path, tmp_path_factory.mktemp("plain"))
        return results[path]

    return typed


def refusal(read, *arguments):
    with pytest.raises(InputError) as caught:
        read(*arguments)
    return str(caught.value)


def assert_same(read, expected, *, symbols=None):
    """Assert that all counts were read, gene by gene and cell by cell."""
    assert_counts(read, expected)
    assert read.obs_names.tolist() == expected.obs_names.tolist()
    found = read.var["symbol"].tolist()
    assert found == (expected.var_names.tolist() if symbols is None else symbols)


def assert_typed(path, reference):
    read = read_reference(path)
    assert_same(read, reference)
    assert read.obs["cell_type"].tolist() == reference.obs["cell_type"].tolist()


@pytest.mark.parametrize(
    ("case", "place"),
    [
        ("01", "raw"),
        ("02", "raw"),
        ("03", "matrix"),
        ("04", "counts"),
        ("05", "X"),
        ("06", "X"),
        ("07", "X"),
        ("08", "X"),
        ("14", "layers/raw"),
        ("21", "raw"),
    ],
)
def test_reference_and_query_are_read_in_full(made, cells, case, place):
    for name in ("ref", "query"):
        path = made(case) / f"{name}.h5ad"
        found = find(path)
        assert found.counts.place == place
        read = read_query(path)
        assert_same(read, cells[name])
    assert_typed(made(case) / "ref.h5ad", cells["ref"])


@pytest.mark.parametrize("case", ["01", "02", "03", "05", "06", "14", "21"])
def test_a_query_is_typed_and_written_with_what_it_held(made, cells, model, case, capsys, tmp_path):
    path = made(case) / "query.h5ad"
    written = annotated(capsys, model, path, tmp_path)
    assert written.obs_names.tolist() == cells["query"].obs_names.tolist()
    assert set(written.obs["cell_type_first"]) <= set(cells["ref"].obs["cell_type"])
    if case == "14":
        assert (written.layers["raw"] != cells["query"].X).nnz == 0
    if case in ("01", "02"):
        assert (sparse.csr_matrix(written.raw.X) != cells["query"].X).nnz == 0
    if case == "05":
        assert written.obs["sample"].isna().sum() == 100


def test_gaps_in_identifiers_are_named(made, capsys):
    status, out, _ = says(capsys, "check", made("08") / "ref.h5ad")
    assert status == 0
    assert "var['ensembl_id'] lacks 400 genes and repeats 30 identifiers" in out
    with pytest.warns(UserWarning, match="'ensembl_id'"):
        read_query(made("08") / "query.h5ad")


def test_a_matrix_with_a_prefix_is_read_as_what_it_is(made, few):
    folder = made("09") / "geo"
    assert_same(read_query(folder / "GSM1_A_matrix.mtx.gz"), few["ref"])
    assert_same(read_query(folder / "GSM2_B_matrix.mtx.gz"), few["query"])
    said = refusal(read_query, folder)
    assert "expected one matrix, found 2: name one of them" in said
    assert "GSM1_A_matrix.mtx.gz" in said
    assert "GSM2_B_matrix.mtx.gz" in said


def test_of_two_matrices_the_named_one_is_read(made, few):
    folder, whole = made("10") / "out", few["ref"]
    assert_same(read_query(folder), whole)
    assert_same(read_query(folder / "matrix.mtx"), whole)
    less = whole.copy()
    less.X.data = np.maximum(0, less.X.data - 1)
    assert_same(read_query(folder / "B_matrix.mtx"), less)


@pytest.mark.parametrize("name", ["query.csv", "query.tsv.gz"])
def test_genes_in_rows_are_found_or_named(made, few, name, capsys, model, tmp_path):
    path = made("11") / name
    assert_same(read_query(path), few["query"])
    out = says(capsys, "check", path)[1]
    assert "rows are taken for genes, by their names" in out
    written = annotated(capsys, model, path, tmp_path, "--query-orientation", "genes-by-cells")
    assert written.shape == few["query"].shape
    out = says(capsys, "check", path, "--orientation", "cells-by-genes")[1]
    assert "13,224 cells, 100 genes" in out


@pytest.mark.parametrize(
    "name",
    [
        *("bom_corner.csv", "bom_R.csv", "semicolon.csv", "comma_decimal.tsv", "quoted.csv"),
        "with_types.csv",
    ],
)
def test_no_gene_of_a_spreadsheet_is_lost(made, few, name):
    read = read_query(made("12") / name)
    assert_same(read, few["query"][:, :300])
    if name == "with_types.csv":
        assert set(read.obs["cell_type"]) == {"B"}


@pytest.mark.parametrize("name", ["ref_plain.h5ad", "ref_categories.h5ad"])
def test_types_that_are_bytes_are_texts(made, cells, name):
    assert_typed(made("13") / name, cells["ref"])


def test_slashes_in_names_block_nothing(made, model, capsys, tmp_path):
    written = annotated(capsys, model, made("15") / "query.h5ad", tmp_path)
    assert written.obs["G1/S"].eq(0.1).all()
    assert written.obs["G2/M"].eq(0.2).all()
    with pytest.warns(UserWarning, match=r"left out of the result, .*: obsm\['X'\]"):
        load_query(made("15") / "query_obsm.h5ad")
    assert len(annotated(capsys, model, made("15") / "query_obsm.h5ad", tmp_path)) == 200


@pytest.mark.parametrize("column", [None, "cell_type", "my_clusters"])
def test_numbers_with_gaps_are_types(made, cells, column, capsys):
    path, options = made("17") / "ref.h5ad", ["--labels", column] if column else []
    codes = cells["ref"].obs["cell_type"].cat.codes.astype(str).tolist()
    assert read_reference(path, column).obs["cell_type"].tolist() == codes
    status, out, _ = says(capsys, "check", path, *options)
    assert status == 0
    assert f"labels      {column or 'cell_type'}: 10 groups" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one", "expected cells and genes, found 0 cells and 13,224 genes"),
        ("two", "expected cells and genes, found 0 cells and 13,224 genes"),
        ("one_each", "'cell_type' has 10 types among 10 cells, where each needs several cells"),
        ("pair", "expected at least one training, validation and test cell each of the 2 cells"),
    ],
)
def test_check_and_training_say_the_same_of_few_cells(made, name, said, capsys, tmp_path):
    path = made("18") / f"{name}.h5ad"
    status, out, _ = says(capsys, "check", path)
    assert status == 1
    assert said in out
    status, _, error = says(capsys, "train", path, "--bundle", tmp_path / "m", "--no-density")
    assert status == 1
    assert said in error


def test_two_types_are_enough(made):
    assert read_reference(made("18") / "single_and_rest.h5ad").obs["cell_type"].nunique() == 2


def test_a_genome_is_asked_for(made, few):
    for name, ask in (("v2_two", "hg19"), ("v3_barnyard", "GRCh38")):
        path = made("19") / f"{name}.h5"
        said = refusal(read_query, path)
        assert f"expected a 10x matrix of one genome, found {ask} and mm10" in said
        assert f"choose one with --genome {ask}" in said
        settings = DatasetSettings(name="q", path=str(path), genome=ask)
        read = read_query(settings)
        assert_same(read, few["query"])
        assert read.var_names.tolist() == few["query"].var["gene_ids"].tolist()
        mouse = read_query(settings.model_copy(update={"genome": "mm10"}))
        assert mouse.var["symbol"].tolist() == [f"Gene{number}" for number in range(500)]
    assert "molecule_info.h5, which lists molecules" in refusal(
        read_query, made("19") / "molecule_info.h5"
    )
    assert_same(read_query(made("19") / "cellbender.h5"), few["query"])


@pytest.mark.parametrize("name", ["geo", "hca", "velocyto", "kb"])
def test_loom_files_of_all_makers_are_read(made, few, name):
    read = read_query(made("20") / f"{name}.loom")
    if name == "velocyto":
        read.obs_names = few["query"].obs_names
    assert_same(read, few["query"])
    if name != "geo":
        assert read.var_names.tolist() == few["query"].var["gene_ids"].tolist()


@pytest.mark.parametrize("name", ["census", "symbols", "versions"])
def test_genes_of_cellxgene_are_known_by_any_name(made, plain, model, name, capsys, tmp_path):
    written = annotated(capsys, model, made("21") / f"{name}.h5ad", tmp_path).obs
    expected = plain(made("24") / "dense.h5ad").obs
    pd.testing.assert_frame_equal(
        written[expected.columns].reset_index(drop=True), expected.reset_index(drop=True)
    )


@pytest.mark.parametrize("name", ["adt_twice", "multiome", "quoted", "header", "transposed"])
def test_matrices_of_other_features_and_makers_are_read(made, few, name):
    assert_same(read_query(made("22") / name), few["query"][:, :3000])


def test_fractions_are_told_from_normalised_values(made, capsys):
    said = refusal(read_query, made("22") / "fractions")
    assert "counts with fractions (2,150 of 15,044 values are not whole)" in said
    assert "or round them" in said
    assert said in says(capsys, "check", made("22") / "fractions")[1]


def test_names_that_occur_twice(made, cells):
    assert len(read_query(made("23") / "query_cells.h5ad")) == 200
    assert "expected every barcode once" in refusal(read_reference, made("23") / "ref_cells.h5ad")
    with pytest.warns(UserWarning, match="10 repeated gene names were numbered"):
        read_query(made("23") / "query_genes.h5ad")


def test_positions_are_no_names(made, capsys, model, tmp_path):
    path = made("23") / "query_positions.h5ad"
    assert "genes       positions" in says(capsys, "check", path)[1]
    output = tmp_path / "typed.h5ad"
    status, _, error = says(capsys, "annotate", "--bundle", model, path, "-o", output)
    assert status == 1
    assert "these are positions, not names" in error


@pytest.mark.parametrize("name", ["shuffled", "no_X", "csc", "unsorted", "dense"])
def test_the_same_cells_in_any_layout_get_the_same_types(
    made, plain, model, name, capsys, tmp_path
):
    written = annotated(capsys, model, made("24") / f"{name}.h5ad", tmp_path).obs
    expected = plain(made("04") / "query.h5ad").obs
    assert (written["cell_type_first"] == expected["cell_type_first"]).all()
    np.testing.assert_allclose(
        written["cell_type_probability"], expected["cell_type_probability"], rtol=1e-5
    )


def test_small_and_odd_queries(made, model, capsys, tmp_path):
    folder = made("24")
    assert len(annotated(capsys, model, folder / "one_cell.h5ad", tmp_path)) == 1
    again = annotated(capsys, model, folder / "typed_already.h5ad", tmp_path)
    assert set(again.obs["cell_type_before_before"]) == {"x"}
    assert set(again.obs["cell_type_before"]) == {"y"}
    assert "X: only zeros: take the file with" in refusal(read_query, folder / "zeros.h5ad")
    status, _, error = says(
        capsys, "annotate", "--bundle", model, folder / "foreign.h5ad", "-o", tmp_path / "t.h5ad"
    )
    assert status == 1
    assert "expected genes of the reference" in error


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("query.zarr", "found a zarr store: convert it: anndata.read_zarr"),
        ("query.h5ad.gz", "unpack it with gunzip"),
        ("query.rds", "in R, write the counts with Matrix::writeMM"),
        ("seurat.h5ad", "found an h5Seurat file: in R, write the counts"),
    ],
)
def test_other_containers_are_refused_with_what_to_do(made, name, said):
    assert said in refusal(read_query, made("25") / name)


@pytest.mark.parametrize("name", ["query_h5ad.h5", "query.h5mu"])
def test_cells_with_another_suffix_are_read(made, few, name):
    assert_same(read_query(made("25") / name), few["query"])


@pytest.mark.parametrize(
    "name",
    [
        *("final_labels", "CellType.l2", "predicted.celltype.l1", "Manual_Annotation", "lineage"),
        *("cell_identity", "ident"),
    ],
)
def test_types_are_told_from_doublets(made, cells, name):
    found = find(made("26") / f"{name}.h5ad")
    assert found.choose_labels()[0].name == name
    read = read_reference(made("26") / f"{name}.h5ad")
    assert read.obs["cell_type"].tolist() == cells["ref"].obs["cell_type"].tolist()


def test_a_column_without_types_is_named(made, capsys):
    said = "'cell_type' has no type: all 600 values are missing"
    assert said in refusal(read_reference, made("27") / "ref.h5ad")
    assert said in says(capsys, "check", made("27") / "ref.h5ad")[1]


def test_the_matrix_of_all_barcodes_is_told(made, capsys):
    status, out, _ = says(capsys, "check", made("28") / "raw.h5")
    assert status == 1
    assert "this is the raw matrix of all barcodes; take the filtered one" in out
    assert read_query(made("28") / "raw.h5").shape == (737280, 13224)


@pytest.mark.parametrize(
    "name", ["nosuffix", "semicolon", "bom_headless", "bom_first", "short_last", "seurat"]
)
def test_types_in_a_file_of_their_own(made, cells, name, capsys):
    folder = made("29")
    (section,) = [yaml.safe_load((folder / f"{name}.yaml").read_text())["dataset"]]
    imported = import_dataset(DatasetSettings(**section))
    assert_same(imported, cells["ref"])
    types = cells["ref"].obs["cell_type"].astype(str)
    types = types + ", cell" if name == "seurat" else types
    assert imported.obs["cell_type"].tolist() == types.tolist()
    options = ["--labels-file", folder / f"{name}.csv"]
    status, out, _ = says(capsys, "check", folder / "mtx", *options)
    assert status == 0, out
    assert f"labels: {folder / f'{name}.csv'}" in out
    config = yaml.safe_load(out[out.index("# A first run") : out.rindex("next  ")])
    again = import_dataset(DatasetSettings(**config["datasets"][0]))
    assert again.obs["cell_type"].tolist() == types.tolist()
