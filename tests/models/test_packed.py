"""Counts at three or four bytes a non-zero, in memory and mapped from files."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.grid import model_files
from latentcell.grid.model_files import write_model
from latentcell.grid.training import FILES
from latentcell.models import trained
from latentcell.models.counts import CountMatrix, canonical
from latentcell.models.packed import PackedCounts
from latentcell.models.training import train
from latentcell.runtime import pieces

LARGE = [254, 255, 256, 65_534, 65_535, 65_536, 2**31, 0.5, -3.0]


def matrix(genes=300, large=LARGE, seed=0):
    """Counts of 50 cells, some at the bounds of the types."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(0.2, (50, genes)).astype(np.float64)
    dense[7] = 0
    dense.flat[rng.choice(dense.size, len(large), replace=False)] = large
    return canonical(sp.csr_matrix(dense))


def unpacked(packed):
    shape = len(packed.starts) - 1, packed.genes
    return sp.csr_matrix((packed.values(), packed.gene.astype(np.int64), packed.starts), shape)


@pytest.mark.parametrize("place", ["memory", "files"])
@pytest.mark.parametrize("wide", [False, True])
def test_every_value_is_exact(place, wide, tmp_path):
    counts = matrix(large=LARGE + [1000] * 300 * wide)
    folder = None if place == "memory" else tmp_path / "counts"
    parts = (counts[first : first + 20] for first in (0, 20, 40))
    packed = PackedCounts.pack(parts, 300, folder)
    assert (unpacked(packed) != counts).nnz == 0
    assert packed.count.dtype == (np.uint16 if wide else np.uint8)
    assert packed.gene.dtype == np.uint16
    np.testing.assert_array_equal(packed.values(100, 300), counts.data[100:300])
    if folder is not None:
        again = PackedCounts.open(folder)
        assert (unpacked(again) != counts).nnz == 0
        header = json.loads((folder / "header.json").read_text())
        assert header["genes"] == 300
        assert sum(file.stat().st_size for file in folder.glob("*.bin")) == packed.nbytes


def test_a_count_takes_three_bytes():
    counts = matrix(large=[])
    packed = PackedCounts.pack([counts], 300)
    assert packed.nbytes == 3 * counts.nnz + 8 * 51
    many = sp.csr_matrix((np.ones(1), [70_000], [0, 1]), shape=(1, 80_000))
    assert PackedCounts.pack([many], 80_000).gene.dtype == np.uint32


def test_cells_without_counts_can_be_packed(tmp_path):
    packed = PackedCounts.pack([sp.csr_matrix((3, 5))], 5, tmp_path / "counts")
    assert unpacked(packed).shape == (3, 5)
    assert CountMatrix(packed).rows(torch.arange(3)).gene.shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scaled", [False, True])
def test_minibatches_are_those_of_the_matrix(dtype, scaled):
    counts = matrix(large=[300, 70_000])
    scale = np.linspace(0.5, 2.0, 50) if scaled else None
    index = torch.tensor([9, 7, 30, 9, 0])
    batch = CountMatrix(counts, scale=scale, dtype=dtype).rows(index)
    rows = counts[index.numpy()]
    expected = torch.as_tensor(rows.data).to(dtype)
    np.testing.assert_array_equal(batch.offsets, rows.indptr[:-1])
    np.testing.assert_array_equal(batch.gene, rows.indices)
    cell = np.repeat(np.arange(5), np.diff(rows.indptr))
    if scaled:
        values = np.log1p(rows.data * scale[index.numpy()][cell])
        assert torch.equal(batch.value, torch.as_tensor(values).to(dtype))
    else:
        assert torch.equal(batch.value, expected)
    order = np.argsort(rows.indices, kind="stable")
    np.testing.assert_array_equal(batch.sorted_cell, cell[order])
    np.testing.assert_array_equal(batch.sorted_gene, rows.indices[order])
    assert torch.equal(batch.sorted_count, expected[order])
    np.testing.assert_array_equal(batch.library, np.maximum(1, np.asarray(rows.sum(1)).ravel()))


def test_training_from_files_has_the_same_bytes(cells, tmp_path, monkeypatch):
    counts, split = cells
    settings = VaeSettings(epochs=2, batch_size=20, device="cpu", encoder_input="log")
    arguments = (counts, split, ModelName("gmvae", 3, 7), 2, settings, 1)
    folder = tmp_path / "counts"
    train(*arguments, folder=folder)
    assert not folder.exists()  # Few counts stay in memory.
    plain = train(*arguments)
    monkeypatch.setattr(trained, "MANY", 1)
    monkeypatch.setattr(pieces, "PIECE", 10)
    mapped = train(*arguments, folder=folder)
    assert (folder / "genes.bin").stat().st_size > 0
    assert mapped.history == plain.history
    for value, other in zip(mapped.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(value, other)


@pytest.mark.parametrize("genes", [None, 20])
def test_a_model_of_cells_that_stay_in_their_file_has_the_same_files(
    cells, genes, tmp_path, monkeypatch
):
    counts, split = cells
    obs = pd.DataFrame({"split": split, "cell_type": np.resize(["a", "b"], len(split))})
    obs = obs.astype("category")
    obs.index = obs.index.astype(str)
    source = str(tmp_path / "cells.h5ad")
    ad.AnnData(sp.csr_matrix(counts, dtype=np.float32), obs=obs).write_h5ad(source)
    settings = VaeSettings(
        epochs=2, batch_size=20, device="cpu", variable_genes=genes, count_sum_feature=True
    )

    def written(name):
        files = [tmp_path / name / file for file in FILES]
        files[0].parent.mkdir()
        write_model(files, [source], ModelName("gmvae", 3, 7), settings, 1, name)
        return [file.read_bytes() for file in files[:-1]], (files[0].parent / "evaluated-counts")

    plain, folder = written("plain")
    assert not folder.exists()
    for module in (trained, model_files):
        monkeypatch.setattr(module, "MANY", 1)
    monkeypatch.setattr(pieces, "PIECE", 10)
    there, folder = written("there")
    assert (folder / "genes.bin").stat().st_size > 0
    assert there == plain
