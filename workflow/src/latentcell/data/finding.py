"""Contents of a file of cells: place of the counts, columns of labels and batches, names of genes.

`latentcell check`, `train` and `annotate` look into a file in this way, and read it as they found
it. Values are read in pieces; the counts of a large file are never in memory as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anndata
import pandas as pd

from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import LARGEST_COUNT
from latentcell.data.labelling import (
    MOST_BATCHES,
    MOST_TYPES,
    Column,
    batch_columns,
    choose_labels,
    label_column,
    label_columns,
    named_column,
)
from latentcell.data.matrices import Matrix, choose_counts, in_order, measure, no_counts
from latentcell.data.predicting import agreement_with_counts
from latentcell.data.readers import CellFile, Place, open_cells
from latentcell.data.tables import read_annotation
from latentcell.runtime.errors import InputError

__all__ = [
    "MOST_BATCHES",
    "MOST_TYPES",
    "Column",
    "Found",
    "Matrix",
    "counts_layer",
    "find",
    "label_column",
    "no_counts",
]

# Number of stored values that are read together.
_PIECE = 2**22
# Settings of a data set that say how its file is read.
_HOW = ("format", "genome", "orientation", "labels")


@dataclass(frozen=True)
class Found:
    """Contents of a file of cells.

    Attributes
    ----------
    path, format
        Path and format of the file.
    matrices
        Matrices of the file, ``X`` first.
    genes
        Genes of ``X``, indexed by identifier, or by symbol if there are no identifiers; with the
        column ``symbol``.
    obs
        Table of the cells.
    labels, batches
        Candidate columns of cell types and of batches, the likeliest first.
    repeated_genes
        Number of repeated symbols or identifiers.
    notes
        Remarks on what was read.
    layer
        Layer that the user names; None: the counts are looked for.
    how
        Settings besides the path with which the file was read.
    file
        The file, to read it as it was found.
    """

    path: Path
    format: str
    matrices: list[Matrix]
    genes: pd.DataFrame
    obs: pd.DataFrame
    labels: list[Column] = field(default_factory=list)
    batches: list[Column] = field(default_factory=list)
    repeated_genes: int = 0
    notes: tuple[str, ...] = ()
    layer: str | None = None
    how: dict[str, str] = field(default_factory=dict)
    file: CellFile | None = None

    @property
    def counts(self) -> Matrix | None:
        """Matrix of the counts; None without counts, or if it is not plain which one it is."""
        return self._choice()[0]

    @property
    def question(self) -> str:
        """What prevents the counts from being read; empty if there are counts."""
        return self._choice()[1]

    def _choice(self) -> tuple[Matrix | None, str]:
        if self.layer is None or self.file is None:
            return choose_counts(self.matrices, self.path)
        place = self.file.place(self.layer)
        measured = (matrix for matrix in self.matrices if matrix.place == place.name)
        named = next(measured, None) or _measured_of(place)  # Raises why it cannot be read.
        return (named, "") if named.is_counts else (None, no_counts(self.path, [named]))

    def choose_labels(self, wanted: str | None = None) -> tuple[Column | None, str]:
        """Choose the column of the cell types, or say what to ask.

        Raises
        ------
        InputError
            If the wanted column is absent or does not divide the cells.
        """
        if self.file is not None and wanted in self.file.left_out:
            raise InputError(
                f"{self.path}: expected cell types in the column {wanted!r}, found values that "
                "cannot be read: store them as text"
            )
        if wanted is not None:
            return named_column(self.obs, wanted, str(self.path)), ""
        taken, question = choose_labels(self.labels, self.obs, str(self.path), self._agreement)
        if question and self.file is not None and self.file.left_out:
            question += f"; columns that cannot be read: {', '.join(self.file.left_out)}"
        return taken, question

    def _agreement(self, columns: Sequence[str]) -> Mapping[str, float]:
        counts = self.counts
        if self.file is None or counts is None or not set(columns) <= set(self.obs):
            return {}
        place = self.file.places[counts.place]
        genes = place.genes
        return agreement_with_counts(
            self.obs, columns, genes.table.index, place.blocks(_PIECE), genes.kept
        )

    def read(self, most: int | None = None) -> anndata.AnnData:
        """Read the cells with their counts; raises `InputError` without counts.

        More than `most` counts stay in a file; see `CellFile.read`. None: all are read.
        """
        counts = self.counts
        if self.file is None or counts is None:
            raise InputError(self.question)
        many = most is not None and counts.stored > most
        stays = many and counts.largest <= LARGEST_COUNT
        return self.file.read(counts.layer, counts.stored if stays else None)


def find(source: str | Path | DatasetSettings) -> Found:
    """Look into a file of cells.

    Parameters
    ----------
    source
        Path, or settings with the path, the format and what else is known of the file.

    Raises
    ------
    InputError
        If the file is missing, broken or of another kind.
    """
    settings = source if isinstance(source, DatasetSettings) else _settings(source)
    path = Path(settings.path or "")
    if not path.exists():
        raise InputError(f"{path}: expected a file of cells, found none: check the name")
    file = open_cells(settings)
    matrices, faults = _measured(file)
    obs = labelled = file.obs
    if settings.labels is not None:
        labelled = _read_labels(obs, Path(settings.labels))
        rest = [name for name in obs if name not in labelled]
        obs = pd.concat([obs[rest], labelled], axis=1)
    return Found(
        path,
        file.format,
        in_order(matrices),
        file.genes.table,
        obs,
        label_columns(labelled),
        batch_columns(obs),
        file.genes.repeated,
        tuple(dict.fromkeys((*file.notes, *file.genes.notes, *faults))),
        settings.layer,
        _how(settings),
        file,
    )


def _how(settings: DatasetSettings) -> dict[str, str]:
    given = {key: value for key in _HOW if (value := getattr(settings, key)) not in (None, "auto")}
    if "labels" in given:
        given["labels"] = str(Path(given["labels"]).resolve())
    return given


def _measured(file: CellFile) -> tuple[list[Matrix], list[str]]:
    """Summarise the matrices; those that cannot be read are named, if there are others."""
    matrices, faults = [], []
    for place in file.places.values():
        try:
            matrices.append(_measured_of(place))
        except InputError as error:
            faults.append(error)
    if faults and not matrices:
        raise faults[0]
    return matrices, [f"not read: {error}" for error in faults]


def _measured_of(place: Place) -> Matrix:
    return measure(place.name, place.shape, place.blocks(_PIECE), place.genes.kept)


def _settings(path: str | Path) -> DatasetSettings:
    return DatasetSettings(name="own", path=str(path))


def _read_labels(obs: pd.DataFrame, path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: expected a file of cell types, found none: check the name")
    return read_annotation(path, obs.index)


def counts_layer(path: Path, layer: str | None) -> str | None:
    """Find the layer with the counts of a file; None for ``X``. A given `layer` wins.

    Raises
    ------
    InputError
        If no matrix of the file holds counts, or several may.
    """
    if layer is not None or not path.exists():
        return None if layer == "X" else layer
    found = find(path)
    if found.counts is None:
        raise InputError(found.question)
    return found.counts.layer
