"""Refusals of values that are not counts, and their messages."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from latentcell.data import checks
from latentcell.data.checks import check_barcodes, check_counts, check_labels, gene_frame
from latentcell.runtime.errors import InputError

COUNTS = np.array([[1, 0, 2], [0, 3, 0]], dtype=np.float32)


def cells(matrix):
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(matrix.shape[0])])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(matrix.shape[1])])
    return anndata.AnnData(matrix, obs=obs, var=var)


def changed(value, dtype=np.float64):
    matrix = COUNTS.astype(dtype)
    matrix[1, 1] = value
    return matrix


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, np.int8])
@pytest.mark.parametrize(
    "form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array]
)
def test_counts_of_any_type_become_int32(dtype, form):
    result = check_counts(cells(form(COUNTS.astype(dtype))), "file")
    assert isinstance(result, sparse.csr_matrix)
    assert result.dtype == np.int32
    assert (result.toarray() == COUNTS).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, np.int8])
def test_the_memory_of_values_is_taken_only_if_they_are_consumed(dtype, monkeypatch):
    monkeypatch.setattr(checks, "_PIECE", 2)
    matrix = sparse.csr_matrix(COUNTS.astype(dtype))
    kept = check_counts(cells(matrix), "file")
    assert (matrix.toarray() == COUNTS).all()
    taken = check_counts(cells(matrix), "file", consume=True)
    assert taken.dtype == kept.dtype == np.int32
    assert (taken.toarray() == COUNTS).all()
    assert (kept.toarray() == COUNTS).all()
    assert np.shares_memory(taken.data, matrix.data) == (np.dtype(dtype).itemsize >= 4)


def test_the_first_wrong_value_is_named_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(checks, "_PIECE", 1)
    wrong = changed(-1)
    wrong[1, 2] = wrong[0, 2] = -4
    with pytest.raises(InputError, match=r"found -4 for cell cell0 and gene gene2 \(3 such values"):
        check_counts(cells(sparse.csr_matrix(wrong)), "x")


def test_counts_in_half_precision_become_int32():
    assert (check_counts(cells(COUNTS.astype(np.float16)), "x").toarray() == COUNTS).all()


def test_stored_zeros_and_duplicates_are_cleared():
    matrix = sparse.csr_matrix(
        (np.array([1, 0, 2, 3]), np.array([0, 1, 2, 2]), np.array([0, 2, 4])), shape=(2, 3)
    )
    result = check_counts(cells(matrix), "file")
    assert result.nnz == 2
    assert result[1, 2] == 5


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (
            changed(-1),
            "x.h5ad: expected counts of at least 0, found -1 for cell cell1 and gene gene1",
        ),
        (changed(-1, np.int64), "expected counts of at least 0, found -1 for cell cell1"),
        (
            changed(0.5),
            r"raw counts \(whole numbers\), found 0.5 .*1 such values, which look log-tr",
        ),
        (changed(250.5), "found 250.5 .*which look normalised"),
        (changed(-0.5), "found -0.5 .*which look scaled"),
        (changed(np.nan), "expected finite counts, found nan for cell cell1 and gene gene1"),
        (changed(np.inf), "expected finite counts, found inf for cell cell1"),
        (changed(2**31), "expected counts of at most 2,147,483,647, found 2.14748e"),
        (changed(2**40, np.int64), "expected counts of at most 2,147,483,647, found 1.09951e"),
        (
            changed(0),
            "expected counts in every cell, found 1 cells without any, the first being cell1",
        ),
        (np.zeros((2, 3)), "found 2 cells without any, the first being cell0"),
        (np.zeros((0, 3)), "expected cells and genes, found 0 cells and 3 genes"),
        (np.zeros((2, 0)), "expected cells and genes, found 2 cells and 0 genes"),
        (COUNTS.astype(complex), "expected numbers as counts, found values of type complex"),
    ],
)
def test_what_are_no_counts_is_refused(matrix, message):
    with pytest.raises(InputError, match=message):
        check_counts(cells(matrix), "x.h5ad")


def test_absent_matrix_is_refused():
    adata = anndata.AnnData(obs=pd.DataFrame(index=["c"]), var=pd.DataFrame(index=["g"]))
    with pytest.raises(InputError, match="expected numbers as counts, found nothing"):
        check_counts(adata, "x.h5ad")


def test_largest_count_is_kept():
    assert check_counts(cells(changed(2**31 - 1)), "file")[1, 1] == 2**31 - 1


def test_repeated_barcode_is_refused():
    with pytest.raises(InputError, match="x: expected every barcode once, found b 3 times"):
        check_barcodes(pd.Index(list("abbcb")), "x")


def test_distinct_barcodes_pass():
    assert check_barcodes(pd.Index(list("abc")), "x") is None


def test_genes_keep_their_identifiers_where_symbols_repeat():
    frame = gene_frame(["id1", "id2"], ["S", "S"], "x")
    assert frame.index.tolist() == ["id1", "id2"]
    assert frame["symbol"].tolist() == ["S", "S"]


def test_genes_without_symbols_go_by_identifier():
    assert gene_frame(["id1", "id2"], None, "x")["symbol"].tolist() == ["id1", "id2"]


def test_repeated_symbols_are_numbered_with_a_warning():
    with pytest.warns(UserWarning, match="x: 1 repeated gene names were numbered, .* S"):
        frame = gene_frame(None, ["S", "T", "S"], "x")
    assert frame.index.tolist() == ["S", "T", "S-1"]
    assert frame["symbol"].tolist() == ["S", "T", "S"]


def test_repeated_identifier_is_refused():
    with pytest.raises(InputError, match="x: expected every gene identifier once, found i 2 times"):
        gene_frame(["i", "j", "i"], ["a", "b", "c"], "x")


def test_labels_become_sorted_categories_in_use():
    given = pd.Categorical(["b", " a", "b"], categories=["z", "b", " a"])
    labels = check_labels(given, pd.Index(list("xyz")), "f")
    assert labels.categories.tolist() == ["a", "b"]
    assert labels.tolist() == ["b", "a", "b"]


def test_numbers_become_text():
    assert check_labels([2, 10, 2], pd.Index(list("xyz")), "f").tolist() == ["2", "10", "2"]


@pytest.mark.parametrize("missing", [None, np.nan, "", "  ", "NA"])
def test_missing_label_is_refused(missing):
    message = "f: expected a cell type for every cell, found none for 1 of 3, the first being y"
    with pytest.raises(InputError, match=message):
        check_labels(["a", missing, "b"], pd.Index(list("xyz")), "f")


def test_no_labels_at_all_are_refused():
    with pytest.raises(
        InputError, match="f: expected a cell type for every cell, found none at all"
    ):
        check_labels([None, ""], pd.Index(list("xy")), "f")


@pytest.mark.parametrize("kind", ["float64", object, "category"])
def test_whole_numbers_as_types_have_no_fraction(kind):
    labels = pd.Series([0.0, 1.0, 10.0]).astype(kind)
    types = check_labels(labels, pd.Index(list("abc")), "file")
    assert types.tolist() == ["0", "1", "10"]


def test_types_that_end_like_fractions_stay():
    types = check_labels(["v1.0", "1.0"], pd.Index(list("ab")), "file")
    assert types.tolist() == ["v1.0", "1.0"]
