import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy.stats import entropy

from deposited import read_study_counts
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import training
from latentcell.models.checkpoint import CheckpointStore, load, save
from latentcell.models.evaluation import components_used, inflated_mean, mixture_measures
from latentcell.models.networks import BatchNorm
from latentcell.models.optimiser import Adam
from latentcell.models.trained import restore, save_arguments
from latentcell.models.training import train
from latentcell.runtime.errors import InputError
from processors import needs_bfloat16

NAME = ModelName("gmvae", 3, 8)
FEW = {"epochs": 4, "batch_size": 16, "learning_rate": 3e-3, "device": "cpu"}


def run(cells, settings=None, seed=1, store=None, name=NAME, components=4):
    matrix, split = cells
    settings = VaeSettings(**FEW) if settings is None else settings
    return train(matrix, split, name, components, settings, seed, store)


def weights(trained):
    return trained.model.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_improves_the_bound_and_records_it(cells):
    trained = run(cells, VaeSettings(**FEW | {"epochs": 16, "learning_rate": 1e-2}))
    history = pd.DataFrame(trained.history)
    assert list(history.columns) == [
        "epoch", "split", "elbo", "enre", "kl_z", "kl_y", "components_used"
    ]  # fmt: skip
    assert history[history.split == "training"].epoch.tolist() == [1, 2, 3, 4, 5, 10, 15, 16]
    assert history[history.split == "validation"].epoch.tolist() == list(range(1, 17))
    np.testing.assert_allclose(history.elbo, history.enre - history.kl_z - history.kl_y)
    validation = history[history.split == "validation"].set_index("epoch").elbo
    assert validation.iloc[-1] > validation.iloc[0] + 1.0
    assert trained.best_epoch == validation.idxmax()
    assert trained.epochs_trained == 16


def test_elbos_of_training_cells_are_for_the_curve_alone(cells):
    each, some, none = (
        run(cells, VaeSettings(**FEW | {"epochs": 5, "training_elbo_every": every}))
        for every in (1, 2, None)
    )
    rows = pd.DataFrame(each.history)
    kept = (rows.split == "validation") | rows.epoch.isin([1, 2, 4, 5])
    assert (rows.split == "training").sum() == 5
    pd.testing.assert_frame_equal(pd.DataFrame(some.history), rows[kept].reset_index(drop=True))
    assert none.history == [row for row in each.history if row["split"] == "validation"]
    for other in (some, none):
        assert same(weights(each), weights(other))
        assert other.best_epoch == each.best_epoch


def test_same_seed_same_weights_another_seed_others(cells):
    first, again, other = run(cells), run(cells), run(cells, seed=2)
    assert same(weights(first), weights(again))
    assert first.history == again.history
    assert not same(weights(first), weights(other))


def test_test_cells_are_not_looked_at(cells):
    matrix, split = cells
    changed = matrix.toarray()
    changed[split == "test"] = 1000
    assert same(weights(run(cells)), weights(run((sp.csr_matrix(changed), split))))


def test_a_killed_training_ends_with_the_same_bytes(cells, tmp_path, monkeypatch):
    undisturbed = run(cells)
    store = CheckpointStore(tmp_path / "checkpoint.safetensors", "me", seconds=0.0)
    original = training.TrainingLoop.run_epoch

    def killed(loop, epoch):
        if epoch == 3:
            raise KeyboardInterrupt
        original(loop, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(training.TrainingLoop, "run_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            run(cells, store=store)
    epochs = []

    def counted(loop, epoch):
        epochs.append(epoch)
        original(loop, epoch)

    monkeypatch.setattr(training.TrainingLoop, "run_epoch", counted)
    resumed = run(cells, store=store)
    assert epochs == [3, 4]
    assert resumed.history == undisturbed.history
    # As columns of a table they are in the same order, too.
    assert list(map(list, resumed.history)) == list(map(list, undisturbed.history))
    for index, trained in enumerate((undisturbed, resumed)):
        save(tmp_path / f"{index}.safetensors", *save_arguments(trained))
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()
    store.remove()
    assert not store.path.exists()


def test_another_trainings_or_a_broken_checkpoint_is_not_used(tmp_path):
    store = CheckpointStore(tmp_path / "c.safetensors", "me")
    assert store.load() is None
    store.save({"a": torch.ones(2)}, {"epoch": 1})
    assert store.load().description["epoch"] == 1
    assert CheckpointStore(store.path, "you").load() is None
    store.path.write_bytes(store.path.read_bytes()[:20])
    assert store.load() is None


def test_stored_model_evaluates_the_same(cells, tmp_path):
    trained = run(cells)
    save(tmp_path / "model.safetensors", *save_arguments(trained))
    back = restore(*load(tmp_path / "model.safetensors"))
    one, other = trained.evaluate(cells[0]), back.evaluate(cells[0])
    np.testing.assert_array_equal(one.latent, other.latent)
    np.testing.assert_array_equal(one.elbo, other.elbo)
    assert (back.best_epoch, back.seed) == (trained.best_epoch, 1)
    assert one.latent.shape == (81, 3)
    np.testing.assert_allclose(one.q_y.sum(1), 1, rtol=1e-5)
    part = one.take(np.arange(81) < 5)
    assert len(part.elbo) == 5
    assert part.means()["elbo"] == pytest.approx(one.elbo[:5].mean())


def test_files_of_others_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(
        InputError, match=r"foreign\.safetensors: expected a model written by latentcell"
    ):
        load(tmp_path / "foreign.safetensors")
    with pytest.raises(
        InputError, match=r"text\.safetensors: expected a model written by latentcell"
    ):
        load(tmp_path / "text.safetensors")
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        load(tmp_path / "absent.safetensors")


def test_divergence_names_epoch_step_and_what_to_try(cells):
    matrix, split = cells
    huge = matrix.copy()
    huge.data[:] = 2**30
    settings = VaeSettings(**FEW | {"learning_rate": 1.0, "epochs": 60})
    broken = training.TrainingLoop(huge, split, NAME, 4, settings, 1)
    broken.model.decoder.bias.data[:] = float("nan")
    with pytest.raises(InputError, match=r"gmvae-z3-h8.*epoch 5, step 1.*learning rate below 1"):
        broken.run_epoch(5)


def test_validation_that_is_not_finite_stops_too(cells):
    matrix, split = cells
    loop = training.TrainingLoop(matrix, split, NAME, 4, VaeSettings(**FEW), 1)
    loop.model.decoder.bias.data[:] = float("nan")
    with pytest.raises(InputError, match="validation ELBO is not finite after epoch 7"):
        loop._evaluate(7)


def test_early_stopping_and_the_last_epochs_weights(cells):
    # A rate so small that nothing changes but the sampling noise: it stops by patience.
    still = FEW | {"learning_rate": 1e-12, "epochs": 50, "early_stopping": 2}
    stopped = run(cells, VaeSettings(**still))
    assert stopped.epochs_trained < 50
    assert stopped.epochs_trained - stopped.best_epoch == 2
    last = run(cells, VaeSettings(**FEW | {"keep": "last"}))
    assert last.best_epoch == 4


def test_warm_up_weighs_the_kl_terms(cells, monkeypatch):
    seen = []
    original = training.GMVAE.forward

    def spy(model, batch, generator, how, labels=None):
        if model.training:
            seen.append(how.kl_weight)
        return original(model, batch, generator, how, labels)

    monkeypatch.setattr(training.GMVAE, "forward", spy)
    run(cells, VaeSettings(**FEW | {"warm_up_epochs": 4, "epochs": 6}))
    assert [value for value, _ in itertools.groupby(seen)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_collapse_is_said_aloud(cells, capsys):
    run(cells, VaeSettings(**FEW | {"learning_rate": 1e-12, "epochs": 1}), components=2)
    quiet = capsys.readouterr().err
    loop = training.TrainingLoop(*cells, NAME, 4, VaeSettings(**FEW), 1)
    loop.model.q_y.logits.bias.data[0] = 100.0
    loop.run_epoch(1)
    loop.finish()
    assert "the mixture has collapsed" in capsys.readouterr().err
    assert "gmvae-z3-h8: 1 of 1" not in quiet or "nats per cell" in quiet


@pytest.mark.parametrize("kind", ["gmvae", "vae", "dca"])
@pytest.mark.parametrize("likelihood", ["negative-binomial", "poisson"])
def test_last_batch_of_one_cell_and_genes_modelled(cells, kind, likelihood):
    settings = VaeSettings(
        **FEW | {"unexpressed_genes": "modelled", "prune_below": 0.0, "output_bias": "zero"},
        likelihood=likelihood,
        hidden_layers=2,
    )
    assert (cells[1] == "training").sum() % settings.batch_size == 1
    trained = run(cells, settings, name=ModelName(kind, 3, 8))
    assert trained.model.shape.components == (4 if kind == "gmvae" else 1)
    assert trained.model.shape.genes == 40
    assert np.isfinite(trained.evaluate(cells[0]).elbo).all()


def test_bfloat16_is_refused_where_it_is_not_there(cells, monkeypatch):
    settings = VaeSettings(**FEW, precision="bfloat16")
    monkeypatch.setattr(training, "bfloat16_usable", lambda: False)
    with pytest.raises(InputError, match=r"vae.precision: bfloat16 needs a processor with AMX"):
        run(cells, settings)
    with pytest.raises(InputError, match=r"vae.precision: bfloat16 is for the CPU, found a CUDA"):
        training._require_precision("bfloat16", torch.device("cuda"))


@needs_bfloat16
def test_a_model_of_bfloat16_is_nearly_that_of_float32_and_evaluated_in_float32(cells, tmp_path):
    exact, rounded = (
        run(cells, VaeSettings(**FEW, precision=precision)) for precision in ("float32", "bfloat16")
    )
    assert not same(weights(exact), weights(rounded))
    assert rounded.history[-1]["elbo"] == pytest.approx(exact.history[-1]["elbo"], abs=0.01)
    save(tmp_path / "model.safetensors", *save_arguments(rounded))
    stored = load(tmp_path / "model.safetensors")
    back = restore(stored.tensors, stored.description)
    assert back.settings.precision == "bfloat16"
    matrix, _ = cells
    of_float32 = replace(rounded, settings=exact.settings).evaluate(matrix)
    np.testing.assert_array_equal(back.evaluate(matrix).elbo, of_float32.elbo)


def test_cuda_that_is_not_there_is_refused(cells, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"vae.device: expected a CUDA device"):
        run(cells, VaeSettings(**FEW | {"device": "cuda"}))
    assert run(cells, VaeSettings(**FEW | {"device": "auto", "epochs": 1})).epochs_trained == 1


def test_a_model_of_a_gpu_is_used_without_one(cells, monkeypatch):
    trained = run(cells, VaeSettings(**FEW | {"epochs": 1}))
    tensors, description = save_arguments(trained)
    description["settings"]["device"] = "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    back = restore(tensors, description)
    assert back.settings.device == "cuda"
    np.testing.assert_array_equal(back.evaluate(cells[0]).elbo, trained.evaluate(cells[0]).elbo)


def test_too_little_memory_of_a_gpu_is_said_in_a_sentence(cells, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(training.TrainingLoop, "run_epoch", full)
    said = r"gmvae-z3-h8: expected room on the GPU for steps of 16 cells, .*vae.device: cpu"
    with pytest.raises(InputError, match=said):
        run(cells)


def test_inflated_mean_is_scvaes():
    values = np.arange(260.0)
    batches = [values[:100].mean(), values[100:200].mean(), values[200:].mean()]
    assert inflated_mean(values, 100) == pytest.approx(sum(batches) / 2.6)
    assert inflated_mean(np.full(260, -5.0), 100) == pytest.approx(-5 * 3 / 2.6)
    assert inflated_mean(values[:200], 100) == pytest.approx(values[:200].mean())


def test_components_used_leaves_out_the_nearly_empty():
    assert components_used(np.array([0] * 500 + [1] * 6 + [2] * 3)) == 2


def test_adam_is_tensorflows():
    start = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    parameter = torch.nn.Parameter(start.clone())
    adam = Adam([parameter], 0.1)
    value, m, v = start.clone(), torch.zeros(3).double(), torch.zeros(3).double()
    for step in range(1, 6):
        gradient = torch.tensor([1e-9, 0.3, 5.0], dtype=torch.float64) * step
        parameter.grad = gradient.clone()
        adam.step()
        clipped = gradient.clamp(-1, 1)
        m, v = 0.9 * m + 0.1 * clipped, 0.999 * v + 0.001 * clipped**2
        rate = 0.1 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        value = value - rate * m / (v.sqrt() + 1e-8)
        torch.testing.assert_close(parameter.detach(), value, rtol=1e-10, atol=1e-12)
    assert parameter.grad is None


def test_eager_updates_are_the_same_numbers():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(5, 4, generator=generator)

    def trained(eager):
        first = torch.nn.Parameter(torch.full((4, 3), 0.3))
        second = torch.nn.Parameter(torch.full((3,), -0.2))
        adam = Adam([first, second], 0.1, maximise=True, eager=eager)
        for step in range(4):
            adam.learning_rate = 0.1 / (1 + step)
            # The second is used twice: its gradient is complete after the later use alone.
            (-((torch.tanh(data @ first) * second + second) ** 2).sum()).backward()
            adam.step()
        assert first.grad is None
        return first.detach(), second.detach(), adam.state()

    (first, second, state), (eager_first, eager_second, eager_state) = trained(False), trained(True)
    assert torch.equal(first, eager_first)
    assert torch.equal(second, eager_second)
    assert same(state, eager_state)


def test_batch_norm_updates_once_per_cluster():
    x = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm, one_by_one = BatchNorm(4, 0.1).double(), BatchNorm(4, 0.1).double()
    out = norm(x)
    for k in range(3):
        torch.testing.assert_close(out[:, k], one_by_one(x[:, k]))
    torch.testing.assert_close(norm.mean, one_by_one.mean)
    torch.testing.assert_close(norm.variance, one_by_one.variance)
    assert not torch.allclose(norm.variance, torch.ones(4, dtype=torch.float64))


@pytest.fixture(scope="module")
def study_cells():
    folder = os.environ.get("LATENTCELL_DATA")
    if not folder:
        pytest.skip("LATENTCELL_DATA does not name the folder of the deposited cells")
    path = Path(folder) / "pbmc68k_study/subset1300_counts.tsv.gz"
    counts = read_study_counts(path, 1300).astype(np.int32)
    order = np.random.RandomState(42).permutation(1300)
    split = np.full(1300, "test", dtype=object)
    split[order[:832]], split[order[832:1040]] = "training", "validation"
    return counts, split.astype(str)


@pytest.mark.study
def test_biases_from_the_means_beat_the_published_models_on_the_deposited_cells(study_cells):
    settings = VaeSettings(epochs=1, training_elbo_every=None)
    trained = run(study_cells, settings, name=ModelName("gmvae", 10, 100), components=11)
    matrix, split = study_cells
    assert trained.evaluate(matrix[split == "test"]).means()["elbo"] > -2050


@pytest.mark.study
def test_zero_biases_start_where_scvae_starts_on_the_deposited_cells(study_cells):
    settings = VaeSettings(
        epochs=1,
        output_bias="zero",
        unexpressed_genes="modelled",
        prune_below=0.0,
        training_elbo_every=None,
    )
    trained = run(study_cells, settings, name=ModelName("gmvae", 10, 100), components=11)
    validation = trained.history[-1]["elbo"]
    assert validation < -15000
    # scVAE itself: -33,224 as it reports, a true mean of -23,035.
    assert validation == pytest.approx(-23035, rel=0.02)


def test_only_the_genes_that_are_chosen_have_weights(cells):
    matrix, split = cells[0], cells[1]
    genes = np.arange(matrix.shape[1]) % 3 == 0
    settings = VaeSettings(**FEW)
    trained = train(matrix, split, ModelName("gmvae", 2, 8), 3, settings, 1, genes=genes)
    assert trained.inputs.genes.modelled.any()
    assert not (trained.inputs.genes.modelled & ~genes).any()
    other = matrix.copy()
    other.data[~genes[other.indices]] += 1
    # Not even latents of new cells know the others; the bound is over all genes.
    one, two = trained.evaluate(matrix), trained.evaluate(other)
    np.testing.assert_array_equal(one.latent, two.latent)
    assert (one.elbo != two.elbo).all()


def test_mixture_measures_are_entropies():
    rng = np.random.default_rng(2)
    q_y = rng.dirichlet([0.2] * 5, 400)
    found = mixture_measures(q_y.astype(np.float32))
    marginal, own = entropy(q_y.mean(0)), entropy(q_y, axis=1).mean()
    assert found["perplexity"] == pytest.approx(np.exp(marginal), rel=1e-5)
    assert found["mutual_information"] == pytest.approx(marginal - own, rel=1e-5)
    assert found["components_above_half"] == 5
    # A mixture that no cell tells apart has no information, though its perplexity is K.
    same = mixture_measures(np.full((10, 4), 0.25))
    assert same["perplexity"] == pytest.approx(4)
    assert same["mutual_information"] == pytest.approx(0, abs=1e-12)
    assert same["components_above_half"] == 0
    assert mixture_measures(np.empty((0, 4)))["perplexity"] is None
