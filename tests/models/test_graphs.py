"""Steps of fixed shapes: those of the engine, here run on the CPU."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import engine, graphs, training
from latentcell.models.counts import CountMatrix, Rows
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.optimiser import Adam
from latentcell.models.training import train

OPTIONS = {
    "negative binomial": {},
    "size factor": {"size_factor": True},
    "gene dispersion": {"size_factor": True, "dispersion": "gene"},
    "Poisson": {"likelihood": "poisson"},
    "Poisson, size factor": {"likelihood": "poisson", "size_factor": True},
    "zero-inflated": {"likelihood": "zero-inflated-negative-binomial"},
    "warm-up": {"warm_up_epochs": 2},
    "labels": {"labelled_share": 0.5},
    "log input": {"encoder_input": "log-normalised"},
}


def needs_a_gpu():
    return pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("option", OPTIONS)
def test_fixed_shapes_train_as_the_engine(cells, option, monkeypatch):
    matrix, split = cells
    settings = VaeSettings(
        epochs=3, batch_size=20, device="cpu", prune_below=0.0, **OPTIONS[option]
    )
    types = np.array(["u", "v"] * 40 + ["u"])
    arguments = (matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1)
    plain = train(*arguments, cell_types=types)
    monkeypatch.setattr(training, "usable", lambda *_: True)
    monkeypatch.setattr("latentcell.models.gmvae.GMVAE.update_by", lambda *_: None)
    runs = []
    work = graphs.TrainingSteps._work
    monkeypatch.setattr(
        graphs.TrainingSteps, "_work", lambda self, size: (runs.append(size), work(self, size))
    )
    # All parameters are updated by one call, as on a GPU.
    monkeypatch.setattr(Adam, "_update_one", lambda *_: None)
    fixed = train(*arguments, cell_types=types, graphs=True)
    assert runs == [20, 20, 9] * 3
    for row, other in zip(fixed.history, plain.history, strict=True):
        assert row.keys() == other.keys()
        # Rounding decides the sign of gradients that are zero, and with it Adam's first steps.
        for name, value in row.items():
            if value is not None and name != "split":
                close = 0.1 if name == "accuracy" else 1e-3  # A cell or two of 24.
                assert value == pytest.approx(other[name], rel=close, abs=close), name


def test_padding_changes_nothing_but_the_number_of_non_zeros():
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(rng.poisson(0.3, (30, 50)))
    counts = CountMatrix(matrix)
    index = torch.tensor([3, 29, 0, 3])
    size = counts.most_counts(np.arange(30), 4)
    assert size == np.sort(np.diff(matrix.indptr))[-4:].sum()
    padded, plain = counts.padded_rows(index, size + 5), counts.rows(index)
    number = len(plain.gene)
    assert len(padded.gene) == size + 5
    assert padded.valid.tolist() == [True] * number + [False] * (size + 5 - number)
    assert torch.equal(padded.dense, torch.as_tensor(matrix[index.numpy()].toarray()).float())
    assert torch.equal(padded.gene[:number], plain.gene)
    assert torch.equal(padded.sorted_count[:number], plain.value)
    assert torch.equal(padded.offsets, plain.offsets)
    assert torch.equal(padded.library, plain.library)
    assert torch.equal(padded.count_sums(), plain.count_sums())
    assert torch.equal(plain.count_sums(), plain.library)


def test_rates_hold_both_bias_corrections():
    def trained(by_rate):
        parameter = torch.nn.Parameter(torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64))
        adam = Adam([parameter], 0.1, maximise=True)
        for step in range(1, 7):
            parameter.grad = torch.tensor([1e-9, 0.3, -5.0], dtype=torch.float64) * step
            if by_rate:
                adam.update_by_rate(torch.as_tensor(adam.rates(1)[0]))
                adam.steps += 1
            else:
                adam.step()
        assert parameter.grad is None
        return parameter.detach()

    torch.testing.assert_close(trained(True), trained(False), rtol=1e-9, atol=1e-12)


def test_a_minibatch_of_several_blocks_is_refused(cells, monkeypatch):
    matrix, split = cells
    monkeypatch.setattr(training, "usable", lambda *_: True)
    monkeypatch.setattr("latentcell.models.engine.BLOCK_ELEMENTS", 1)
    settings = VaeSettings(epochs=1, batch_size=20, device="cpu", prune_below=0.0)
    with pytest.raises(ValueError, match="must be one block"):
        train(matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1, graphs=True)


@pytest.mark.parametrize("genes", [60_944, 60_945])
def test_steps_are_of_fixed_shapes_where_all_genes_are_one_block(genes):
    counts = SimpleNamespace(device=torch.device("cuda"), shape=(30, genes))
    model = SimpleNamespace(shape=SimpleNamespace(components=367))
    hidden = SimpleNamespace(is_cuda=True)
    minibatch = CountMatrix(sp.csr_matrix((3, genes))).rows(torch.arange(3))
    rows = Rows.full(3, 367, torch.device("cpu"))
    blocks = engine._Blocks(hidden, None, minibatch, rows, NegativeBinomial(), None)
    assert blocks.width == 60_944
    assert graphs.usable(counts, model, 3, 1) == (blocks.width == genes)


def test_graphs_are_for_cuda_alone(cells):
    matrix, split = cells
    settings = VaeSettings(epochs=1, device="cpu", keep="last")
    arguments = (matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1)
    assert train(*arguments, graphs=True).history == train(*arguments).history


@needs_a_gpu()
def test_a_gpu_replays_what_it_runs(cells):
    matrix, split = cells
    settings = VaeSettings(epochs=8, batch_size=20, device="cuda", keep="last")
    arguments = (matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1)
    plain, fixed = train(*arguments), train(*arguments, graphs=True)
    for row, other in zip(fixed.history, plain.history, strict=True):
        assert row["elbo"] == pytest.approx(other["elbo"], rel=1e-3)
