"""The classifier over and over: seeds, sizes and measures of each replicate."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import FfnnSettings, SplitSettings
from latentcell.study.deposited import DEPOSITED
from latentcell.study.repeats import repeat_classifier, repeat_seed

FFNN = FfnnSettings(hidden_units=8, epochs=15, keep="last", learning_rate=0.01)
SPLIT = SplitSettings(method="study")


@pytest.fixture(scope="module")
def cells():
    codes = np.arange(200) % 2
    features = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    features[:, 0] += 6 * codes
    types = pd.Categorical(np.array(["A", "B"])[codes], categories=["A", "B", "none"])
    return ad.AnnData(
        features, pd.DataFrame({"cell_type": types}, index=list(map(str, range(200))))
    )


def test_each_input_and_replicate_has_its_own_seed():
    seeds = {repeat_seed(1, name, r) for name in DEPOSITED for r in range(1, 101)}
    assert len(seeds) == 13 * 100
    assert repeat_seed(1, "raw-n1300", 1) == repeat_seed(1, "raw-n1300", 1)
    assert repeat_seed(1, "raw-n1300", 1) != repeat_seed(2, "raw-n1300", 1)


def test_a_row_says_what_a_replicate_gave(cells):
    said = []
    table = repeat_classifier(
        cells, "x", [3, 4], 1, FFNN, SPLIT, progress=lambda *what: said.append(what)
    )
    assert table["replicate"].tolist() == ["r3", "r4"]
    assert (table[["training_cells", "validation_cells", "test_cells"]].sum(axis=1) == 200).all()
    assert table["test_cells"].nunique() == 2
    assert (table["test_accuracy"] > 0.9).all()
    measures = {f"{p}_{m}" for p in ("test", "validation") for m in ("accuracy", "macro_f1")}
    assert measures <= set(table)
    assert said == [(n, f"test accuracy {a:.3f}") for n, a in enumerate(table["test_accuracy"], 1)]


def test_replicates_do_not_depend_on_their_company(cells):
    together = repeat_classifier(cells, "x", [1, 2], 1, FFNN, SPLIT)
    alone = repeat_classifier(cells, "x", [2], 1, FFNN, SPLIT)
    pd.testing.assert_frame_equal(together[1:].reset_index(drop=True), alone)


def test_inputs_do_not_share_splits(cells):
    one, other = (repeat_classifier(cells, name, [1], 1, FFNN, SPLIT) for name in ("x", "y"))
    assert one["seed"][0] != other["seed"][0]
