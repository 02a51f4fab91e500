"""Which matrix holds the counts: by its values, then its name, and never by the order."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from latentcell.data.finding import counts_layer, find
from latentcell.data.matrices import Matrix, choose_counts
from latentcell.runtime.errors import InputError

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2.0, (40, 12)).astype(np.float32) + 1
COUNTS[0, 0] = 30
LOGS = np.log1p(COUNTS / COUNTS.sum(1, keepdims=True) * 1e4)
LESS = np.maximum(COUNTS - 1, 0)
SPLICED = np.floor(COUNTS * 0.75)
AMBIGUOUS = np.minimum(COUNTS, 2) * (RNG.random(COUNTS.shape) < 0.1)
AMBIGUOUS[0, 0] = 2
EVEN = np.rint(LOGS * 0)
EVEN[:, :5] = 20


def layered(X, **layers):
    """Matrices of a file as `find` measures them, without a file."""
    from latentcell.data.h5ad import Block
    from latentcell.data.matrices import measure

    def blocks(values):
        rows, columns = np.nonzero(values)
        yield Block(rows, columns, values[rows, columns])

    found = {"X": X} | layers
    return [measure(name, values.shape, blocks(values)) for name, values in found.items()]


PLAIN = {
    "counts": ("counts", LOGS, {"counts": COUNTS, "binarized": np.minimum(COUNTS, 1)}),
    "velocyto": (
        "matrix",
        LOGS,
        {
            "matrix": COUNTS,
            "spliced": SPLICED,
            "unspliced": COUNTS - SPLICED,
            "ambiguous": AMBIGUOUS,
        },
    ),
    "spliced": (
        "spliced",
        LOGS,
        {"spliced": SPLICED, "unspliced": COUNTS - SPLICED, "ambiguous": AMBIGUOUS},
    ),
    "scvelo": ("X", SPLICED, {"spliced": SPLICED, "unspliced": COUNTS - SPLICED}),
    "copy": ("X", COUNTS, {"counts": COUNTS, "raw_counts": COUNTS}),
    "usual name": ("counts", LOGS, {"counts": COUNTS, "soupx": LESS}),
    "unknown name": ("umi_table", LOGS, {"umi_table": COUNTS}),
    "decontaminated": ("X", COUNTS, {"decontXcounts": LESS}),
    "binned": ("counts", LOGS, {"counts": COUNTS, "X_binned": np.minimum(COUNTS, 5)}),
    "even sums": ("foo", LOGS, {"normalised_and_cut": EVEN, "foo": COUNTS}),
    "ones alone": ("X", np.minimum(COUNTS, 1), {}),
}
ASKED = {
    "two": (LOGS, {"mine": COUNTS, "others": LESS}, ["mine", "others"]),
    "corrected": (LESS, {"counts": COUNTS}, ["X", "counts"]),
    "corrected, unknown name": (LESS, {"original": COUNTS}, ["X", "original"]),
    "rounded": (
        np.rint(COUNTS / COUNTS.sum(1, keepdims=True) * 1e6),
        {},
        ["with a sum of about 1,000,000 in every cell", "X"],
    ),
    "parts": (LOGS, {"ambiguous": AMBIGUOUS}, ["only parts", "ambiguous"]),
    "more unspliced": (
        LOGS,
        {"spliced": COUNTS - SPLICED, "unspliced": SPLICED},
        ["only parts", "spliced", "unspliced"],
    ),
    "made": (LOGS, {"X_binned": np.minimum(COUNTS, 5)}, ["that are made from them", "X_binned"]),
    "zeros and ones": (LOGS, {"binarized": np.minimum(COUNTS, 1)}, ["only zeros and ones"]),
    "zeros": (COUNTS * 0, {}, ["X: only zeros"]),
    "fractions": (COUNTS - 0.5 * (COUNTS == 3), {}, ["counts with fractions", "round them"]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_counts_that_are_plain_are_taken(name):
    place, X, layers = PLAIN[name]
    taken, question = choose_counts(layered(X, **layers), "a.h5ad")
    assert (taken.place, question) == (place, "")


@pytest.mark.parametrize("name", ASKED)
def test_what_is_not_plain_is_asked(name):
    X, layers, words = ASKED[name]
    taken, question = choose_counts(layered(X, **layers), "a.h5ad")
    assert taken is None
    assert question.startswith("a.h5ad: expected ")
    assert all(word in question for word in words)
    assert ("--layer NAME" in question) == ("found several" in question or "found only" in question)


@given(st.data(), st.sampled_from(sorted(PLAIN) + sorted(ASKED)))
@settings(max_examples=60, deadline=None)
def test_the_order_of_layers_has_no_effect(data, name):
    X, layers = PLAIN[name][1:] if name in PLAIN else ASKED[name][:2]
    matrices = layered(X, **layers)
    before = choose_counts(matrices, "a.h5ad")
    assert choose_counts(data.draw(st.permutations(matrices)), "a.h5ad") == before


@given(st.data(), st.sampled_from(sorted(PLAIN) + sorted(ASKED)))
@settings(max_examples=60, deadline=None)
def test_the_order_of_genes_and_cells_has_no_effect(data, name):
    X, layers = PLAIN[name][1:] if name in PLAIN else ASKED[name][:2]
    cells = data.draw(st.permutations(range(len(X))))
    genes = data.draw(st.permutations(range(X.shape[1])))
    before = choose_counts(layered(X, **layers), "a.h5ad")
    turned = {key: values[cells][:, genes] for key, values in layers.items()}
    assert choose_counts(layered(X[cells][:, genes], **turned), "a.h5ad") == before


def test_counts_without_sums_are_told_by_their_numbers():
    some = Matrix("X", 5, 4, 9, 0, 7, True, True, 0, ones=2)
    same = Matrix("mine", 5, 4, 9, 0, 7, True, True, 0, ones=2)
    assert choose_counts([same, some], "a")[0].place == "X"


def file(tmp_path, X, layers=None, *, var=None, raw=None):
    obs = pd.DataFrame({"cell_type": ["B", "T"] * 20}, index=[f"c{i}" for i in range(40)])
    adata = ad.AnnData(X, obs=obs, var=var)
    adata.layers.update(layers or {})
    if raw is not None:
        adata.raw = raw
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_a_layer_called_raw_is_told_from_raw(tmp_path):
    raw = ad.AnnData(LOGS, obs=pd.DataFrame(index=[f"c{i}" for i in range(40)]))
    path = file(tmp_path, LOGS, {"raw": COUNTS}, raw=raw)
    assert counts_layer(path, None) == "layers/raw"
    found = find(path)
    assert (found.read().X == COUNTS).all()
    with pytest.raises(InputError, match="expected the layer 'layers/X', found only these: raw, l"):
        found.file.place("layers/X")
    path = file(tmp_path, LOGS, raw=raw)
    with pytest.raises(InputError, match=r"the layer 'layers/raw', found only these: raw$"):
        find(path).file.place("layers/raw")
    path = file(tmp_path, LOGS, {"raw": COUNTS})
    assert (find(path).file.read("layers/raw").X == COUNTS).all()
    path = file(tmp_path, LOGS, {"raw": COUNTS, "X": LESS})
    with pytest.raises(InputError, match=r"several .*raw: .*layers/X: "):
        counts_layer(path, None)
    path = file(tmp_path, LOGS, raw=raw)
    with pytest.raises(InputError, match="expected raw counts"):
        counts_layer(path, None)


FEATURES = ["Gene Expression"] * 9 + ["Antibody Capture"] * 3


@pytest.mark.parametrize("column", ["feature_types", "feature_type"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_antibodies_are_no_genes_and_need_not_be_counts(tmp_path, column, form):
    values = COUNTS.copy()
    values[:, 9:] = LOGS[:, 9:]
    var = pd.DataFrame({column: FEATURES}, index=[f"g{i}" for i in range(12)])
    found = find(file(tmp_path, form(values), var=var))
    assert (found.counts.place, found.counts.genes) == ("X", 9)
    read = found.read()
    assert read.var_names.tolist() == [f"g{i}" for i in range(9)]
    assert (sparse.csr_matrix(read.X).toarray() == COUNTS[:, :9]).all()


def test_features_of_raw_are_told_by_those_of_var(tmp_path):
    names = [f"g{i}" for i in range(12)]
    cells = [f"c{i}" for i in range(40)]
    raw = ad.AnnData(COUNTS, pd.DataFrame(index=cells), pd.DataFrame(index=names))
    var = pd.DataFrame({"feature_types": FEATURES}, index=names)
    assert find(file(tmp_path, LOGS, var=var, raw=raw)).counts.genes == 9


def test_biotypes_of_genes_are_no_proteins(tmp_path):
    var = pd.DataFrame({"feature_type": "protein_coding"}, index=[f"g{i}" for i in range(12)])
    assert find(file(tmp_path, COUNTS, var=var)).counts.genes == 12


def test_antibodies_alone_are_refused(tmp_path):
    kinds = ["Antibody Capture", "Peaks"] * 6
    var = pd.DataFrame({"feature_types": kinds}, index=[f"g{i}" for i in range(12)])
    with pytest.raises(InputError, match="found only Antibody Capture, Peaks: take the matrix"):
        find(file(tmp_path, COUNTS, var=var))
