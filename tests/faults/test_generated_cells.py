"""Any file of cells is either imported, value by value as it is, or refused with a sentence."""

import warnings
from dataclasses import dataclass, field

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from latentcell.config.settings import DatasetSettings, SplitSettings
from latentcell.data.finding import find
from latentcell.data.importing import import_dataset
from latentcell.data.split import SPLITS, split_cells
from latentcell.data.subset import draw_subset
from latentcell.runtime.errors import InputError

FORMS = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr64": lambda values: wide(sparse.csr_matrix(values)),
}
# What is no count, and what the refusal says was expected instead.
NO_COUNTS = {
    "nan": (np.nan, "finite counts"),
    "infinite": (np.inf, "finite counts"),
    "negative": (-1.0, "counts of at least 0"),
    "fraction": (0.5, "raw counts"),
    "huge": (2.0**31, "counts of at most"),
}
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
LABELS = ("B cell", "T/cell", "<b>NK</b>", "τ", "7", "x y")


def wide(matrix):
    matrix.indptr, matrix.indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    return matrix


@dataclass
class Case:
    """A file of cells, and the faults that were put into it on purpose."""

    counts: np.ndarray
    form: str
    dtype: str
    barcodes: list
    genes: list
    labels: object
    faults: list = field(default_factory=list)

    def write(self, path):
        obs = pd.DataFrame({"cell_type": self.labels}, index=pd.Index(self.barcodes, dtype=object))
        var = pd.DataFrame(index=pd.Index(self.genes, dtype=object))
        matrix = FORMS[self.form](self.counts.astype(self.dtype))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ad.AnnData(matrix, obs=obs, var=var).write_h5ad(path)


def drawn_names(draw, number, prefix):
    plain = [f"{prefix}{index}" for index in range(number)]
    if number and draw(st.booleans()):
        plain[draw(st.integers(0, number - 1))] = prefix + draw(NAMES)
    return plain


@st.composite
def cases(draw):
    cells, genes = draw(st.integers(0, 12)), draw(st.integers(0, 6))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    counts = rng.poisson(draw(st.sampled_from([0.3, 2.0, 100.0])), (cells, genes)).astype(float)
    if genes and draw(st.booleans()):
        counts[counts.sum(1) == 0, 0] = 1
    # Small enough for each type below; a largest count now and then.
    counts = np.minimum(counts, 120)
    dtype = draw(st.sampled_from(["int8", "uint16", "int32", "int64", "float32", "float64"]))
    if counts.size and dtype not in ("int8", "uint16", "float32") and draw(st.booleans()):
        counts[0, 0] = 2**31 - 1
    case = Case(
        counts, draw(st.sampled_from(sorted(FORMS))), dtype,
        drawn_names(draw, cells, "cell-"), drawn_names(draw, genes, "gene-"), None,
    )  # fmt: skip
    if 0 in counts.shape:
        case.faults.append("expected cells and genes")
    elif (counts.sum(1) == 0).any():
        case.faults.append("expected counts in every cell")
    case.labels = drawn_labels(draw, case, cells, rng)
    if counts.size and draw(st.booleans()):
        spoil(draw, case)
    return case


def drawn_labels(draw, case, cells, rng):
    kind = draw(st.sampled_from(["texts", "numbers", "unused", "gaps", "none"]))
    names = LABELS[: draw(st.integers(1, len(LABELS)))]
    labels = [names[index] for index in rng.integers(0, len(names), cells)]
    if kind == "numbers":
        return rng.integers(0, 5, cells)
    if kind == "unused":
        return pd.Categorical(labels, categories=[*LABELS, "never seen"])
    if cells and kind in ("gaps", "none"):
        case.faults.append("expected a cell type for every cell")
        if kind == "none":
            return pd.Categorical([None] * cells, categories=list(LABELS))
        labels[draw(st.integers(0, cells - 1))] = draw(st.sampled_from(["", " ", "nan", "NA"]))
    return labels


def spoil(draw, case):
    """Put a value that is no count, or a repeated name, into a case."""
    cells, genes = case.counts.shape
    kind = draw(st.sampled_from([*NO_COUNTS, "barcode"]))
    if kind == "barcode":
        if cells > 1:
            case.barcodes[-1] = case.barcodes[0]
            case.faults.append("expected every barcode once")
        return
    value, expected = NO_COUNTS[kind]
    case.dtype = "float64"
    case.counts[draw(st.integers(0, cells - 1)), draw(st.integers(0, genes - 1))] = value
    case.faults.append(expected)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("generated") / "cells.h5ad"


def imported(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = DatasetSettings(name="generated", path=str(path), label_column="cell_type")
        return import_dataset(settings)


@given(cases())
def test_cells_are_imported_as_they_are_or_refused(path, case):
    case.write(path)
    try:
        cells = imported(path)
    except InputError as refusal:
        said = str(refusal)
        assert path.name in said
        assert "\n" not in said
        # Nothing is refused that has no fault, nor for another one.
        assert any(fault in said for fault in case.faults), (said, case.faults)
        return
    assert not case.faults
    np.testing.assert_array_equal(cells.X.toarray(), case.counts)
    assert cells.X.dtype == np.int32
    assert cells.X.has_sorted_indices
    assert list(cells.obs_names) == case.barcodes
    assert list(cells.obs["cell_type"].astype(str)) == [str(label).strip() for label in case.labels]
    assert set(cells.obs["cell_type"].cat.categories) == set(cells.obs["cell_type"])


@given(cases())
def test_a_look_into_cells_says_no_more_than_is_true(path, case):
    case.write(path)
    try:
        found = find(path)
    except InputError as refusal:
        assert path.name in str(refusal)
        return
    (matrix,) = found.matrices
    assert (matrix.cells, matrix.genes) == case.counts.shape
    is_counts = bool(
        case.counts.any()
        and np.isfinite(case.counts).all()
        and (case.counts >= 0).all()
        and (case.counts == np.rint(case.counts)).all()
    )
    assert matrix.is_counts == is_counts
    if is_counts:
        assert matrix.stored == np.count_nonzero(case.counts)
        assert matrix.empty_cells == int((case.counts.sum(1) == 0).sum())


@given(
    types=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    size=st.integers(1, 80),
    method=st.sampled_from(["stratified", "random"]),
    shares=st.tuples(st.floats(0.01, 0.98), st.floats(0.01, 0.98)),
    seed=st.integers(0, 2**31 - 1),
)
def test_every_cell_of_a_subset_is_in_one_part_or_it_is_refused(types, size, method, shares, seed):
    labels = pd.Categorical([f"type {number}" for number in types])
    train, validation = shares
    try:
        settings = SplitSettings(method=method, train=train, validation=validation)
    except ValueError as refusal:
        assert train + validation >= 1 - 1e-6, refusal
        return
    try:
        rows = draw_subset(labels, size, method, seed)
    except InputError as refusal:
        # A random subset may miss all types but one; a stratified one of two cells does not.
        few = size == 1 or len(set(types)) == 1 or method == "random"
        assert size > len(types) or (few and "of at least two types" in str(refusal))
        return
    assert len(rows) == size == len(set(rows))
    chosen = labels[rows]
    try:
        parts = split_cells(chosen, settings, seed)
    except InputError as refusal:
        assert "at least one training, validation and test cell" in str(refusal)
        wanted = [round(train * size), round(validation * size)]
        assert size < 3 or 0 in wanted or sum(wanted) >= size
        return
    sizes = parts.value_counts()
    assert list(sizes.index) == list(SPLITS)
    assert sizes.sum() == size
    assert (sizes["training"], sizes["validation"]) == (
        round(train * size), round(validation * size),
    )  # fmt: skip
    assert list(parts) == list(split_cells(chosen, settings, seed))
