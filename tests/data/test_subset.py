"""Random and stratified subsets."""

import anndata
import numpy as np
import pandas as pd
import pytest

from latentcell.data.subset import apportion, draw_subset
from latentcell.runtime.errors import InputError

LABELS = np.array(["a"] * 70 + ["b"] * 25 + ["c"] * 4 + ["d"])


@pytest.mark.parametrize("method", ["random", "stratified", "first"])
def test_rows_are_sorted_distinct_and_of_the_size(method):
    rows = draw_subset(LABELS[::-1], 40, method, 1)
    assert len(rows) == 40
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < len(LABELS)


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_seed_decides(method):
    first = draw_subset(LABELS, 40, method, 1)
    assert np.array_equal(first, draw_subset(LABELS, 40, method, 1))
    assert not np.array_equal(first, draw_subset(LABELS, 40, method, 2))


def test_first_takes_the_first_rows():
    assert draw_subset(LABELS[::-1], 7, "first", 5).tolist() == list(range(7))


def test_all_takes_all():
    assert draw_subset(LABELS, "all", "stratified", 5).tolist() == list(range(100))


def test_whole_size_takes_all():
    assert draw_subset(LABELS, 100, "stratified", 5).tolist() == list(range(100))


@pytest.mark.parametrize(
    ("size", "shares"),
    [(20, [13, 5, 1, 1]), (50, [35, 12, 2, 1]), (4, [1, 1, 1, 1]), (3, [2, 1, 0, 0])],
)
def test_stratified_shares(size, shares):
    types = LABELS[draw_subset(LABELS, size, "stratified", 3)]
    assert [(types == name).sum() for name in "abcd"] == shares


def test_anndata_is_taken_too():
    obs = pd.DataFrame({"cell_type": pd.Categorical(LABELS)}, index=[f"c{i}" for i in range(100)])
    adata = anndata.AnnData(np.ones((100, 2), np.float32), obs=obs)
    expected = draw_subset(LABELS, 30, "stratified", 9)
    assert np.array_equal(draw_subset(adata, 30, "stratified", 9), expected)


def test_too_large_a_size_is_refused():
    message = r"subset\.sizes: expected at most 100 cells, the size of the data, found 1,300"
    with pytest.raises(InputError, match=message):
        draw_subset(LABELS, 1300, "random", 1)


def test_single_type_is_refused():
    with pytest.raises(InputError, match="at least two types in the subset of 10, found only 'a'"):
        draw_subset(LABELS, 10, "first", 1)


def test_apportion_keeps_bounds_and_total():
    generator = np.random.default_rng(0)
    for _ in range(50):
        counts = generator.integers(1, 40, 6)
        total = int(generator.integers(6, counts.sum() + 1))
        taken = apportion(counts * (total / counts.sum()), total, np.ones_like(counts), counts)
        assert taken.sum() == total
        assert ((taken >= 1) & (taken <= counts)).all()


def test_apportion_gives_to_the_largest_remainder():
    quotas, upper = np.array([1.2, 2.7, 0.1]), np.array([9, 9, 9])
    assert apportion(quotas, 4, np.zeros(3, int), upper).tolist() == [1, 3, 0]
