import numpy as np
import pytest
import torch

from latentcell.classify import kernels

RATE = 1e-3
BETA1, BETA2, EPSILON = kernels.BETA1, kernels.BETA2, kernels.EPSILON


def compiled_and_python(kernel):
    """A compiled kernel and its Python function."""
    return [kernel, kernel.py_func]


def adam_without_gradient(weight, m, v, step, number):
    """Apply Adam in float64, one step at a time."""
    for _ in range(number):
        step += 1
        m, v = BETA1 * m, BETA2 * v
        weight -= RATE * (m / (1 - BETA1**step)) / (np.sqrt(v / (1 - BETA2**step)) + EPSILON)
    return weight, m, v


def rows_of_many_sizes(rng):
    """Moments whose square roots run from far below eps to far above."""
    scale = 10.0 ** np.arange(-13, 3)
    return rng.normal(size=16) * scale, (rng.uniform(0.5, 2, size=16) * scale) ** 2


@pytest.mark.parametrize("tables", compiled_and_python(kernels.skip_tables))
@pytest.mark.parametrize("start", [0, 100, 10_000])
@pytest.mark.parametrize("number", [1, 5, 40])
def test_rest_is_adam_without_gradient(tables, start, number):
    m, v = rows_of_many_sizes(np.random.default_rng(0))
    scale, offset, decay1, decay2 = tables(RATE, start, 40)
    row = np.zeros((3, 16), np.float32)
    row[1], row[2] = m, v
    for rest in compiled_and_python(kernels._rest):
        changed = row.copy()
        rest(changed, scale[0, number], offset[0, number], decay1[number], decay2[number])
        m, v = row[1].astype(np.float64), row[2].astype(np.float64)
        expected = adam_without_gradient(np.zeros(16), m, v, start, number)
        # Where sqrt(v) is not far above eps the formula is an approximation, and worst in the first
        # steps, when 1 - b2^s grows fast.
        tolerance = 0.25 if start == 0 else 3e-3
        np.testing.assert_allclose(changed[0], expected[0], rtol=tolerance)
        large = v > (1e3 * EPSILON) ** 2
        np.testing.assert_allclose(changed[0][large], expected[0][large], rtol=1e-4)
        np.testing.assert_allclose(changed[1], expected[1], rtol=1e-5, atol=1e-40)
        np.testing.assert_allclose(changed[2], expected[2], rtol=1e-5, atol=1e-40)


@pytest.mark.parametrize("update", compiled_and_python(kernels._update))
def test_update_without_rest_is_adam(update):
    rng = np.random.default_rng(1)
    weight = torch.tensor(rng.normal(size=16), dtype=torch.float32, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=RATE)
    row = np.zeros((3, 16), np.float32)
    row[0] = weight.detach().numpy()
    scale, offset, decay1, decay2 = kernels.skip_tables(RATE, 0, 30)
    for step in range(1, 31):
        gradient = (rng.normal(size=16) * 10.0 ** np.arange(-13, 3)).astype(np.float32)
        weight.grad = torch.tensor(gradient)
        adam.step()
        update(row, gradient, gradient, scale[step, 0], offset[step, 0], decay1[0], decay2[0])
    np.testing.assert_allclose(row[0], weight.detach().numpy(), atol=1e-6)


def test_units_that_never_fire_stay():
    row = np.zeros((3, 4), np.float32)
    row[0] = 1
    scale, offset, decay1, decay2 = kernels.skip_tables(RATE, 0, 10)
    kernels._update(row, row[1], row[1], scale[1, 9], offset[1, 9], decay1[9], decay2[9])
    assert row.tolist() == [[1] * 4, [0] * 4, [0] * 4]


@pytest.mark.parametrize("plan", compiled_and_python(kernels.plan_window))
def test_plan(plan):
    dense = np.array([[1, 0, 2, 0], [0, 0, 3, 0], [4, 0, 0, 0], [5, 0, 6, 0]], np.float32)
    matrix = [np.array([0, 2, 3, 4, 6]), np.array([0, 2, 2, 0, 0, 2], np.int32)]
    data = dense[dense > 0]
    batch_start, gene, rest, entry_start, entry_cell, entry_value, first = plan(
        *matrix, data, np.array([1, 2, 0, 3, 1]), 2, 4
    )
    # Batches: cells 1 and 2 (genes 2, 0), cells 0 and 3 (genes 0, 2), cell 1 (gene 2).
    assert batch_start.tolist() == [0, 2, 4, 5]
    assert gene.tolist() == [2, 0, 0, 2, 2]
    assert rest.tolist() == [0, 0, 1, 0, 0]
    assert entry_start[:6].tolist() == [0, 1, 2, 4, 6, 7]
    assert entry_cell[:7].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert entry_value[:7].tolist() == [3, 4, 1, 5, 2, 6, 3]
    assert first.tolist() == [0, 3, 0, 3]


@pytest.mark.parametrize("function", compiled_and_python(kernels.loss_and_gradient))
@pytest.mark.parametrize("double", [False, True])
def test_loss_and_gradient_are_those_of_pytorch(function, double):
    rng = np.random.default_rng(2)
    logits = (rng.normal(size=(5, 4)) * 3).astype(np.float32)
    codes = rng.integers(4, size=5)
    tensor = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        tensor.softmax(1) if double else tensor, torch.tensor(codes)
    )
    loss.backward()
    mine, gradient = function(logits, codes, double)
    assert mine == pytest.approx(loss.item(), rel=1e-6)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-7)


@pytest.mark.parametrize("softmax", compiled_and_python(kernels.softmax_rows))
def test_softmax_of_large_logits(softmax):
    values = np.array([[1000.0, 1000.0, -1000.0], [0.0, np.log(3.0), -np.inf]], np.float32)
    np.testing.assert_allclose(softmax(values), [[0.5, 0.5, 0], [0.25, 0.75, 0]], rtol=1e-6)


def test_confident_mistakes_have_a_finite_loss():
    logits = np.array([[500.0, -500.0]], np.float32)
    loss, _ = kernels.loss_and_gradient(logits, np.array([1]), False)
    assert loss == 1000


@pytest.mark.parametrize("product", compiled_and_python(kernels.weighted_rows))
def test_weighted_rows(product):
    matrix = [np.array([0, 2, 3]), np.array([0, 2, 1], np.int32), np.array([1, 2, 3], np.float32)]
    weights = np.arange(6, dtype=np.float32).reshape(3, 1, 2)
    base = np.full((2, 2), 0.5, np.float32)
    result = product(*matrix, np.array([1, 0]), base, weights)
    assert result.tolist() == [[6.5, 9.5], [8.5, 11.5]]
    assert (base == 0.5).all()


def tiny_training(train_window, double):
    """Train three steps on two genes; return the state."""
    rng = np.random.default_rng(3)
    layers = [
        rng.normal(size=shape).astype(np.float32) * 0.3
        for shape in ((3, 3, 4), (3, 4), (2, 3, 4), (3, 2))
    ]
    for layer in layers:
        layer[..., 1:, :] = 0
    matrix = [
        np.array([0, 2, 3, 4, 5]),
        np.array([0, 1, 1, 0, 2], np.int32),
        np.array([1, 2, 3, 4, 1], np.float32),
    ]
    codes, order = np.array([0, 1, 0, 1]), np.array([0, 1, 2, 3, 3])
    failed = train_window(*matrix, codes, order, 2, 0, RATE, double, *layers)
    return failed, layers


@pytest.mark.parametrize("double", [False, True])
def test_a_window_in_python_and_compiled(double, monkeypatch):
    failed, layers = tiny_training(kernels.train_window, double)
    for name in ("_hidden", "_backward", "_update_first_layer", "second_layer_logits"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
    failed_too, in_python = tiny_training(kernels.train_window.py_func, double)
    assert failed == failed_too == -1
    for mine, theirs in zip(layers, in_python, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert (layers[0][:, 1] != 0).any()


@pytest.mark.parametrize("train_window", compiled_and_python(kernels.train_window))
def test_a_window_stops_at_a_loss_that_is_not_finite(train_window):
    layers = [np.zeros((1, 3, 4), np.float32), np.zeros((3, 4), np.float32)]
    layers += [np.zeros((2, 3, 4), np.float32), np.array([[np.nan] * 2] * 3, np.float32)]
    cell = [np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32)]
    order = np.array([0, 0])
    assert train_window(*cell, order[:1], order, 1, 0, RATE, False, *layers) == 0


@pytest.mark.parametrize("settle", compiled_and_python(kernels._settle))
def test_moments_that_move_no_weight_become_zero(settle):
    row = np.array([[1, 2, 3, 4], [1e-29, -1e-31, 1e-40, 1], [1e-33, 1e-35, 1e-45, 1]], np.float32)
    expected = row.copy()
    expected[1:, 1:3] = 0
    settle(row)
    assert (row == expected).all()


def test_moments_never_become_subnormal_and_weights_stay_the_same(monkeypatch):
    subnormal = 0
    trained = []
    for settle in (kernels._settle.py_func, lambda row: None):
        monkeypatch.setattr(kernels, "_settle", settle)
        layers = [np.full((2, 3, 2), 0.1, np.float32), np.zeros((3, 2), np.float32)]
        layers += [np.full((2, 3, 2), 0.1, np.float32), np.zeros((3, 2), np.float32)]
        for layer in layers:
            layer[..., 1:, :] = 0
        # Only the first batch has the first gene, and only the first unit fires afterwards.
        layers[0][1, 0, 1] = -1
        cells = [np.array([0, 1, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32)]
        codes, start = np.array([0, 1]), 0
        for order in ([0, *[1] * 49], *[[1] * 50] * 30):
            state = [start, RATE, False, *layers]
            assert kernels.train_window.py_func(*cells, codes, np.array(order), 1, *state) == -1
            start += len(order)
        moments = np.concatenate([layers[0][:, 1:].ravel(), layers[2][:, 1:].ravel()])
        tiny = (moments != 0) & (abs(moments) < np.finfo(np.float32).tiny)
        trained.append([layer[..., 0, :].tobytes() for layer in layers])
        subnormal = int(tiny.sum()) - subnormal
    assert trained[0] == trained[1]
    assert subnormal > 0


@pytest.mark.parametrize("unscale", compiled_and_python(kernels._unscale))
def test_gradients_that_move_no_weight_are_left_out(unscale):
    wanted = np.array([-1e-5, 1e-16, -1e-18, 1e-29, -1e-31], np.float32)
    scaled = wanted * np.float32(kernels.GRADIENT_SCALE)
    squared = np.full(5, np.nan, np.float32)
    unscale(scaled, squared)
    assert scaled.tolist() == [*wanted[:4], 0]
    assert squared.tolist() == [*wanted[:2], 0, 0, 0]


def beside_a_certain_cell() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Train on a cell whose type is certain and one to learn; weights and moments of each step."""
    weights, moments = [], []
    layers = [np.zeros((2, 3, 2), np.float32), np.zeros((3, 2), np.float32)]
    layers += [np.zeros((2, 3, 2), np.float32), np.zeros((3, 2), np.float32)]
    layers[0][:, 0] = [[1, 2], [1, 1]]
    layers[2][:, 0] = [[1, 1], [-1, -1]]
    cells = [np.array([0, 1, 2]), np.array([0, 1], np.int32)]
    for step in range(24):
        # Logits of the first cell differ by 96 to 50, so that gradients are 1e-42 to 1e-22.
        values = np.array([16 - step / 3, 1], np.float32)
        state = [np.array([0, 1]), np.array([0, 1]), 2, step, RATE, False, *layers]
        assert kernels.train_window.py_func(*cells, values, *state) == -1
        weights.append(np.concatenate([layer[..., 0, :].ravel() for layer in layers]))
        moments.append(np.concatenate([layer[..., 1:, :].ravel() for layer in layers]))
    return weights, moments


def test_certain_types_leave_no_subnormal_moments_and_weights_stay_the_same(monkeypatch):
    def keep_all(gradient, squared):
        gradient /= np.float32(kernels.GRADIENT_SCALE)
        squared[:] = gradient

    weights, moments = beside_a_certain_cell()
    monkeypatch.setattr(kernels, "_unscale", keep_all)
    monkeypatch.setattr(kernels, "_step", kernels._step.py_func)
    monkeypatch.setattr(kernels, "_update_first_layer", kernels._update_first_layer.py_func)
    plain_weights, plain_moments = beside_a_certain_cell()
    np.testing.assert_array_equal(weights, plain_weights)
    assert (np.diff(weights, axis=0) != 0).any()
    tiny = np.finfo(np.float32).tiny
    subnormal = [
        (np.not_equal(each, 0) & (np.abs(each) < tiny)).sum() for each in (moments, plain_moments)
    ]
    assert subnormal[0] == 0 < subnormal[1]
