"""Variable genes are those of scanpy, from counts in memory or in their file."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

from latentcell.represent.normalise import log_normalise
from latentcell.represent.variable import chosen_genes, variable_genes
from latentcell.runtime import pieces
from latentcell.runtime.io import read_cells


def drawn(seed, cells=80, genes=300):
    """Counts of genes of very different means, some of which are in no cell."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.4, 2.0, (1, genes)) * rng.choice([0, 1, 1, 3], (1, genes))
    types = rng.gamma(1.0, size=(5, genes))[rng.integers(5, size=cells)]
    return sp.csr_matrix(rng.poisson(means * types).astype(np.float32))


def by_scanpy(counts, number):
    cells = ad.AnnData(log_normalise(counts))
    seen = np.flatnonzero(np.asarray(counts.sum(0)).ravel())
    cells = cells[:, seen].copy()
    table = sc.pp.highly_variable_genes(cells, n_top_genes=number, flavor="seurat", inplace=False)
    return seen[table["highly_variable"].to_numpy()]


@pytest.mark.parametrize("seed", range(12))
def test_genes_are_those_of_scanpy(seed):
    counts = drawn(seed)
    for number in (1, 20, 100):
        np.testing.assert_array_equal(variable_genes(counts, number), by_scanpy(counts, number))


def test_genes_do_not_depend_on_pieces_nor_on_cells_that_are_not_asked_for(tmp_path, monkeypatch):
    counts = drawn(1)
    rows = np.flatnonzero(np.arange(80) % 3)
    expected = by_scanpy(counts[rows], 40)
    others = counts.copy().tolil()
    others[::3] = counts[::3][:, ::-1]
    path = tmp_path / "cells.h5ad"
    ad.AnnData(sp.csr_matrix(others)).write_h5ad(path)
    monkeypatch.setattr(pieces, "PIECE", 7)
    stored = read_cells(path, 0).X
    assert pieces.in_file(stored)
    np.testing.assert_array_equal(variable_genes(stored, 40, rows), expected)
    np.testing.assert_array_equal(np.flatnonzero(chosen_genes(stored, 40, rows)), expected)


def test_where_few_genes_are_expressed_all_are_taken():
    counts = drawn(2)
    seen = np.flatnonzero(np.asarray(counts.sum(0)).ravel())
    assert 100 < len(seen) < 300
    np.testing.assert_array_equal(variable_genes(counts, len(seen)), seen)
    np.testing.assert_array_equal(variable_genes(counts, 2000), seen)


def test_where_dispersions_tie_the_first_genes_are_taken():
    counts = drawn(3, genes=90)
    twice = sp.hstack([counts, counts], format="csr")  # Each gene ties with its copy.
    chosen = variable_genes(twice, 9)
    genes, copies = chosen[chosen < 90], chosen[chosen >= 90] - 90
    assert (len(genes), len(copies)) == (5, 4)
    assert set(copies) < set(genes)
    whole = variable_genes(twice, 10)
    np.testing.assert_array_equal(whole, np.concatenate([genes, genes + 90]))


def test_genes_that_do_not_vary_are_taken_last():
    counts = drawn(4, cells=40, genes=30)
    cells = counts.toarray()
    cells[:, 3:6] = cells.sum(1, keepdims=True)  # The same share in every cell.
    varying = set(range(30)) - {3, 4, 5}
    chosen = variable_genes(sp.csr_matrix(cells), 10)
    assert len(chosen) == 10
    assert set(chosen) <= varying


def test_no_number_takes_all_genes():
    assert chosen_genes(drawn(5), None) is None


@pytest.mark.parametrize("cells", [0, 1])
def test_few_cells_have_no_dispersions(cells):
    """One cell has no variance: nothing is chosen, and the callers report too few genes."""
    counts = drawn(6)[:cells]
    assert len(variable_genes(counts, 5)) == 0
