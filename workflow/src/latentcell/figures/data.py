"""Paths and readers of the files of a run for figures.

Rules need the paths at parse time, so pandas and anndata are imported only to read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.config.methods import fitting_classifiers
from latentcell.config.names import ModelName, cells_size, input_title, pca_name
from latentcell.config.settings import Settings
from latentcell.figures.style import TypeStyle, type_styles
from latentcell.grid.points import is_served
from latentcell.grid.variants import STUDY_CLASSIFIER, main_variant
from latentcell.runtime.io import read_cell_table, read_obs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_MAP_COMPONENTS = 50
_CHUNK = 4096
Key = tuple[str, str]  # subset and representation


@dataclass(frozen=True)
class FigureData:
    """Results of a run on a data set, read on demand.

    Parameters
    ----------
    folder : Path
        Folder ``results/{run}``.
    settings : Settings
        Settings of the run.
    dataset : str
        Name of the data set.
    chosen : list of str
        Names of the chosen models of the data set.
    """

    folder: Path
    settings: Settings
    dataset: str
    chosen: list[str]

    @cached_property
    def types(self) -> dict[str, TypeStyle]:
        """Styles of all types of the data set."""
        return type_styles(self._cell_types("dataset.h5ad"))

    def type_counts(self, path: str) -> "pd.Series[int]":
        """Number of cells of each type in a file of the data set."""
        return self._cell_types(path).value_counts()

    def _cell_types(self, path: str) -> "pd.Series[str]":
        return read_obs(self.folder / self.dataset / path)["cell_type"].astype(str)

    def table(self, name: str) -> "pd.DataFrame":
        """Rows of a table for the data set, or of a table across data sets."""
        import pandas as pd

        path = self.folder / "tables" / f"{name}.csv"
        # Only empty cells are missing: types can be named NA, data sets and types 10.
        names = {"dataset": str, "cell_type": str}
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)
        if "dataset" not in table:  # of all data sets together
            return table
        rows = table[table["dataset"] == self.dataset]
        return rows.drop(columns="dataset").reset_index(drop=True)

    def record(self, name: str) -> "pd.DataFrame":
        """Rows of a record for the run itself and the data set."""
        from latentcell.grid.records import read_record

        rows = read_record(self.folder / "records" / f"{name}.csv")
        own = rows["variant"] == main_variant(self.settings)
        return rows[own & (rows["dataset"] == self.dataset)]

    def history(self, key: Key, file: str) -> "pd.DataFrame":
        """Learning curves of all replicates, with a column ``replicate``."""
        import pandas as pd

        replicates = replicate_names(self.settings, key[1])
        paths = job_files(self.settings, self.dataset, [key], file)
        return pd.concat(
            [
                pd.read_csv(self.folder / path).assign(replicate=replicate)
                for replicate, path in zip(replicates, paths, strict=True)
            ],
            ignore_index=True,
        )

    def size(self, cells: str) -> int:
        """Number of cells of a subset."""
        size = cells_size(cells)
        return len(self._cell_types(first_cells(cells))) if size == "all" else size

    def title(self, key: Key) -> str:
        """Title of a panel: representation, number of cells and of replicates."""
        cells, name = key
        replicates = len(replicate_names(self.settings, name))
        several = f", {replicates} replicates" if replicates > 1 else ""
        return f"{input_title(name)}\n{self.size(cells):,} cells{several}"

    def points(self, key: Key) -> "pd.DataFrame":
        """TSNE map of a representation in replicate 1: barcode, x, y, cell_type."""
        cells, name = key
        table = read_cell_table(self.folder / self.dataset / map_file(cells, name))
        # Types of the whole data set, as generative models can have separate cells.
        types = self._cell_types("dataset.h5ad")
        return table.assign(cell_type=types.loc[table["barcode"]].to_numpy())


def replicate_names(settings: Settings, representation: str) -> list[str]:
    """Names of the replicates of a representation."""
    number = settings.grid.replicates_of(representation, settings.replicates)
    return settings.replicate_names()[:number]


def job_files(settings: Settings, dataset: str, keys: Iterable[Key], file: str) -> list[str]:
    """Paths of a file of representations in all replicates, relative to the run's folder."""
    return [
        f"{dataset}/{cells}/{replicate}/{name}/{file}"
        for cells, name in keys
        for replicate in replicate_names(settings, name)
    ]


def first_cells(cells: str) -> str:
    """Path of the cells of a subset in replicate 1, relative to the data set's folder."""
    return f"{cells}/r1/cells.h5ad"


def map_file(cells: str, representation: str) -> str:
    """Path of the map of a representation in replicate 1, relative to the data set's folder."""
    return f"{cells}/r1/{representation}/tsne.csv"


def map_representations(settings: Settings, chosen: Sequence[str], cells: str) -> list[str]:
    """Representations of a subset with a map in replicate 1."""
    if settings.pca_components() and cells == largest_subset(settings):
        return [map_pca(settings), *chosen]
    return list(chosen)


def map_pca(settings: Settings) -> str:
    """Name of the PCA to map: 50 components, or the closest number of the grid."""
    return pca_name(min(settings.pca_components(), key=lambda k: abs(k - _MAP_COMPONENTS)))


def largest_pca(settings: Settings) -> str:
    """Name of the PCA with the most components of the grid."""
    return pca_name(max(settings.pca_components()))


def largest_subset(settings: Settings) -> str:
    """Name of the subset with the most cells."""
    names = settings.subset_names()
    sizes = {name: cells_size(name) for name in names}
    return max(names, key=lambda name: float("inf") if sizes[name] == "all" else sizes[name])


def latents(settings: Settings, chosen: Sequence[str]) -> list[Key]:
    """Chosen models on all subsets."""
    return [(cells, name) for cells in settings.subset_names() for name in chosen]


def classified(
    settings: Settings, dataset: str, chosen: Sequence[str], subsets: Iterable[str]
) -> list[Key]:
    """Baselines and chosen models on subsets of a data set that fit the study's classifier."""
    names = _classified_names(settings, dataset, chosen)
    return [(cells, name) for cells in subsets for name in names]


def key_inputs(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[Key]:
    """Inputs of figure 3: raw counts, largest PCA and largest latent space of each subset."""
    first, *others = settings.subset_names()
    names = _classified_names(settings, dataset, chosen)
    models = [name for name in names if name in chosen]
    largest = max(models, key=lambda name: ModelName.parse(name).latent_dim, default=names[-1])
    wanted = ["raw", *([largest_pca(settings)] if settings.pca_components() else []), largest]
    on_first = [name for name in dict.fromkeys(wanted) if name in names]
    return [(first, name) for name in on_first] + [(cells, largest) for cells in others]


def _classified_names(settings: Settings, dataset: str, chosen: Sequence[str]) -> list[str]:
    names = dict.fromkeys((*settings.baselines(), *chosen))
    return [
        name
        for name in names
        if is_served(settings, name, dataset) and fitting_classifiers(name, [STUDY_CLASSIFIER])
    ]


def umi_counts(path: Path) -> "NDArray[np.float64]":
    """UMIs of each cell, read in chunks to limit memory."""
    import anndata
    import numpy as np

    counts = anndata.read_h5ad(path, backed="r")
    parts = [
        np.asarray(counts.X[start : start + _CHUNK].sum(axis=1)).ravel()
        for start in range(0, counts.n_obs, _CHUNK)
    ]
    counts.file.close()
    return np.concatenate(parts)
