"""Results of a run on a data set, for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from latentcell.config.settings import Settings
from latentcell.figures.data import FigureData, Key, replicate_names, umi_counts
from latentcell.grid.points import Point, classifier_points, model_points
from latentcell.grid.variants import main_classifier, main_variant, variants
from latentcell.runtime.io import read_obs


@dataclass(frozen=True)
class Results(FigureData):
    """Results of a run on a data set.

    Parameters
    ----------
    folder, settings, dataset, chosen
        As in `FigureData`.
    trained : list of Point
        Trained models and classifiers of the data set.
    """

    trained: list[Point]

    @property
    def variant(self) -> str:
        """Name of the run itself among its variants."""
        return main_variant(self.settings)

    @property
    def classifier(self) -> str:
        """Classifier of answers, maps and matrices."""
        return main_classifier(self.settings)

    def keys(self, classifier: str) -> list[Key]:
        """Subsets and representations with a classifier; those of models for an empty name."""
        found = (one for one in self.trained if one.classifier == classifier)
        return list(dict.fromkeys((one.subset, one.representation) for one in found))

    def inputs(self, cells: str) -> list[str]:
        """Representations of a subset with the classifier of the page."""
        return [name for subset, name in self.keys(self.classifier) if subset == cells]

    def first(self, cells: str, *names: str) -> Path:
        """Path of a file of a subset in replicate 1."""
        return self.folder.joinpath(self.dataset, cells, "r1", *names)

    def repeated(self, cells: str, name: str, *names: str) -> list[Path]:
        """Paths of a file of a representation of a subset in all its replicates."""
        folder = self.folder.joinpath(self.dataset, cells)
        replicates = replicate_names(self.settings, name)
        return [folder.joinpath(replicate, name, *names) for replicate in replicates]

    @property
    def file(self) -> Path:
        """Path of the imported data set."""
        return self.folder / self.dataset / "dataset.h5ad"

    @cached_property
    def cell_types(self) -> "pd.Series[str]":
        """Type of each cell of the data set."""
        return read_obs(self.file)["cell_type"].astype(str)

    @cached_property
    def genes(self) -> int:
        """Number of genes of the data set."""
        import h5py

        with h5py.File(self.file, "r", locking=False) as file:
            return int(file["X"].attrs["shape"][1])

    @cached_property
    def umi(self) -> "pd.Series[float]":
        """UMIs of each cell of the data set."""
        return pd.Series(umi_counts(self.file), self.cell_types.index)

    @cached_property
    def subsets(self) -> dict[str, pd.DataFrame]:
        """Cells of each subset in replicate 1."""
        names = self.settings.subset_names()
        return {name: read_obs(self.first(name, "cells.h5ad")) for name in names}

    def title_of(self, cells: str) -> str:
        """Title of a subset."""
        size = f"{len(self.subsets[cells]):,} cells"
        return f"All {size}" if cells == "all" else size

    def full_title(self, cells: str) -> str:
        """Title of a subset, with the data set if the run has several."""
        several = len(self.settings.dataset_names()) > 1
        return f"{self.dataset}, {self.title_of(cells)}" if several else self.title_of(cells)


def results_of(
    folder: Path, settings: Settings, chosen: Mapping[str, Sequence[str]]
) -> list[Results]:
    """Collect the results of all data sets, in the order of the run.

    Parameters
    ----------
    folder : Path
        Folder ``results/{run}``.
    settings : Settings
        Settings of the run.
    chosen : mapping of str to sequence of str
        Names of the chosen models of each data set.
    """
    run = variants(settings)[settings.run]
    points = [*model_points(run, chosen), *classifier_points(run, chosen)]
    return [
        Results(
            folder,
            settings,
            name,
            list(chosen[name]),
            [one for one in points if one.dataset == name],
        )
        for name in settings.dataset_names()
    ]
