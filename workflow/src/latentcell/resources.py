"""What a job asks of a scheduler: memory and minutes, from the size of the data and the attempt.

Coefficients stand in this module alone. They are upper bounds on what was measured on a 2-core
virtual machine (AMD EPYC, AVX-512, other work beside it), November 2026:

- Importing: 500,000 simulated cells with 280 million counts from 10x's archive, 4.7 GB and 105 s.
- Drawing and writing cells: all of 68,579 cells with 38 million counts, 1.0 GB and 5 s.
- PCA, 100 components: 1,300 cells 250 MB and 9 s; 15,000 cells 460 MB and 11 s; 68,579 cells
  1.5 GB and 70 s.
- tSNE of 10 features: 500 cells 320 MB and 7 s; 15,000 cells 480 MB and 64 s; 68,579 cells 780 MB
  and 203 s.
- GMVAE, Z = 10, H = 100, K = 11, 32,738 genes: exact, 1,300 cells, 100 epochs, 970 MB and 520 s,
  360 s of them computing; genes in closed form, 15,000 cells, 920 MB and 70 s an epoch, 23 s of
  them computing. Z = 100, H = 500, 1,300 cells: 1.8 GB (docs/benchmarks.md). Two models of 765
  genes at once: 1.4 GB.
- Classifier, 15,000 cells: on raw counts of 32,738 genes 810 MB and 5 s an epoch, on 50 components
  290 MB and 0.4 s. PyTorch's Adam took eight times as long (docs/ffnn.md).
- Tables and figures of 1,300 cells and fewer: up to 260 MB and 6 s.
- Snakemake itself, twice in every job of a cluster: about 300 MB and 10 s.

The simulated cells are as sparse as the official ones (`latentcell.data.rehearsal`). On CUDA the
seconds were measured (docs/benchmarks.md), the memory of the host was not.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Literal

from latentcell.names import ModelName, pca_components
from latentcell.settings import (
    AnnotateSettings,
    DatasetSettings,
    FfnnSettings,
    VaeSettings,
    density_settings,
)

_MEGA = 1e6

# Every job: Snakemake and a Python with its libraries; and starting both on a busy file system.
_JOB_MB, _JOB_SECONDS = 600, 180
# Bytes a stored (non-zero) count: importing; reading a data set; holding cells and writing them.
_IMPORT_BYTES, _READ_BYTES, _CELLS_BYTES = 20, 10, 20
# A file of unknown content, before it is imported: memory and seconds a MB of the file.
_FILE_MB, _FILE_SECONDS = 10, 0.5
_COUNT_SECONDS = 1e-6

_PCA_BYTES, _PCA_SECONDS = 50, 2e-6
# A classifier on principal components with each of its penalties; a piece of 500 cells whose
# counts are compared with what a density expects.
_FIT_SECONDS_A_CELL, _PIECE_BYTES_A_GENE = 0.02, 20_000
_TSNE_BYTES_A_CELL, _TSNE_SECONDS_A_CELL = 15_000, 0.01
_FIGURE_BYTES_A_CELL = 5_000

# A generative model in training: beside its weights, and for each of them with gradient, two
# moments and a copy of the best; weights of encoders and decoder are 4 G H and few more.
_MODEL_MB, _WEIGHT_BYTES, _COUNT_BYTES = 600, 20, 24
_CUDA_MB = 3000
# Outputs and draws of a gene in a cell that is drawn, dense.
_DRAWN_BYTES = 40
# Multiply-adds a second; what has no products is as if H were so much wider.
_RATE, _WIDER = 0.5e11, 60
# Genes that no training cell expresses, and pairs of little weight, are most of the work.
_CLOSED_FORM = 0.5
_CUDA_STEP = 0.02

_CLASSIFIER_MB, _STEP_SECONDS, _WEIGHT_STEP_SECONDS, _ADAM = 250, 1e-3, 5e-10, 8


@dataclass(frozen=True)
class Size:
    """How much data there is: cells, genes, stored (non-zero) counts, and cell types."""

    cells: int
    genes: int
    stored: int
    types: int

    def of(self, cells: int | Literal["all"]) -> "Size":
        """A subset."""
        if cells == "all" or cells >= self.cells:
            return self
        return Size(cells, self.genes, ceil(self.stored * cells / self.cells), self.types)


@dataclass(frozen=True)
class Demand:
    """What a job needs beyond what every job needs."""

    mb: float = 0
    seconds: float = 0

    def mem_mb(self, attempt: int) -> int:
        """Megabytes to ask for: half as much again with each further attempt."""
        return ceil((_JOB_MB + self.mb) * (1 + attempt) / 2)

    def runtime(self, attempt: int) -> int:
        """Minutes to ask for, which grow with the attempt."""
        return ceil((_JOB_SECONDS + self.seconds) / 60) * attempt


# Before they are imported. Of the full data set's counts it is known that there are 1.7 %.
BUILT_IN = {
    "pbmc68k-sample": Size(700, 765, 180_000, 10),
    "pbmc68k-study": Size(1_500, 32_738, 830_000, 11),
    "pbmc68k": Size(68_579, 32_738, 40_000_000, 11),
}


def dataset_size(imported: str | Path, settings: DatasetSettings) -> Size:
    """Size of the data set: read from the imported file, or, where there is none yet, a guess."""
    path = Path(imported)
    if path.exists():
        # A file that is damaged is named, and made anew, by others.
        with suppress(OSError, KeyError):
            return _size(path, path.stat().st_mtime_ns)
    return BUILT_IN.get(settings.name, BUILT_IN["pbmc68k"])


@cache
def _size(path: Path, _: int) -> Size:
    """Size of an imported file, which is not read beyond its headers."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        cells, genes = map(int, file["X"].attrs["shape"])
        types = len(file["obs/cell_type/categories"])
        return Size(cells, genes, len(file["X/data"]), types)


def small(cells: int = 0) -> Demand:
    """A table or figure, or a file of some columns for each cell."""
    return Demand(cells * _FIGURE_BYTES_A_CELL / _MEGA, cells * 1e-3)


def importing(files: Iterable[str], settings: DatasetSettings) -> Demand:
    """Importing a data set: the user's own by the size of the files, else as is known."""
    if settings.path is None:
        size = BUILT_IN[settings.name]
        return Demand(size.stored * _IMPORT_BYTES / _MEGA, size.stored * _COUNT_SECONDS)
    found = [Path(file) for file in files]
    inside = [part for file in found for part in (file.rglob("*") if file.is_dir() else [file])]
    mb = sum(part.stat().st_size for part in inside if part.is_file()) / _MEGA
    return Demand(mb * _FILE_MB, mb * _FILE_SECONDS)


def learning_types(dataset: Size, settings: AnnotateSettings) -> Demand:
    """Learning to type cells: variable genes, components, a classifier and, maybe, a density."""
    parts = [principal_components(dataset)]
    if settings.density:
        name = f"gmvae-z{settings.latent_dim}-h{settings.hidden_units}"
        seen = dataset.of(settings.density_cells)
        parts.append(training([name], seen, density_settings(settings, seen.cells), 1, False))
    seconds = sum(part.seconds for part in parts)
    return Demand(max(part.mb for part in parts), seconds + dataset.cells * _FIT_SECONDS_A_CELL)


def typing(query: str, dataset: Size, settings: AnnotateSettings, threads: int) -> Demand:
    """Typing the cells of a file of unknown content, pieces of it at the same time."""
    path = Path(query)
    mb = path.stat().st_size / _MEGA if path.is_file() else 0
    pieces = _PIECE_BYTES_A_GENE * dataset.genes * threads / _MEGA if settings.density else 0
    return Demand(_MODEL_MB + mb * _FILE_MB + pieces, mb * _FILE_SECONDS * 4)


def drawing(dataset: Size, cells: Size) -> Demand:
    """Reading a data set, or another file of its size, and writing cells of it."""
    stored = dataset.stored * _READ_BYTES + cells.stored * _CELLS_BYTES
    return Demand(stored / _MEGA, (dataset.stored + cells.stored) * _COUNT_SECONDS)


def principal_components(cells: Size) -> Demand:
    """Principal components of sparse counts."""
    return Demand(cells.stored * _PCA_BYTES / _MEGA, 30 + cells.stored * _PCA_SECONDS)


def mapping(cells: Size) -> Demand:
    """A tSNE map."""
    return Demand(cells.cells * _TSNE_BYTES_A_CELL / _MEGA, 30 + cells.cells * _TSNE_SECONDS_A_CELL)


def sampling(model: str, number: int, cells: Size) -> Demand:
    """Drawing so many cells from a model that was trained on these."""
    drawn = number * cells.genes * _DRAWN_BYTES + cells.stored * _CELLS_BYTES
    weights = _weights(ModelName.parse(model), cells) * 4
    return Demand(_MODEL_MB + (weights + drawn) / _MEGA, 60 + number * 0.05)


def training(
    models: Sequence[str], cells: Size, settings: VaeSettings, at_once: int, cuda: bool
) -> Demand:
    """Training generative models on such cells, so many at a time, on a GPU that was granted."""
    names = [ModelName.parse(model) for model in models]
    own = _MODEL_MB + cells.stored * _COUNT_BYTES / _MEGA + (_CUDA_MB if cuda else 0)
    memory = [own + _weights(name, cells) * _WEIGHT_BYTES / _MEGA for name in names]
    seconds = [_training_seconds(name, cells, settings, cuda) for name in names]
    if cuda:  # They share it.
        return _side_by_side(memory, [sum(seconds)], at_once)
    return _side_by_side(memory, seconds, at_once)


def _weights(name: ModelName, cells: Size) -> int:
    return 4 * name.hidden_units * (cells.genes + name.latent_dim + cells.types)


def _training_seconds(name: ModelName, cells: Size, settings: VaeSettings, cuda: bool) -> float:
    samples = settings.monte_carlo_samples * settings.importance_samples
    if cuda:
        return settings.epochs * ceil(cells.cells / settings.batch_size) * samples * _CUDA_STEP
    components = cells.types if settings.components == "labels" else settings.components
    rows = cells.cells * samples * (components if name.kind == "gmvae" else 1)
    work = 6.0 * rows * cells.genes * (name.hidden_units + _WIDER)
    share = _CLOSED_FORM if settings.unexpressed_genes == "closed-form" else 1
    return settings.epochs * work / _RATE * share


def classifying(inputs: Sequence[str], cells: Size, settings: FfnnSettings, at_once: int) -> Demand:
    """Training classifiers on such cells, so many at a time."""
    steps = settings.epochs * ceil(cells.cells / settings.batch_size)
    slower = _ADAM if settings.optimiser == "adam" else 1
    memory, seconds = [], []
    for input in inputs:
        weights = _features(input, cells) * settings.hidden_units
        counts = cells.stored if input == "raw" else cells.cells * _features(input, cells)
        memory.append(_CLASSIFIER_MB + (weights * _WEIGHT_BYTES + counts * _COUNT_BYTES) / _MEGA)
        seconds.append(steps * slower * (_STEP_SECONDS + weights * _WEIGHT_STEP_SECONDS))
    return _side_by_side(memory, seconds, at_once)


def _features(input: str, cells: Size) -> int:
    if input == "raw":
        return cells.genes
    return pca_components(input) or ModelName.parse(input).latent_dim


def _side_by_side(memory: list[float], seconds: list[float], at_once: int) -> Demand:
    """The largest parts of a job at the same time; the longest begun when all others are done."""
    at_once = max(1, at_once)
    most = sum(sorted(memory, reverse=True)[:at_once])
    longest = max(seconds)
    return Demand(most, (sum(seconds) - longest) / at_once + longest)
