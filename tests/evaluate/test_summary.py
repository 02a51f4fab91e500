import numpy as np
import pandas as pd
import pytest

from latentcell.evaluate.summary import summarise


def test_mean_and_sd_by_hand():
    records = pd.DataFrame(
        {
            "input": ["raw", "raw", "pca-k10", "raw"],
            "replicate": ["r1", "r2", "r1", "r3"],
            "accuracy": [0.5, 0.6, 0.25, 0.7],
            "macro_f1": [0.5, None, 0.2, 0.7],
        }
    )
    table = summarise(records, ["input"], ["accuracy", "macro_f1"])
    assert table["input"].tolist() == ["raw", "pca-k10"]
    assert table["replicates"].tolist() == [3, 1]
    np.testing.assert_allclose(table["accuracy_mean"], [0.6, 0.25])
    np.testing.assert_allclose(table["accuracy_sd"], [0.1, np.nan])
    np.testing.assert_allclose(table["macro_f1_mean"], [0.6, 0.2])
    np.testing.assert_allclose(table["macro_f1_sd"], [np.sqrt(0.02), np.nan])


def test_undefined_everywhere_stays_undefined():
    records = pd.DataFrame({"model": ["a"], "replicate": ["r1"], "ari": [None]})
    assert summarise(records, ["model"], ["ari"])["ari_mean"].isna().all()


def test_refuses_a_replicate_twice():
    records = pd.DataFrame({"model": ["a", "a"], "replicate": ["r1", "r1"], "ari": [0.1, 0.2]})
    with pytest.raises(ValueError, match="replicate appears twice"):
        summarise(records, ["model"], ["ari"])
