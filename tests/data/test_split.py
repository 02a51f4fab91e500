"""Split of cells into training, validation and test."""

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import SplitSettings
from latentcell.data.split import SPLITS, split_cells
from latentcell.runtime.errors import InputError

SHARES = np.array([400, 350, 200, 150, 100, 60, 30, 5, 2, 2, 1])
LABELS = np.random.default_rng(0).permutation(np.repeat(list("abcdefghijk"), SHARES))


def sizes(parts):
    return [int((parts == name).sum()) for name in SPLITS]


def tally(labels, parts):
    table = pd.crosstab(np.asarray(labels), np.asarray(parts))
    return table.reindex(columns=list(SPLITS), fill_value=0)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("stratified", [1040, 130, 130]),
        ("random", [1040, 130, 130]),
        ("scvae", [832, 208, 260]),
    ],
)
def test_sizes_of_1300_cells(method, expected):
    parts = split_cells(LABELS, SplitSettings(method=method), 42)
    assert sizes(parts) == expected
    assert list(parts.categories) == list(SPLITS)


@pytest.mark.parametrize("method", ["stratified", "random", "scvae", "study"])
def test_seed_decides(method):
    settings = SplitSettings(method=method)
    first = split_cells(LABELS, settings, 42)
    assert (first == split_cells(LABELS, settings, 42)).all()
    assert (first != split_cells(LABELS, settings, 43)).any()


def test_stratified_gives_each_type_its_share():
    table = tally(LABELS, split_cells(LABELS, SplitSettings(), 1)).to_numpy()
    large = SHARES >= 30
    expected = SHARES[large, None] * np.array([0.8, 0.1, 0.1])
    assert np.abs(table[large] - expected).max() <= 2
    assert (table.sum(axis=1) == SHARES).all()


def test_small_types_train_first_then_test_then_validate():
    labels = ["a"] * 60 + ["b"] * 60 + ["one"] + ["two"] * 2 + ["x-three"] * 3
    table = tally(labels, split_cells(labels, SplitSettings(), 3))
    assert table.loc["one"].tolist() == [1, 0, 0]
    assert table.loc["two"].tolist() == [1, 0, 1]
    assert table.loc["x-three"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("cells", [10, 13, 57, 700, 1500])
@pytest.mark.parametrize("shares", [(0.8, 0.1), (0.5, 0.25), (0.34, 0.33)])
def test_exact_sizes_whatever_the_types(cells, shares):
    generator = np.random.default_rng(cells)
    labels = generator.choice(
        list("abcdefgh"), cells, p=[0.5, 0.3, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01]
    )
    train, validation = round(shares[0] * cells), round(shares[1] * cells)
    for method in ("stratified", "random"):
        settings = SplitSettings(method=method, train=shares[0], validation=shares[1])
        assert sizes(split_cells(labels, settings, 7)) == [
            train,
            validation,
            cells - train - validation,
        ]


def test_types_of_one_cell_each_still_split():
    assert sizes(split_cells([f"t{i}" for i in range(20)], SplitSettings(), 1)) == [16, 2, 2]


def test_scvae_is_its_permutation():
    order = np.random.RandomState(42).permutation(1300)
    parts = split_cells(LABELS, SplitSettings(method="scvae"), 42)
    assert (parts[order[:832]] == "training").all()
    assert (parts[order[832:1040]] == "validation").all()
    assert (parts[order[1040:]] == "test").all()


def test_study_draws_each_cell_as_the_notebook_does():
    generator = np.random.RandomState(5)
    train = generator.rand(1300) < 0.8
    expected = np.full(1300, "training", dtype=object)
    tests = generator.rand(int((~train).sum())) < 0.5
    expected[~train] = np.where(tests, "test", "validation")
    parts = split_cells(LABELS, SplitSettings(method="study"), 5)
    assert (np.asarray(parts) == expected).all()


def test_study_follows_other_shares():
    settings = SplitSettings(method="study", train=0.6, validation=0.3)
    labels = np.repeat(["a", "b"], 5000)
    assert np.allclose(
        np.array(sizes(split_cells(labels, settings, 1))) / 1e4, [0.6, 0.3, 0.1], atol=0.02
    )


@pytest.mark.parametrize("method", ["stratified", "random", "scvae", "study"])
def test_empty_parts_are_refused(method):
    with pytest.raises(
        InputError, match="at least one training, validation and test cell each of the 2 "
    ):
        split_cells(["a", "b"], SplitSettings(method=method), 1)
