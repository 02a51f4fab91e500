"""Threads of one model: the same bytes in any number, and kernels that compute as PyTorch does."""

import threading
import time

import numpy as np
import pytest
import torch
from torch.nn.functional import embedding_bag

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import engine, networks, optimiser, threads
from latentcell.models.counts import CountMatrix
from latentcell.models.networks import SparseDense
from latentcell.models.optimiser import Adam
from latentcell.models.training import train
from processors import needs_bfloat16

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def number_of_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_parts(monkeypatch):
    """Blocks of 4 genes, and parts so small that every thread has some."""
    monkeypatch.setattr(engine, "block_width", lambda *_, **__: 4)
    monkeypatch.setattr(optimiser, "_LEAST", 32)
    monkeypatch.setattr(networks, "LEAST_CELLS", 2)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "options",
    [
        {"unexpressed_genes": "modelled", "prune_below": 0.0},
        {},
        {"size_factor": True, "dispersion": "gene"},
        {"likelihood": "zero-inflated-poisson", "dropout": {"counts": 0.1}},
        {"bound": "importance-weighted", "importance_samples": 2},
        pytest.param({"precision": "bfloat16"}, marks=needs_bfloat16),
    ],
    ids=["exact", "fast", "size factor", "zero-inflated", "importance-weighted", "bfloat16"],
)
def test_any_number_of_threads_gives_the_same_bytes(cells, options, monkeypatch):
    matrix, split = cells
    settings = VaeSettings(epochs=2, batch_size=20, device="cpu", keep="last", **options)
    workers, every = set(), None

    def watched(values):
        def watching(block, slope=None):
            # No thread is done before all have begun.
            if len(workers) < every.parties and threading.get_ident() not in workers:
                workers.add(threading.get_ident())
                every.wait(timeout=60)
            return values(block, slope)

        return watching

    for kind in (engine._Block, engine._GeneBlock):
        monkeypatch.setattr(kind, "values", watched(kind.values))

    def result(number):
        nonlocal every
        every = threading.Barrier(number)
        workers.clear()
        torch.set_num_threads(number)
        trained = train(matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1)
        assert torch.get_num_threads() == number
        assert len(workers) == number
        weights = {
            name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()
        }
        return weights, trained.history, trained.evaluate(matrix).latent.tobytes()

    one = result(1)
    assert result(2) == one
    assert result(4) == one


def test_updates_within_the_pass_are_those_of_autograds_gradients(cells):
    matrix, split = cells
    settings = VaeSettings(epochs=3, batch_size=20, device="cpu", keep="last")
    arguments = (matrix, split, ModelName("gmvae", 3, 7), 2, settings, 1)
    fused = train(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentcell.models.gmvae.GMVAE.update_by", lambda *_: None)
        plain = train(*arguments)
    assert fused.history == plain.history
    assert fused.model.decoder.update is None
    for value, other in zip(fused.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(value, other)


def test_a_weighted_likelihood_cannot_be_updated_within_the_pass():
    value = torch.ones(2, requires_grad=True)
    context = type("Context", (), {"saved_tensors": (value,), "gradients": (), "updated": True})
    with pytest.raises(RuntimeError, match="expected weight 1"):
        engine._Pass.backward(context, torch.tensor(2.0), None)


@pytest.mark.parametrize("number", [1, 3])
def test_results_are_taken_in_order(number):
    torch.set_num_threads(number)
    taken = []

    def work(item):
        time.sleep(0.002 * (item % 3 == 0))
        return item, torch.get_num_threads()

    with threads.shared_threads(CPU):
        threads.in_order(work, range(20), taken.append)
    assert taken == [(item, 1) for item in range(20)]
    assert torch.get_num_threads() == number


@pytest.mark.parametrize("number", [1, 3])
def test_results_are_computed_ahead(number):
    torch.set_num_threads(number)
    begun, second = [], threading.Event()

    def work(item):
        begun.append(item)
        if item == 1:
            second.set()
        return 2 * item

    with threads.shared_threads(CPU):
        results = threads.ahead(work, range(5))
        assert next(results) == 0
        assert number == 1 or second.wait(timeout=60)
        assert begun == ([0] if number == 1 else [0, 1])
        assert list(results) == [2, 4, 6, 8]
        assert list(threads.ahead(str, [])) == []
    assert begun == list(range(5))


@pytest.mark.parametrize("number", [1, 3])
def test_an_error_of_any_item_ends_the_work(number):
    torch.set_num_threads(number)
    begun = []

    def work(item):
        begun.append(item)
        if item == 4:
            raise ValueError("the fourth")
        time.sleep(0.02)

    with threads.shared_threads(CPU), pytest.raises(ValueError, match="the fourth"):
        threads.in_order(work, range(1000))
    assert len(begun) < 100


def test_models_have_threads_of_their_own_number():
    torch.set_num_threads(2)
    with threads.model_threads(3):
        assert torch.get_num_threads() == 1
        assert threads.shares(9, 1) == [slice(0, 9)]
        with threads.shared_threads(CPU), threads.shared_threads(CPU):
            assert threads.shares(9, 1) == [slice(0, 3), slice(3, 6), slice(6, 9)]
            assert threads.shares(9, 5) == [slice(0, 5), slice(5, 9)]
    assert torch.get_num_threads() == 2


def test_a_number_that_another_library_sets_does_not_reach_the_training():
    before = torch.get_num_threads()
    with threads.model_threads(1):
        torch.set_num_threads(2)  # as Numba does when it starts its threads
        with threads.shared_threads(CPU):
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("size", [3, 10, 64, 1003])
def test_adam_is_pytorchs_to_the_last_bit(size):
    generator = torch.Generator().manual_seed(size)
    start = torch.randn(size, generator=generator)
    parameter = torch.nn.Parameter(start.clone())
    adam = Adam([parameter], 0.01, maximise=True)
    first, second = torch.zeros(size), torch.zeros(size)
    for step in range(1, 5):
        gradient = torch.randn(size, generator=generator)
        parameter.grad = gradient.clone()
        adam.step()
        torch._fused_adam_(
            [start], [gradient.clamp(-1.0, 1.0)], [first], [second], [],
            [torch.full((), float(step))], lr=0.01, beta1=0.9, beta2=0.999, weight_decay=0.0,
            eps=1e-8 / (1.0 - 0.999**step) ** 0.5, amsgrad=False, maximize=True,
        )  # fmt: skip
        # The last bits of vector instructions differ between processors.
        torch.testing.assert_close(parameter.detach(), start, rtol=1e-6, atol=1e-8)
        if torch.backends.cpu.get_cpu_capability() == "AVX512":
            assert torch.equal(parameter.detach(), start)
            assert torch.equal(adam.moments[0][1], second)


def test_rows_that_never_had_a_gradient_stay_and_the_others_decay(cells):
    matrix, _ = cells
    counts = CountMatrix(matrix)
    layer = SparseDense(40, 5, torch.Generator().manual_seed(0))
    adam = Adam(layer.parameters(), 0.1, eager=True)
    start = layer.weight.detach().clone()
    layer.update = adam.row_update(layer.weight)
    seen = torch.zeros(40, dtype=torch.bool)
    for index in torch.split(torch.arange(12), 1):
        batch, before = counts.rows(index), layer.weight.detach().clone()
        seen[batch.gene] = True
        layer(batch).sum().backward()
        adam.step()
        assert torch.equal((layer.weight.detach() != before).any(1), seen)
    assert not seen.all()
    assert torch.equal(layer.weight.detach()[~seen], start[~seen])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_first_layers_are_pytorchs_embedding_bags(cells, dtype):
    matrix, _ = cells
    batch = CountMatrix(matrix, dtype=dtype).rows(torch.arange(0, 60, 2))
    layer = SparseDense(40, 9, torch.Generator().manual_seed(0)).to(dtype)
    ours = layer(batch)
    weight = layer.weight.detach().clone().requires_grad_()
    theirs = embedding_bag(
        batch.gene, weight, batch.offsets, mode="sum", per_sample_weights=batch.value
    )
    slope = torch.randn(30, 9, generator=torch.Generator().manual_seed(1), dtype=dtype)
    ours.backward(slope)
    theirs.backward(slope)
    tolerance = {"rtol": 1e-5 if dtype == torch.float32 else 1e-12, "atol": 1e-5}
    torch.testing.assert_close(ours, theirs, **tolerance)
    torch.testing.assert_close(layer.weight.grad, weight.grad, **tolerance)
    np.testing.assert_array_equal(batch.by_gene[0].numpy(), np.sort(batch.gene.numpy()))
    assert torch.equal(batch.gene[batch.by_gene[2]], batch.by_gene[0])
