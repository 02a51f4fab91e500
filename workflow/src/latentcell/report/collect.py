"""Read the folder of a run into what its page shows."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from latentcell.io import read_obs
from latentcell.mark import SIMULATION_NOTE, bears_mark
from latentcell.report.answer import answers
from latentcell.report.cells import cell_map, looks, matrices
from latentcell.report.compared import compared, leaderboard
from latentcell.report.cost import cost_table, seed_table, version_table
from latentcell.report.curves import learning_curves
from latentcell.report.glance import glance
from latentcell.report.parts import Report, Table, minus
from latentcell.settings import Settings
from latentcell.tables.render import TITLES, explain, reading_columns


def collect(folder: str | Path, settings: Settings, chosen: Sequence[str]) -> Report:
    """Read everything.

    Parameters
    ----------
    folder : str or Path
        ``results/{run}``, with the tables, figures and finished cells of the run.
    settings : Settings
        Of the run.
    chosen : sequence of str
        Names of the chosen models.
    """
    folder = Path(folder)
    inputs = [*settings.baseline_inputs(), *chosen]
    dataset = read_obs(folder / "dataset.h5ad")
    sizes = {
        cells: len(read_obs(folder / cells / "r1" / "cells.h5ad"))
        for cells in settings.subset_names()
    }
    return Report(
        run=settings.run,
        dataset=settings.dataset.name,
        simulated=SIMULATION_NOTE if bears_mark(folder / "dataset.h5ad") else "",
        glance=glance(folder, settings),
        answers=answers(folder, settings, inputs),
        compared=compared(folder, settings),
        leaderboard=leaderboard(folder, settings),
        tables=[study_table(folder, name) for name in ("table3", "table4", "table5")],
        matrices=matrices(folder, settings, inputs),
        cost=cost_table(folder),
        seeds=seed_table(settings),
        versions=version_table(),
        config=(folder / "config.yaml").read_text(encoding="utf-8"),
        looks=looks(dataset),
        maps=[cell_map(folder, settings, chosen, cells) for cells in settings.subset_names()],
        curves=learning_curves(folder, settings, chosen, sizes),
    )


def study_table(folder: Path, name: str) -> Table:
    """One of the study's tables, the published numbers beside ours."""
    frame = pd.read_csv(folder / "tables" / f"{name}.csv")
    columns = reading_columns(frame)
    groups: list[tuple[str, int]] = []
    for column in columns:
        if column.group and groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    heads = [column.heading for column in columns]
    rows = [
        [minus(cell) for cell in row]
        for row in zip(*(column.cells for column in columns), strict=True)
    ]
    title = f"Table {name.removeprefix('table')}. {TITLES[name]}"
    return Table(title, heads, rows, explain(name, frame), groups)
