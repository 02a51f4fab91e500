"""Table 5 on the authors' own data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.runtime.errors import InputError
from latentcell.study.deposited import DEPOSITED
from latentcell.study.published import PUBLISHED_ACCURACIES, STUDY
from latentcell.tables.catalogue import TABLES
from latentcell.tables.deposit import (
    collect_repeats,
    percentile,
    published_accuracy,
    table5_deposit,
)

ASKED = [
    *("input", "subset", "model", "dim", "hidden_units"),
    *("accuracy_mean", "accuracy_sd", "replicates", "test_cells_mean"),
    *("accuracy_published", "percentile_of_published"),
]


@pytest.fixture
def records(tmp_path: Path) -> pd.DataFrame:
    """Files of all inputs, in another order than the table's; 20 replicates of raw counts."""
    random = np.random.default_rng(1)
    paths = []
    for name in reversed(DEPOSITED):
        number = 20 if name == "raw-n1300" else 100
        accuracies = random.integers(5, 20, number) / 26
        table = pd.DataFrame(
            {
                "replicate": [f"r{index + 1}" for index in range(number)],
                "test_cells": 26,
                "test_accuracy": accuracies,
                "test_balanced_accuracy": accuracies / 2,
                "test_macro_f1": accuracies / 3,
            }
        )
        path = tmp_path / name / "accuracies.csv"
        path.parent.mkdir()
        table.to_csv(path, index=False)
        paths.append(path)
    return collect_repeats(paths)


def test_inputs_are_the_rows_of_table_5() -> None:
    rows = [published_accuracy(one) for one in DEPOSITED.values()]
    assert tuple(rows) == PUBLISHED_ACCURACIES


def test_rows_and_columns(records: pd.DataFrame) -> None:
    table = table5_deposit(records)
    assert list(table)[: len(ASKED)] == ASKED
    assert table["accuracy_published"].tolist() == [row.accuracy for row in PUBLISHED_ACCURACIES]
    assert table["replicates"].tolist() == [20] + [100] * 12
    assert table["model"].dropna().tolist() == [2, 7, 10, 15, 17, 18, 19, 20]
    first = records.loc[records["name"] == "raw-n1300", "test_accuracy"]
    row = table.iloc[0]
    assert row["accuracy_mean"] == pytest.approx(first.mean())
    assert row["accuracy_sd"] == pytest.approx(first.std(ddof=1))
    assert row["balanced_accuracy_mean"] == pytest.approx(first.mean() / 2)
    assert row["accuracy_low"] == pytest.approx(first.quantile(0.025))
    assert row["accuracy_high"] == pytest.approx(first.quantile(0.975))
    assert (table["accuracy_low"] < table["accuracy_mean"]).all()


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([0.1, 0.2, 0.7, 0.8], 50), ([0.5, 0.5], 50), ([0.1], 100), ([0.9], 0), ([0.1, 0.5], 75)],
)
def test_percentile_counts_ties_half(accuracies: list[float], expected: float) -> None:
    assert percentile(accuracies, 0.5) == expected


def test_what_was_printed_alike_is_a_tie() -> None:
    assert percentile([16 / 26, 1.0], 0.615) == 25


def test_every_format_is_written(records: pd.DataFrame, tmp_path: Path) -> None:
    paths = [tmp_path / f"table5_deposit.{kind}" for kind in ("csv", "md", "tex")]
    entry, settings = TABLES["table5_deposit"], parse_settings({})
    entry.write(entry.build({"deposit": records.assign(dataset=STUDY)}, settings), paths)
    table = pd.read_csv(paths[0])
    assert len(table) == 13
    assert table.columns[0] == "dataset"
    assert set(table["dataset"]) == {STUDY}
    markdown = paths[1].read_text(encoding="utf-8")
    assert "| Percentile of the published accuracy |" in markdown
    assert "its own split and initialisation" in markdown
    assert "its own subset" not in markdown
    assert "| Accuracy, 2.5th percentile | Accuracy, 97.5th percentile |" in markdown
    assert "Model 15, published Accuracy: 0.385 (10 of 26 cells) in the notebook" in markdown


def test_one_replicate_has_no_deviation(records: pd.DataFrame) -> None:
    table = table5_deposit(records[records["replicate"] == "r1"]).assign(dataset=STUDY)
    assert table["accuracy_sd"].isna().all()
    assert "nan" not in TABLES["table5_deposit"].markdown(table)
    assert "nan" not in TABLES["table5_deposit"].latex(table)


def test_strangers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder named after a deposited input"):
        collect_repeats([tmp_path / "pca-k3" / "accuracies.csv"])
    with pytest.raises(InputError, match="at least one"):
        collect_repeats([])
