import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from safetensors.numpy import save_file
from torch import nn

from latentcell.classify import network as network_module
from latentcell.classify.ffnn import Task, train_ffnn, train_ffnn_many
from latentcell.classify.network import Network, as_csr, load_ffnn
from latentcell.config.settings import FfnnSettings
from latentcell.models.packed import PackedCounts
from latentcell.runtime.errors import InputError

CLASSES = ["B", "NK", "T"]
OPTIMISERS = ["lazy-adam", "adam"]
LOSSES = ["logits", "double-softmax"]


def make_cells(cells=70, genes=45, seed=0):
    """Sparse counts of three types, codes and a split; the last genes are in no training cell."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=cells)
    means = rng.gamma(0.2, size=(3, genes)) * 3
    counts = rng.poisson(means[codes])
    split = np.array(["training", "validation", "test"])[rng.choice(3, cells, p=[0.7, 0.15, 0.15])]
    counts[split == "training", -5:] = 0
    counts[split != "training", -5:] = 3
    return sp.csr_matrix(counts.astype(np.int32)), codes, split


def settings(**changes):
    values = {"hidden_units": 12, "epochs": 6, "batch_size": 7, "keep": "last"}
    return FfnnSettings(**(values | changes))


def train(cells=None, seed=5, progress=None, **changes):
    features, codes, split = cells or make_cells()
    return train_ffnn(
        features, codes, split, CLASSES, settings(**changes), seed=seed, progress=progress
    )


def plain_pytorch(features, codes, split, chosen, seed, order):
    """Train the same network on all genes by plain PyTorch; return losses per epoch and weights."""
    start = Network.initial(features.shape[1], chosen.hidden_units, len(CLASSES), seed)
    hidden = nn.Linear(features.shape[1], chosen.hidden_units)
    output = nn.Linear(chosen.hidden_units, len(CLASSES))
    for layer, weight in ((hidden, start.first), (output, start.second)):
        layer.weight.data = torch.tensor(weight)
        nn.init.zeros_(layer.bias)
    model = nn.Sequential(hidden, nn.ReLU(), output)
    if chosen.loss == "double-softmax":
        model.append(nn.Softmax(dim=1))
    adam = torch.optim.Adam(model.parameters(), lr=chosen.learning_rate)
    x = torch.tensor(features.toarray(), dtype=torch.float32)
    y = torch.tensor(codes)
    losses = []
    for epoch in range(1, chosen.epochs + 1):
        for batch in torch.as_tensor(order(epoch)).split(chosen.batch_size):
            adam.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            adam.step()
        with torch.no_grad():
            for name in ("training", "validation"):
                mask = torch.as_tensor(split == name)
                losses.append(nn.functional.cross_entropy(model(x[mask]), y[mask]).item())
    logits = nn.Sequential(*list(model)[:3])
    with torch.no_grad():
        return losses, model, logits(x).softmax(1).numpy()


def assert_same_network(ffnn, model, tolerance):
    weights = ffnn.network
    for mine, theirs in (
        (weights.first, model[0].weight),
        (weights.first_bias, model[0].bias),
        (weights.second, model[2].weight),
        (weights.second_bias, model[2].bias),
    ):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rate", [1e-4, 1e-2])
def test_equals_plain_pytorch(optimiser, loss, rate):
    cells = make_cells()
    chosen = settings(loss=loss, learning_rate=rate, epochs=8)
    training = np.flatnonzero(cells[2] == "training")
    losses, model, probabilities = plain_pytorch(
        *cells, chosen, 5, lambda epoch: np.random.default_rng([5, epoch]).permutation(training)
    )
    result = train(cells, optimiser=optimiser, loss=loss, learning_rate=rate, epochs=8)
    np.testing.assert_allclose([row["loss"] for row in result.history], losses, atol=1e-5)
    np.testing.assert_allclose(result.probabilities, probabilities, atol=1e-5)
    assert_same_network(result.ffnn, model, 1e-5)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_file_order_without_the_last_batch(optimiser):
    cells = make_cells()
    training = np.flatnonzero(cells[2] == "training")
    assert len(training) % 7, "an incomplete batch is what this is about"
    whole = training[: len(training) // 7 * 7]
    _, model, _ = plain_pytorch(*cells, settings(), 5, lambda _: whole)
    result = train(cells, optimiser=optimiser, shuffle=False, drop_last=True)
    assert_same_network(result.ffnn, model, 1e-5)


def test_windows_make_no_difference(monkeypatch):
    whole = train(learning_rate=1e-3)
    monkeypatch.setattr("latentcell.classify.kernels.WINDOW", 2)
    parts = train(learning_rate=1e-3)
    np.testing.assert_allclose(parts.ffnn.network.first, whole.ffnn.network.first, atol=1e-6)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_learns_the_types(optimiser, loss):
    result = train(optimiser=optimiser, loss=loss, learning_rate=1e-2, epochs=20)
    last = [row for row in result.history if row["split"] == "training"][-1]
    assert last["accuracy"] > 0.95
    assert last["loss"] < result.history[0]["loss"]


def test_double_softmax_keeps_the_loss_up():
    # A softmax output of at most 1 as logits: no loss below log(1 + 2 / e).
    result = train(loss="double-softmax", learning_rate=1e-2, epochs=20)
    losses = [row["loss"] for row in result.history]
    assert min(losses) > np.log(1 + 2 / np.e)
    assert min(losses) < np.log(1 + 2 / np.e) + 0.1


def test_same_seed_same_bits_whatever_the_threads():
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(train())
    finally:
        torch.set_num_threads(threads)
    first, second = results
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.ffnn.network.first, second.ffnn.network.first)
    assert first.history == second.history


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_seeds_differ(optimiser):
    one, same, other = (train(seed=seed, optimiser=optimiser) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.probabilities, same.probabilities)
    assert abs(one.probabilities - other.probabilities).max() > 1e-3


def test_genes_without_training_cells_keep_their_first_weights():
    features, codes, split = make_cells()
    result = train((features, codes, split))
    initial = Network.initial(features.shape[1], 12, 3, seed=5)
    np.testing.assert_array_equal(result.ffnn.network.first[:, -5:], initial.first[:, -5:])
    assert (result.ffnn.network.first[:, 0] != initial.first[:, 0]).any()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_dense_and_sparse_features_are_the_same(optimiser):
    features, codes, split = make_cells()
    dense = features.toarray().astype(np.float32)
    np.testing.assert_array_equal(
        train((dense, codes, split), optimiser=optimiser).probabilities,
        train((features, codes, split), optimiser=optimiser).probabilities,
    )


def test_explicit_zeros_are_no_counts():
    features, codes, split = make_cells()
    padded = features.tocoo()
    row = np.flatnonzero(split == "training")[:1]
    padded = sp.csr_matrix(
        (
            np.append(padded.data, 0),
            (np.append(padded.row, row), np.append(padded.col, features.shape[1] - 1)),
        ),
        shape=features.shape,
    )
    assert padded.nnz == features.nnz + 1
    np.testing.assert_array_equal(
        train((padded, codes, split)).probabilities, train().probabilities
    )


def test_duplicates_add_up_and_the_features_are_left_alone():
    features, codes, split = make_cells()
    half = features.astype(np.float32)
    half.data /= 2
    doubled = sp.csr_matrix(
        (half.data.repeat(2), half.indices.repeat(2), half.indptr * 2), shape=half.shape
    )
    before = doubled.data.copy(), doubled.indices.copy()
    result = train((doubled, codes, split))
    np.testing.assert_array_equal(result.probabilities, train().probabilities)
    np.testing.assert_array_equal(before, (doubled.data, doubled.indices))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_last_batch_of_one_cell(optimiser):
    features, codes, split = make_cells(15)
    split[:] = "training"
    split[-1] = "test"
    # 14 cells in batches of 13.
    result = train((features, codes, split), optimiser=optimiser, batch_size=13)
    assert np.isfinite(result.probabilities).all()
    assert {row["split"] for row in result.history} == {"training"}


def test_keeps_the_earliest_best_epoch():
    result = train(keep="best-validation", epochs=15, learning_rate=1e-3)
    accuracies = [row["accuracy"] for row in result.history if row["split"] == "validation"]
    assert result.best_epoch == 1 + int(np.argmax(accuracies))
    assert accuracies.count(max(accuracies)) > 1, "no tie: nothing tested"
    short = train(epochs=result.best_epoch, learning_rate=1e-3)
    np.testing.assert_array_equal(result.probabilities, short.probabilities)
    assert (short.best_epoch, result.epochs_trained) == (result.best_epoch, 15)


def test_early_stopping_ends_after_epochs_without_a_better_accuracy():
    chosen = {"keep": "best-validation", "epochs": 40, "learning_rate": 1e-3}
    longest = train(**chosen)
    accuracies = [row["accuracy"] for row in longest.history if row["split"] == "validation"]
    for patience in (1, 3, 10):
        stopped = train(early_stopping=patience, **chosen)
        best, epochs = stopped.best_epoch, stopped.epochs_trained
        assert epochs == min(best + patience, 40)
        assert best == 1 + int(np.argmax(accuracies[:epochs]))
        assert stopped.history[-1]["epoch"] == epochs
        # Until the end it is the longer training.
        assert stopped.history == longest.history[: len(stopped.history)]
        short = train(**chosen | {"epochs": epochs})
        np.testing.assert_array_equal(stopped.probabilities, short.probabilities)
    assert epochs < 40, "never stopped: nothing tested"


def test_early_stopping_needs_an_epoch_to_return_to():
    with pytest.raises(ValueError, match="early_stopping needs keep: best-validation, found keep"):
        settings(keep="last", early_stopping=3)


def test_history_and_progress():
    seen = []
    result = train(progress=lambda epoch, rows: seen.append((epoch, rows)))
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert [row for _, rows in seen for row in rows] == result.history
    assert [row["split"] for row in result.history[:2]] == ["training", "validation"]
    assert list(pd.DataFrame(result.history)) == ["epoch", "split", "loss", "accuracy"]
    features, codes, split = make_cells()
    mine = result.ffnn.predict(features)[split == "validation"]
    truth = codes[split == "validation"]
    assert result.history[-1]["accuracy"] == pytest.approx((mine.argmax(1) == truth).mean())
    expected = -np.log(mine[np.arange(len(truth)), truth]).mean()
    assert result.history[-1]["loss"] == pytest.approx(expected, rel=1e-5)


def test_probabilities_are_those_of_predict_chunk_by_chunk(monkeypatch):
    features, *_ = make_cells()
    result = train()
    np.testing.assert_allclose(result.probabilities.sum(1), 1, rtol=1e-5)
    monkeypatch.setattr(network_module, "_CHUNK", 11)
    np.testing.assert_array_equal(result.ffnn.predict(features), result.probabilities)


def test_file_gives_back_the_same(tmp_path):
    features, *_ = make_cells()
    result = train(loss="double-softmax")
    for name in ("a", "b"):
        result.ffnn.save(tmp_path / name / "model.safetensors")
    loaded = load_ffnn(tmp_path / "a" / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(features), result.probabilities)
    assert loaded.settings == settings(loss="double-softmax")
    assert (loaded.classes, loaded.seed, loaded.epoch) == (CLASSES, 5, 6)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert one == two


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_refuses_other_files(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors: expected a classifier"):
        load_ffnn(path)


def test_refuses_another_format(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"x": np.zeros(1)}, path, metadata={"latentcell": '{"format": "other"}'})
    with pytest.raises(InputError, match="found: the format 'other'"):
        load_ffnn(path)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_loss_that_is_not_finite_stops(optimiser):
    features, codes, split = make_cells()
    huge = features.toarray().astype(np.float32)
    huge[np.flatnonzero(split == "training")[9]] = 3e38
    with pytest.raises(
        InputError, match=r"not finite in epoch 1, step 2: try an ffnn\.learning_rate below 0\.0001"
    ):
        train((huge, codes, split), optimiser=optimiser, shuffle=False)


def test_a_loss_that_is_not_finite_in_validation_stops():
    features, codes, split = make_cells()
    huge = features.toarray().astype(np.float32)
    huge[split == "validation"] = 3e38
    with pytest.raises(InputError, match="epoch 1, after its last step, validation cells"):
        train((huge, codes, split))


def test_refuses_what_does_not_fit():
    features, codes, split = make_cells()
    with pytest.raises(InputError, match="code and a split for each of 70 cells"):
        train((features, codes[:-1], split))
    with pytest.raises(InputError, match="whole numbers as codes, found float64"):
        train((features, codes.astype(float), split))
    with pytest.raises(InputError, match="codes from 0 to 2, found -1"):
        train((features, np.where(codes == 1, -1, codes), split))
    with pytest.raises(InputError, match="found 'train'"):
        train((features, codes, np.where(split == "training", "train", split)))
    with pytest.raises(InputError, match="expected cells x columns"):
        train((np.zeros(70), codes, split))
    dense = features.toarray().astype(np.float32)
    dense[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        train((dense, codes, split))
    with pytest.raises(InputError, match="expects 45 columns, found 44"):
        train().ffnn.predict(features[:, :44])


def test_refuses_splits_that_are_too_small():
    features, codes, split = make_cells()
    no_validation = np.where(split == "validation", "test", split)
    with pytest.raises(InputError, match="best-validation needs validation cells"):
        train((features, codes, no_validation), keep="best-validation")
    with pytest.raises(InputError, match="at least 1 training cells"):
        train((features, codes, np.where(split == "training", "test", split)))
    with pytest.raises(InputError, match="at least 60 training cells"):
        train((features, codes, split), drop_last=True, batch_size=60)


def test_refuses_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="PyTorch finds no CUDA device"):
        train(device="cuda")
    np.testing.assert_array_equal(train(device="auto").probabilities, train().probabilities)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", LOSSES)
def test_cuda_gives_nearly_the_same(loss):
    result = train(device="cuda", loss=loss)
    np.testing.assert_allclose(result.probabilities, train(loss=loss).probabilities, atol=1e-4)


@pytest.mark.study
def test_accuracy_on_the_deposited_scores():
    folder = os.environ.get("LATENTCELL_DATA")
    if not folder:
        pytest.skip("LATENTCELL_DATA does not say where the deposited data lie")
    study = Path(folder) / "pbmc68k_study"
    scores = pd.read_csv(study / "pca_scores" / "subset1300_pca10.tsv.gz", sep="\t", index_col=0)
    types = pd.read_csv(study / "subset1300_celltypes.tsv", sep="\t")["celltype"][:1300]
    types = types.astype("category")
    accuracies = []
    for seed in range(3):
        split = np.repeat(["training", "validation", "test"], [1040, 130, 130])
        split = np.random.default_rng(seed).permutation(split)
        result = train_ffnn(
            scores.to_numpy(np.float32), types.cat.codes, split, list(types.cat.categories),
            FfnnSettings(loss="double-softmax", keep="last", shuffle=False, drop_last=True),
            seed=seed,
        )  # fmt: skip
        right = result.probabilities.argmax(1) == types.cat.codes
        accuracies.append(right[split == "test"].mean())
    # Measured elsewhere with plain PyTorch: 0.602, sd 0.04 over splits.
    assert np.mean(accuracies) == pytest.approx(0.602, abs=0.07)


def test_initial_weights_are_xaviers_and_the_seeds():
    start = Network.initial(900, 400, 7, seed=3)
    assert start.first.dtype == start.second.dtype == np.float32
    assert start.first.std() == pytest.approx((2 / 1300) ** 0.5, rel=0.01)
    assert start.second.std() == pytest.approx((2 / 407) ** 0.5, rel=0.05)
    assert not start.first_bias.any()
    assert not start.second_bias.any()
    again, other = (Network.initial(900, 400, 7, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(start.first, again.first)
    assert not np.array_equal(start.first, other.first)


def many_tasks():
    """Networks that differ in cells, features, classes and numbers of minibatches."""
    tasks = []
    for seed, cells in ((0, 70), (1, 83), (2, 61)):
        features, codes, split = make_cells(cells, seed=seed)
        classes = CLASSES if seed != 1 else [*CLASSES, "absent"]
        tasks.append(Task(features, codes, split, classes, 5 + seed))
    steps = {-(-int((task.split == "training").sum()) // 7) for task in tasks}
    assert len(steps) > 1, "the same number of steps in all: nothing tested"
    return tasks


def one_by_one(tasks, chosen):
    return [
        train_ffnn(task.features, task.codes, task.split, task.classes, chosen, seed=task.seed)
        for task in tasks
    ]


def assert_same_results(many, single):
    for mine, theirs in zip(many, single, strict=True):
        assert mine.ffnn.classes == theirs.ffnn.classes
        assert mine.best_epoch == theirs.best_epoch
        for layer in ("first", "first_bias", "second", "second_bias"):
            one, other = (getattr(result.ffnn.network, layer) for result in (mine, theirs))
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mine.probabilities.argmax(1), theirs.probabilities.argmax(1))
        a, b = pd.DataFrame(mine.history), pd.DataFrame(theirs.history)
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
        pd.testing.assert_frame_equal(a.drop(columns="loss"), b.drop(columns="loss"))


@pytest.mark.parametrize("changes", [{}, {"keep": "best-validation"}, {"drop_last": True}])
@pytest.mark.parametrize("loss", LOSSES)
def test_many_at_once_are_as_each_alone(loss, changes):
    tasks = many_tasks()
    chosen = settings(loss=loss, optimiser="adam", learning_rate=1e-3, **changes)
    assert_same_results(train_ffnn_many(tasks, chosen, stacked=True), one_by_one(tasks, chosen))


def test_many_at_once_stop_each_at_its_own_epoch():
    tasks = many_tasks()
    chosen = settings(
        optimiser="adam", learning_rate=1e-3, keep="best-validation", epochs=40, early_stopping=3
    )
    many, single = train_ffnn_many(tasks, chosen, stacked=True), one_by_one(tasks, chosen)
    assert_same_results(many, single)
    ends = [result.epochs_trained for result in many]
    assert ends == [result.epochs_trained for result in single]
    assert len(set(ends)) > 1, "all stopped at once: nothing tested"


def test_many_on_the_cpu_are_trained_one_by_one():
    tasks = many_tasks()
    for mine, theirs in zip(
        train_ffnn_many(tasks, settings()), one_by_one(tasks, settings()), strict=True
    ):
        np.testing.assert_array_equal(mine.probabilities, theirs.probabilities)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", LOSSES)
def test_many_on_cuda_are_as_each_on_the_cpu(loss):
    tasks = many_tasks()
    chosen = {"loss": loss, "optimiser": "adam", "learning_rate": 1e-3}
    many = train_ffnn_many(tasks, settings(device="cuda", **chosen))
    assert_same_results(many, one_by_one(tasks, settings(**chosen)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_an_epoch_on_cuda_does_not_wait_for_the_device():
    from latentcell.classify.dense import Stack

    features, codes, _ = make_cells()
    start = Network.initial(features.shape[1], 12, 3, seed=1)
    chosen = settings(device="cuda")
    stack = Stack([as_csr(features)] * 2, [codes] * 2, [start] * 2, chosen, "cuda")
    found = []
    torch.cuda.set_sync_debug_mode("warn")
    try:
        for cells in (7, 70):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                stack.train([np.arange(cells)] * 2)
            found.append(len(caught))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    # The device is synchronised before the first or after the last step, whatever their number.
    one_step, ten_steps = found
    assert one_step == ten_steps


@pytest.mark.parametrize("stacked", [False, True])
def test_a_network_that_fails_leaves_the_others_alone(stacked):
    tasks = many_tasks()
    huge = tasks[1].features.toarray().astype(np.float32)
    huge[np.flatnonzero(tasks[1].split == "training")[0]] = 3e38
    broken = [tasks[0], replace(tasks[1], features=huge), tasks[2]]
    chosen = settings(optimiser="adam")
    first, failure, last = train_ffnn_many(broken, chosen, stacked=stacked)
    assert isinstance(failure, InputError)
    assert "not finite in epoch 1" in str(failure)
    whole = one_by_one(tasks, chosen)
    assert_same_results([first, last], [whole[0], whole[2]])
    (alone,) = train_ffnn_many(broken[1:2], chosen, stacked=stacked)
    assert isinstance(alone, InputError)


def test_many_report_their_progress():
    seen = []
    for stacked in (False, True):
        train_ffnn_many(
            many_tasks()[:1],
            settings(),
            stacked=stacked,
            progress=lambda epoch, said: seen.append((epoch, said)),
        )
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5, 6] * 2
    assert all("validation accuracy 0." in said for _, said in seen)


def test_many_refuse_features_of_different_widths():
    features, codes, split = make_cells()
    tasks = [
        Task(features[:, :width], codes, split, CLASSES, 1) for width in (features.shape[1], 9)
    ]
    with pytest.raises(InputError, match="same number of features, found 9 and 45"):
        train_ffnn_many(tasks, settings(), stacked=True)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_packed_counts_give_the_same_bits(optimiser):
    counts, codes, split = make_cells()
    counts[2, 7] = 300  # Escaped.
    packed = PackedCounts.pack([counts[:30], counts[30:]], counts.shape[1])
    plain, other = (
        train((features, codes, split), optimiser=optimiser) for features in (counts, packed)
    )
    assert plain.history == other.history
    np.testing.assert_array_equal(plain.probabilities, other.probabilities)
    np.testing.assert_array_equal(other.ffnn.predict(packed), plain.ffnn.predict(counts))
    for name, array in plain.ffnn.arrays().items():
        np.testing.assert_array_equal(array, other.ffnn.arrays()[name])


def test_packed_values_that_are_not_finite_are_refused():
    counts = sp.csr_matrix(np.array([[1.0, np.nan]]))
    with pytest.raises(InputError, match="finite"):
        train((PackedCounts.pack([counts], 2), np.zeros(1, int), np.array(["training"])))
