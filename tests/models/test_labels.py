"""Semi-supervised training: which cells show their labels, and what comes of it."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings, parse_settings
from latentcell.models import training
from latentcell.models.checkpoint import CheckpointStore, load, save
from latentcell.models.labels import UNKNOWN, Labels, labelled_cells
from latentcell.models.trained import restore, save_arguments
from latentcell.models.training import train
from latentcell.runtime.errors import InputError

NAME = ModelName("gmvae", 2, 8)
FEW = {
    "epochs": 4,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "batch_norm_momentum": 0.1,
    "device": "cpu",
}
TYPES = np.array(["B", "NK", "T"])


@pytest.fixture(scope="module")
def population():
    """Cells of three types that are easily told apart, their types, and a split of them."""
    rng = np.random.default_rng(3)
    codes = rng.permutation(np.repeat([0, 1, 2], [100, 60, 20]))
    rates = rng.gamma(0.3, 3.0, (3, 50))
    split = np.array(["training"] * 120 + ["validation"] * 20 + ["test"] * 40)
    return sp.csr_matrix(rng.poisson(rates[codes]).astype(np.int32)), split, TYPES[codes]


def run(population, seed=1, store=None, name=NAME, components=3, **settings):
    matrix, split, types = population
    chosen = VaeSettings(**FEW | settings)
    return train(matrix, split, name, components, chosen, seed, store, cell_types=types)


def bytes_of(trained, path):
    save(path, *save_arguments(trained))
    return path.read_bytes()


def test_labelled_cells_are_a_share_of_each_type_and_at_least_one():
    types = np.repeat(["a", "b", "c"], [200, 40, 3])
    candidates = np.flatnonzero(np.arange(243) % 2 == 0)
    numbers = {kind: int((types[candidates] == kind).sum()) for kind in "abc"}
    last: set[int] = set()
    for share in (0.01, 0.05, 0.1, 0.5, 1.0):
        chosen = labelled_cells(types, candidates, share, 4)
        assert set(chosen) <= set(candidates)
        assert len(set(chosen)) == len(chosen)
        for kind, number in numbers.items():
            expected = max(1, round(share * number))
            assert (types[chosen] == kind).sum() == expected
        assert last <= set(chosen)
        last = set(chosen)
    assert last == set(candidates)
    assert len(labelled_cells(types, candidates, 0.0, 4)) == 0
    half = labelled_cells(types, candidates, 0.5, 4)
    np.testing.assert_array_equal(half, labelled_cells(types, candidates, 0.5, 4))
    assert not np.array_equal(half, labelled_cells(types, candidates, 0.5, 5))


def test_labels_are_of_training_cells_and_accuracy_of_validation_cells_too(population):
    _, split, types = population
    labels = Labels.choose(types, split, 3, 0.1, 1)
    assert labels.types == ("B", "NK", "T")
    assert set(split[labels.cells]) == {"training"}
    np.testing.assert_array_equal(TYPES[labels.shown[labels.cells]], types[labels.cells])
    assert (labels.judged[split == "test"] == UNKNOWN).all()
    training, validation = (np.flatnonzero(split == part) for part in ("training", "validation"))
    truth = np.searchsorted(TYPES, types)
    assert labels.accuracy(truth[validation], validation) == 1.0
    wrong = (truth + np.isin(np.arange(len(types)), labels.cells[:3])) % 3
    assert labels.accuracy(wrong[training], training) == pytest.approx(1 - 3 / len(labels.cells))


def test_without_labels_nothing_is_different(population, tmp_path):
    matrix, split, _ = population
    plain = train(matrix, split, NAME, 3, VaeSettings(**FEW), 1)
    given = run(population, labelled_share=0.0, label_weight=7.0)
    assert bytes_of(plain, tmp_path / "a") == bytes_of(given, tmp_path / "b")
    assert plain.history == given.history
    assert "accuracy" not in plain.history[0]
    assert (plain.types, len(plain.labelled)) == ((), 0)
    labelled = run(population, labelled_share=0.1)
    assert bytes_of(labelled, tmp_path / "c") != bytes_of(plain, tmp_path / "a")


def test_a_vae_has_no_use_for_labels(population):
    name = ModelName("vae", 2, 8)
    plain, labelled = (run(population, name=name, labelled_share=share) for share in (0.0, 0.5))
    assert plain.history == labelled.history
    assert labelled.types == ()


@pytest.mark.parametrize("names", [[0, 1, 2], [1, 2, 0]])
def test_a_few_labels_name_the_components(population, names):
    """One or a few labels of each type are enough, whatever the types are called."""
    matrix, split, types = population
    renamed = TYPES[np.array(names)[np.searchsorted(TYPES, types)]]
    trained = run(
        (matrix, split, renamed),
        labelled_share=0.05,
        normalisation="batch-before-cluster",
        encoder_input="log",
        epochs=40,
    )
    assert len(trained.labelled) == 6
    evaluation = trained.evaluate(matrix)
    right = np.array(trained.types)[evaluation.clusters] == renamed
    for part in ("training", "validation", "test"):
        assert right[split == part].mean() > 0.9, part
    validation = [row["accuracy"] for row in trained.history if row["split"] == "validation"]
    assert max(validation) > 0.9
    training = [row["accuracy"] for row in trained.history if row["split"] == "training"]
    assert training[-1] == 1.0


@pytest.mark.parametrize("prior", ["uniform", "inferred"])
def test_labels_that_are_not_shown_do_not_reach_the_training(population, prior, tmp_path):
    matrix, split, types = population
    settings = {"labelled_share": 0.2, "cluster_prior": prior}
    first = run(population, **settings)
    hidden = np.setdiff1d(np.arange(len(types)), first.labelled)
    # Exchanged within a split and type alone, or the drawing itself would be another.
    others = types.copy()
    for part in ("validation", "test"):
        rows = hidden[split[hidden] == part]
        others[rows] = types[rows][::-1]
    again = run((matrix, split, others), **settings)
    assert bytes_of(first, tmp_path / "a") == bytes_of(again, tmp_path / "b")
    elbo = [row["elbo"] for row in first.history]
    assert elbo == [row["elbo"] for row in again.history]


def test_unlabelled_training_cells_are_not_looked_at(population, tmp_path, monkeypatch):
    """The same cells labelled, and all other training cells of another type."""
    matrix, split, types = population
    settings = {"labelled_share": 0.2, "cluster_prior": "inferred"}
    first = run(population, **settings)
    cells = first.labelled
    monkeypatch.setattr("latentcell.models.labels.labelled_cells", lambda *_: cells)
    others = types.copy()
    hidden = np.setdiff1d(np.flatnonzero(split == "training"), cells)
    others[hidden] = "T"
    again = run((matrix, split, others), **settings)
    assert bytes_of(first, tmp_path / "a") == bytes_of(again, tmp_path / "b")
    assert first.history == again.history


def test_a_killed_training_with_labels_ends_with_the_same_bytes(population, tmp_path, monkeypatch):
    undisturbed = run(population, labelled_share=0.3)
    store = CheckpointStore(tmp_path / "checkpoint.safetensors", "me", seconds=0.0)
    original, epochs = training.TrainingLoop.run_epoch, []

    def killed(loop, epoch):
        epochs.append(epoch)
        if epoch == 3 and epochs.count(3) == 1:
            raise KeyboardInterrupt
        original(loop, epoch)

    monkeypatch.setattr(training.TrainingLoop, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(population, store=store, labelled_share=0.3)
    resumed = run(population, store=store, labelled_share=0.3)
    assert epochs == [1, 2, 3, 3, 4]
    assert resumed.history == undisturbed.history
    assert bytes_of(resumed, tmp_path / "a") == bytes_of(undisturbed, tmp_path / "b")


def test_a_stored_model_knows_its_types_and_labelled_cells(population, tmp_path):
    trained = run(population, labelled_share=0.3)
    save(tmp_path / "model.safetensors", *save_arguments(trained))
    back = restore(*load(tmp_path / "model.safetensors"))
    assert back.types == trained.types == ("B", "NK", "T")
    np.testing.assert_array_equal(back.labelled, trained.labelled)
    one, other = trained.evaluate(population[0]), back.evaluate(population[0])
    np.testing.assert_array_equal(one.q_y, other.q_y)


def test_few_labels_weigh_together_as_much_as_many(population, monkeypatch):
    weights = {}
    for share in (0.1, 1.0):
        loop = training.TrainingLoop(
            population[0], population[1], NAME, 3,
            VaeSettings(**FEW, labelled_share=share, label_weight=20.0), 1, None, population[2],
        )  # fmt: skip
        weights[share] = loop._label_weight() * len(loop.labels.cells)
    assert weights[0.1] == pytest.approx(20.0 * 120)
    assert weights[1.0] == pytest.approx(20.0 * 120)


def test_labels_of_a_step_go_to_the_device_without_waiting_for_it(population, monkeypatch):
    to, waits = torch.Tensor.to, []

    def recorded(tensor, *place, **how):
        if tensor.dtype == torch.int64 and isinstance(place[0], torch.device):
            waits.append(not how.get("non_blocking", False))
        return to(tensor, *place, **how)

    monkeypatch.setattr(torch.Tensor, "to", recorded)
    run(population, epochs=1, labelled_share=0.3)
    assert waits == [False] * 8


def test_labels_need_a_component_for_each_type(population):
    matrix, split, _ = population
    with pytest.raises(
        InputError, match=r"vae: labelled_share needs components: labels, found .*5"
    ):
        parse_settings({"vae": {"labelled_share": 0.1, "components": 5}})
    with pytest.raises(InputError, match=r"labelled_share: .*found 1\.5"):
        parse_settings({"vae": {"labelled_share": 1.5}})
    with pytest.raises(InputError, match="expected 4 cell types, one for each component, found 3"):
        run(population, components=4, labelled_share=0.1)
    settings = VaeSettings(**FEW, labelled_share=0.1)
    with pytest.raises(InputError, match="labelled_share: expected cell types, found none"):
        train(matrix, split, NAME, 3, settings, 1)
