"""Catalogue of figures: titles, captions, input files and drawing functions.

Rules read the catalogue at parse time, so drawing functions are imported only to draw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from latentcell.config.settings import Settings
from latentcell.figures.data import (
    FigureData,
    Key,
    classified,
    first_cells,
    job_files,
    key_inputs,
    largest_pca,
    largest_subset,
    latents,
    map_file,
    map_pca,
)
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.study.published import STUDY
from latentcell.tables.catalogue import TABLES, has_study_classifier
from latentcell.tables.entry import always, has_contrasts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Category = Literal["Figures", "Comparison"]
Inputs = Callable[[Settings, str, Sequence[str]], list[str]]
Condition = Callable[[Settings], bool]


@dataclass(frozen=True)
class FigureEntry:
    """Figure of the catalogue.

    Attributes
    ----------
    title
        Short title.
    caption
        Caption in plain text.
    function
        Module and name of the drawing function, such as ``study.figure2``. Its argument is
        `FigureData`, or the rows of `table`.
    inputs
        Function of settings, data set and chosen models: paths relative to ``results/{run}``.
    is_wanted
        Function of settings: whether a run has the figure.
    category
        Category in Snakemake's report.
    table
        Name of the table, for figures of a table alone.
    dataset
        Name of the data set, for figures of one data set alone.
    """

    title: str
    caption: str
    function: str
    inputs: Inputs
    is_wanted: Condition = always
    category: Category = "Figures"
    table: str | None = None
    dataset: str | None = None

    def draw(self, data: FigureData) -> "Figure":
        """Draw the figure."""
        # Imported here because of pandas, and by name for `code_digest`.
        from latentcell.figures import comparison, few_labels, leaderboard, measures, study
        from latentcell.figures.legends import head, letter_panels

        modules = {
            module.__name__.rpartition(".")[2]: module
            for module in (comparison, few_labels, leaderboard, measures, study)
        }
        module, name = self.function.split(".")
        function: Callable[[object], Figure] = getattr(modules[module], name)
        figure = function(data if self.table is None else data.table(self.table))
        letter_panels(figure)
        if len(data.settings.dataset_names()) > 1:
            head(figure, f"Data set {data.dataset}")
        return figure


def figure_names(settings: Settings, dataset: str | None = None) -> list[str]:
    """List the names of the figures of a run.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    dataset : str, optional
        Name of a data set; by default all data sets.
    """
    datasets = settings.dataset_names() if dataset is None else [dataset]
    return [
        name
        for name, entry in FIGURES.items()
        if entry.is_wanted(settings) and (entry.dataset is None or entry.dataset in datasets)
    ]


def figure_stems(settings: Settings) -> list[str]:
    """List the paths of all figures of a run below ``figures``, without suffixes."""
    datasets = settings.dataset_names()
    return [f"{dataset}/{name}" for dataset in datasets for name in figure_names(settings, dataset)]


def figure_inputs(name: str, settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    """List the input files of a figure.

    Parameters
    ----------
    name : str
        One of `figure_names`.
    settings : Settings
        Settings of the run.
    dataset : str
        Name of the data set.
    chosen : sequence of str
        Names of the chosen models of the data set.

    Returns
    -------
    list of str
        Paths relative to ``results/{run}``.
    """
    return list(dict.fromkeys(FIGURES[name].inputs(settings, dataset, chosen)))


def make_figure(
    name: str, folder: str | Path, settings: Settings, dataset: str, chosen: Sequence[str]
) -> "Figure":
    """Draw a figure from the files of a run.

    Parameters
    ----------
    name : str
        One of `figure_names`.
    folder : str or Path
        Folder ``results/{run}`` with the files of `figure_inputs`.
    settings : Settings
        Settings of the run.
    dataset : str
        Name of the data set.
    chosen : sequence of str
        Names of the chosen models of the data set.
    """
    return FIGURES[name].draw(FigureData(Path(folder), settings, dataset, list(chosen)))


def _has_pca(settings: Settings) -> bool:
    return bool(settings.pca_components())


def _has_larger_subsets(settings: Settings) -> bool:
    return has_study_classifier(settings) and len(settings.subset.sizes) > 1


def _figure2_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    keys = latents(settings, chosen)
    maps = [f"{dataset}/{map_file(cells, name)}" for cells, name in keys]
    histories = job_files(settings, dataset, keys, "history.csv")
    return [f"{dataset}/dataset.h5ad", *_cells(dataset, keys), *histories, *maps]


def _figure_s1_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    cells, name = largest_subset(settings), map_pca(settings)
    files = [first_cells(cells), map_file(cells, name), f"{cells}/r1/{name}/features.h5ad"]
    return [f"{dataset}/{file}" for file in ("dataset.h5ad", *files)]


def _figure_s2_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    keys = [(cells, largest_pca(settings)) for cells in settings.subset_names()]
    return ["records/variance.csv", *_cells(dataset, keys)]


def _figure_s7_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    cells = [f"{dataset}/{first_cells(cells)}" for cells in settings.subset_names()]
    return [f"{dataset}/dataset.h5ad", *cells]


def _deposit_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    from latentcell.study.deposited import DEPOSITED

    return [f"deposit/{name}/accuracies.csv" for name in DEPOSITED]


def _cells(dataset: str, keys: Sequence[Key]) -> list[str]:
    """Files of cells of each subset, for the numbers in titles."""
    return [f"{dataset}/{first_cells(cells)}" for cells, _ in keys]


def _classifier_files(
    select: Callable[[Settings, str, Sequence[str]], list[Key]], *files: str
) -> Inputs:
    """Return a function that lists files of the study's classifier on some representations."""

    def inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
        keys = select(settings, dataset, chosen)
        jobs = [
            path
            for file in files
            for path in job_files(settings, dataset, keys, f"{STUDY_CLASSIFIER}/{file}")
        ]
        return [*_cells(dataset, keys), *jobs]

    return inputs


def _first(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[Key]:
    return classified(settings, dataset, chosen, settings.subset_names()[:1])


def _others(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[Key]:
    return classified(settings, dataset, chosen, settings.subset_names()[1:])


def _of_table(
    table: str,
    title: str,
    function: str,
    category: Category = "Comparison",
    caption: str = "",
) -> FigureEntry:
    """Figure of a table alone, by default with the caption of the table."""
    entry, path = TABLES[table], f"tables/{table}.csv"
    text = caption or entry.caption
    return FigureEntry(
        title, text, function, lambda *_: [path], entry.is_wanted, category, table=table
    )


_MATRICES = (
    "Confusion matrices of the study's classifier on {subsets}: test cells, summed over "
    "replicates. Colours and numbers are percentages of the true type's cells; n at the right is "
    "the number of these cells. Grey rows are types without test cells."
)
_CURVES = (
    "Learning curves of the study's classifier on {subsets}: accuracy on training (solid) and "
    "validation cells (dashed). Lines are means over the replicates that reach the epoch, bands "
    "one standard deviation."
)

FIGURES: dict[str, FigureEntry] = {
    "figure2": FigureEntry(
        "Generative models",
        "Generative models. Top: ELBO and its reconstruction term log p(x|z) by epoch, on training "
        "(solid) and validation cells (dashed). Lines are means over the replicates that reach the "
        "epoch, bands one standard deviation. First epochs far below the others are cut off. "
        "Bottom: tSNE of the latents in replicate 1, coloured by cell type.",
        "study.figure2",
        _figure2_inputs,
    ),
    "figure3": FigureEntry(
        "Classifiers on the key inputs",
        "The study's classifier on raw counts, on the largest number of principal components and "
        "on the largest chosen latent space of each subset. Top: accuracy on training (solid) and "
        "validation cells (dashed) by epoch, mean and standard deviation over the replicates that "
        "reach it. Bottom: confusion matrices of test cells, summed over replicates. Colours and "
        "numbers are percentages of the true type's cells; n at the right is the number of these "
        "cells. Grey rows are types without test cells.",
        "study.figure3",
        _classifier_files(key_inputs, "history.csv", "metrics.json"),
        has_study_classifier,
    ),
    "figureS1": FigureEntry(
        "UMI counts and k-means clusters",
        "tSNE of principal components of the largest subset in replicate 1, coloured by UMIs per "
        "cell (left) and by k-means clusters of the same components (right).",
        "study.figure_s1",
        _figure_s1_inputs,
        _has_pca,
    ),
    "figureS2": FigureEntry(
        "Variance explained by principal components",
        "Cumulative variance explained by principal components, of the cells that they were fitted "
        "on (solid) and of test cells (dashed). Lines are means over replicates, bands one "
        "standard deviation. Dots mark the numbers of components of the grid.",
        "study.figure_s2",
        _figure_s2_inputs,
        _has_pca,
    ),
    "figureS3": FigureEntry(
        "Confusion matrices, first subset",
        _MATRICES.format(subsets="the first subset"),
        "study.figure_s3",
        _classifier_files(_first, "metrics.json"),
        has_study_classifier,
    ),
    "figureS4": FigureEntry(
        "Learning curves, first subset",
        _CURVES.format(subsets="the first subset"),
        "study.figure_s4",
        _classifier_files(_first, "history.csv"),
        has_study_classifier,
    ),
    "figureS5": FigureEntry(
        "Confusion matrices, larger subsets",
        _MATRICES.format(subsets="the larger subsets"),
        "study.figure_s5",
        _classifier_files(_others, "metrics.json"),
        _has_larger_subsets,
    ),
    "figureS6": FigureEntry(
        "Learning curves, larger subsets",
        _CURVES.format(subsets="the larger subsets"),
        "study.figure_s6",
        _classifier_files(_others, "history.csv"),
        _has_larger_subsets,
    ),
    "figureS7": FigureEntry(
        "Shares of the cell types",
        "Share of each cell type in the data set and in the subsets of replicate 1.",
        "study.figure_s7",
        _figure_s7_inputs,
    ),
    "accuracy_by_dimension": _of_table(
        "table5",
        "Accuracy by dimension",
        "measures.accuracy_by_dimension",
        category="Figures",
        caption="Test accuracy by dimension of the classifier's input: principal components and "
        "latents of the chosen models. Horizontal lines are inputs without such a dimension, such "
        "as raw counts. Bars and bands are one standard deviation over replicates. Hollow marks "
        "and dotted lines are published accuracies, from one run each.",
    ),
    "leaderboard": _of_table(
        "leaderboard",
        "Accuracy against cost",
        "leaderboard.leaderboard_figure",
        category="Figures",
        caption="Test accuracy of all combinations of representations and classifiers, with 95 % "
        "intervals over replicates, against the cost of training. The three with the highest test "
        "accuracy are named.",
    ),
    "contrasts": FigureEntry(
        "Differences to raw counts and principal components",
        "Differences in accuracy, balanced accuracy and macro-F1 on test cells between each "
        "representation and the baselines, under the same classifier: means with 95 % intervals "
        "over replicates. The grey band is the region of practical equivalence. Classifiers beyond "
        "40 rows are only in the table.",
        "comparison.contrast_figure",
        lambda *_: ["tables/contrasts.csv"],
        has_contrasts,
        "Comparison",
    ),
    "latent_quality": _of_table(
        "latents",
        "Quality of representations and accuracy",
        "leaderboard.latent_quality",
        category="Figures",
        caption="Agreement of Leiden clusters with the types (NMI, ARI) of each dense "
        "representation, on all cells and on test cells alone, and test accuracy of a classifier "
        "on it, with 95 % intervals over replicates. Representations are sorted by NMI on all "
        "cells; the order by accuracy can differ.",
    ),
    "protocols": _of_table(
        "protocols",
        "Accuracy under three protocols",
        "comparison.protocol_figure",
        caption=f"{TABLES['protocols'].caption} Hollow diamonds are published accuracies.",
    ),
    "probabilities": _of_table(
        "probabilities",
        "Probability of the better input",
        "comparison.probability_figure",
        caption="Probabilities, for each pair of inputs of the controlled comparison, that the "
        "test accuracy on either is higher or that both are equal in practice (within "
        "comparison.rope), by the Bayesian correlated t-test over replicates.",
    ),
    "learning_curve": _of_table(
        "learning_curve",
        "Accuracy by number of training cells",
        "comparison.learning_curve_figure",
    ),
    "ablations": _of_table(
        "ablations",
        "Effects of the confounders",
        "comparison.ablation_figure",
    ),
    "detectable": _of_table(
        "detectable",
        "Detectable differences",
        "comparison.detectable_figure",
    ),
    "few_labels": _of_table(
        "few_labels",
        "Accuracy by number of labels",
        "few_labels.few_labels_figure",
    ),
    "table5_deposit": FigureEntry(
        "Table 5 on the authors' own data",
        f"{TABLES['table5_deposit'].caption} Boxes are quartiles and median, whiskers are "
        "the 2.5th and 97.5th percentiles.",
        "study.table5_deposit",
        _deposit_inputs,
        TABLES["table5_deposit"].is_wanted,
        "Comparison",
        dataset=STUDY,
    ),
}
