"""Collect the content of the page of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from latentcell.config.settings import Settings
from latentcell.figures.data import largest_subset
from latentcell.report.answer import answer
from latentcell.report.cells import ERRORS_AND_SPLITS, cell_map, map_name, matrices
from latentcell.report.cost import cost_table, seed_table, version_table
from latentcell.report.curves import learning_curves
from latentcell.report.glance import glance
from latentcell.report.headline import headline
from latentcell.report.parts import DatasetPart, Report, Topic
from latentcell.report.provenance import provenance
from latentcell.report.results import Results, results_of
from latentcell.report.summary import summary
from latentcell.report.tables import table_topics, topics_across
from latentcell.runtime.mark import SIMULATION_NOTE, any_bears_mark
from latentcell.tables.entry import shares_splits


def collect(folder: str | Path, settings: Settings, chosen: Mapping[str, Sequence[str]]) -> Report:
    """Read the content of the page.

    Parameters
    ----------
    folder : str or Path
        Folder ``results/{run}`` with grid, tables and ``config.yaml``.
    settings : Settings
        Settings of the run.
    chosen : mapping of str to sequence of str
        Names of the chosen models of each data set.

    Returns
    -------
    Report
        Input of `latentcell.report.page.render`.
    """
    folder = Path(folder)
    found = results_of(folder, settings, chosen)
    subsets = settings.subset_names()
    return Report(
        run=settings.run,
        headline=headline(found),
        summary=summary(found),
        design=_design(settings),
        simulated=SIMULATION_NOTE if any_bears_mark(one.file for one in found) else "",
        datasets=[DatasetPart(one.dataset, _topics(one)) for one in found],
        across=topics_across(found[0]),
        matrices=[matrix for one in found for cells in subsets for matrix in matrices(one, cells)],
        provenance=provenance(found),
        cost=cost_table(folder, settings),
        seeds=seed_table(settings),
        versions=version_table(),
        config=(folder / "config.yaml").read_text(encoding="utf-8"),
        looks=ERRORS_AND_SPLITS,
        maps=[cell_map(one, cells) for one in found for cells in subsets if one.inputs(cells)],
        curves=[curve for one in found for curve in learning_curves(one)],
        first_map=map_name(found[0], largest_subset(settings)),
    )


def _topics(results: Results) -> list[Topic]:
    """Topics of a data set, in the order of the page."""
    answers = [answer(results, cells) for cells in results.settings.subset_names()]
    return [
        Topic("answer", "Subsets", "Inputs of each subset in detail", answers),
        Topic("data-set", "Data", "The data", glance=glance(results)),
        *table_topics(results),
    ]


def _design(settings: Settings) -> list[str]:
    """Describe the cells of choices and accuracies, as far as true for the run."""
    shared = "All inputs of a replicate have the same cells and split."
    chosen = f"Models are chosen on {settings.choice.split} cells."
    return [
        *([shared] if shares_splits(settings) else []),
        *([chosen] if settings.choice.by != "fixed" else []),
        "Accuracies are measured on test cells.",
    ]
