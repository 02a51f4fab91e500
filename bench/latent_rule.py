"""Learn the rules of `recommend_model` from docs/results/latent_choice.csv, and judge them.

    python bench/latent_rule.py

Two rules for the latent dimension: the one with the highest mean accuracy over data sets, splits
and numbers of training cells, and the smallest that is at most a standard error of the difference
behind it. Both are judged on each data set as learnt from the others.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RECORD = Path(__file__).parents[1] / "docs/results/latent_choice.csv"
DATA = ["dataset", "split", "training_cells"]
# Number of training cells from which a data set counts as large.
LARGE = 1000
Rule = Callable[[pd.DataFrame], int]


def measured(rows: pd.DataFrame, by: str, measure: str = "accuracy") -> pd.DataFrame:
    """A measure by latent dimension or number of seeds (columns) and data (rows).

    Dimensions are compared with one seed, numbers of seeds with the largest dimension.
    """
    largest = rows["latent_dim"] == rows["latent_dim"].max()
    kept = rows["seeds"] == 1 if by == "latent_dim" else largest
    return rows[kept].pivot(index=DATA, columns=by, values=measure).dropna()


def best(rows: pd.DataFrame) -> int:
    """Latent dimension with the highest mean accuracy; of equal ones the smallest."""
    means = measured(rows, "latent_dim").mean()
    return _numbers(means.index)[int(means.argmax())]


def smallest(rows: pd.DataFrame) -> int:
    """Smallest latent dimension that is at most a standard error behind the best."""
    wide, first = measured(rows, "latent_dim"), best(rows)
    behind = wide.rsub(wide[first], axis=0)
    within = [dim for dim in _numbers(wide) if behind[dim].mean() <= _error(behind[dim])]
    return min([first, *within])


RULES: dict[str, Rule] = {"best": best, "smallest": smallest}


def differences(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracy of each dimension less that of the smallest good one, for few, many, all cells."""
    large, chosen = rows["training_cells"] >= LARGE, smallest(rows)
    parts = {f"fewer than {LARGE:,}": rows[~large], f"{LARGE:,} and more": rows[large], "all": rows}
    for name, part in parts.items():
        wide = measured(part, "latent_dim")
        row: dict[str, Any] = {"training_cells": name, "data": len(wide)}
        for dim in _numbers(wide):
            if dim != chosen:
                less = wide[dim] - wide[chosen]
                row[f"z{dim}"], row[f"z{dim}_error"] = less.mean(), _error(less)
        yield row


def gains(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracy and log loss of several seeds less those of one."""
    for measure in ("accuracy", "log_loss"):
        wide = measured(rows, "seeds", measure)
        for seeds in _numbers(wide)[1:]:
            less = wide[seeds] - wide[1]
            yield (
                {"measure": measure, "seeds": seeds, "data": len(wide)}
                | {"difference": less.mean(), "error": _error(less)}
            )


def left_out(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean accuracy on each data set with the dimension of each rule, learnt from the others."""
    for dataset in rows["dataset"].unique():
        own = rows["dataset"] == dataset
        means = measured(rows[own], "latent_dim").mean()
        row: dict[str, Any] = {"dataset": dataset, "data": len(measured(rows[own], "latent_dim"))}
        for name, rule in RULES.items():
            taken = rule(rows[~own])
            row |= {name: taken, f"{name}_accuracy": means[taken]}
        yield row | {"highest": means.max(), "lowest": means.min()}


def seconds_by_cells(rows: pd.DataFrame) -> tuple[float, float]:
    """Factor and power of the number of training cells that give the seconds of one seed."""
    single = rows[rows["seeds"] == 1]
    logs = np.log(single[["training_cells", "cpu_seconds"]].to_numpy(float))
    power, level = np.polyfit(logs[:, 0], logs[:, 1], 1)
    return float(np.exp(level)), float(power)


def epoch_seconds(rows: pd.DataFrame) -> float:
    """Seconds of an epoch for each of its cells, with the most training cells of the record."""
    most = rows[(rows["seeds"] == 1) & (rows["training_cells"] == rows["training_cells"].max())]
    return float((most["cpu_seconds"] / most["epochs"] / most["training_cells"]).mean())


def _numbers(columns: Iterable[Any]) -> list[int]:
    return [int(column) for column in columns]


def _error(values: "pd.Series[float]") -> float:
    """Standard error of a mean over data."""
    return float(values.std() / np.sqrt(len(values)))


def main() -> None:
    rows = pd.read_csv(RECORD)
    print({name: rule(rows) for name, rule in RULES.items()})
    for table in (differences, gains, left_out):
        print(pd.DataFrame(table(rows)).round(4).to_string(index=False))
    print(seconds_by_cells(rows), epoch_seconds(rows))


if __name__ == "__main__":
    main()
