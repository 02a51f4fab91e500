"""Memory and minutes that jobs request from a scheduler, by size of the data and attempt.

All coefficients are in this module. They are upper bounds on measurements on a 2-core virtual
machine (AMD EPYC, AVX-512, with other load), November 2026:

- Importing: 500,000 simulated cells with 280 million counts from 10x's archive, 4.7 GB and 105 s.
- Drawing and writing cells: all of 68,579 cells with 38 million counts, 1.0 GB and 5 s.
- PCA, 100 components: 1,300 cells 250 MB and 9 s; 15,000 cells 660 MB and 11 s; 68,579 cells
  1.5 GB and 70 s; 500,000 cells 2.7 GB.
- tSNE of 10 features: 500 cells 320 MB and 7 s; 15,000 cells 480 MB and 64 s; 68,579 cells 780 MB
  and 203 s.
- GMVAE, Z = 10, H = 100, K = 11, 32,738 genes: exact, 1,300 cells, 100 epochs, 970 MB and 520 s,
  360 s of computing; genes in closed form, 15,000 cells, 920 MB and 70 s per epoch, 23 s of
  computing. Z = 100, H = 500, 1,300 cells: 1.8 GB (docs/benchmarks.md). Two models of 765
  genes at once: 1.4 GB.
- Classifier, 15,000 cells: on raw counts of 32,738 genes 810 MB and 5 s per epoch, on 50 components
  290 MB and 0.4 s. PyTorch's Adam took eight times as long (docs/ffnn.md).
- GMVAE `recommended`, 2,000 variable genes, 15,000 cells: 995 MB and 27 s per epoch.
- Other representations, 1,300 cells of 32,738 genes (docs/methods.md): 1 min and 1.1 GB for scANVI,
  7 s for the slowest without epochs. 15,000 cells: up to 990 MB, and 38 s without epochs.
- Components of variable genes: 15,000 cells 630 MB, 500,000 cells 2.6 GB and 68 s.
- Other classifiers, 1,300 cells: on all genes up to 80 s and 1.1 GB, on 50 components up to 6 s and
  250 MB; 15,000 cells on 50 components up to 61 s and 760 MB. Those that read counts in pieces take
  less than 3 GB for 500,000 cells.
- Quality of 50 features: 10,000 cells, the most that are measured, 950 MB and 13 s, and 12 s more
  where libraries are imported for the first time.
- Tables and figures of 1,300 cells and fewer: up to 260 MB and 6 s.
- Snakemake itself, twice in every job of a cluster: about 300 MB and 10 s.

The simulated cells are as sparse as the official ones (`latentcell.data.rehearsal`). On CUDA,
seconds were measured (docs/benchmarks.md), the memory of the host was not.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Literal

from latentcell.config.methods import classifier, gives, representation
from latentcell.config.names import ModelName, is_model, pca_components
from latentcell.config.settings import (
    AnnotateSettings,
    DatasetSettings,
    FfnnSettings,
    VaeSettings,
    density_settings,
)

_MEGA = 1e6

# Any job: Snakemake, Python and its libraries, and their start on a busy file system.
_JOB_MB, _JOB_SECONDS = 600, 180
# Bytes per stored (non-zero) count: import, reading of a data set, holding and writing of cells.
_IMPORT_BYTES, _READ_BYTES, _CELLS_BYTES = 20, 10, 20
# Memory and seconds per MB of a file of unknown content before the import.
_FILE_MB, _FILE_SECONDS = 10, 0.5
_COUNT_SECONDS = 1e-6

# Counts in memory; many counts, which stay in their file but for training cells.
_PCA_BYTES, _PCA_MB, _PCA_STREAMED_BYTES, _PCA_SECONDS = 50, 600, 10, 2e-6
# Classifier on principal components with all penalties; a piece of 500 cells whose counts are
# compared with the expectation of a density model.
_FIT_SECONDS_PER_CELL, _PIECE_BYTES_PER_GENE = 0.02, 20_000
# Regression on all genes, by a Gram matrix of at most so many cells; on the sorted cells of the
# docs it took 4.4e-6 seconds for each pair of cells.
_MOST_GRAM_CELLS, _GRAM_COPIES, _GRAM_SECONDS = 6000, 3, 1e-5
_TSNE_BYTES_PER_CELL, _TSNE_SECONDS_PER_CELL = 15_000, 0.01
_GRAPH_MB, _GRAPH_BYTES_PER_CELL, _GRAPH_SECONDS = 600, 2_000, 60
_FIGURE_BYTES_PER_CELL = 5_000

# Generative model in training: base memory, and bytes per weight with gradient, two moments and a
# copy of the best. Encoders and decoder have slightly more than 4 G H weights.
_MODEL_MB, _WEIGHT_BYTES, _COUNT_BYTES = 600, 20, 24
_CUDA_MB = 3000
# Bytes per gene of a sampled cell: dense outputs and draws.
_DRAWN_BYTES = 40
# Multiply-adds per second; other operations count as additional hidden units, those of a negative
# binomial with size factors as more of them.
_RATE, _WIDER, _WIDER_SIZE_FACTOR = 0.5e11, 60, 700
# Share of work that remains without unexpressed genes and pairs of low weight.
_CLOSED_FORM = 0.5
_CUDA_STEP = 0.02

# Other libraries. Seconds per cell of representations, with and without epochs.
_REPRESENT_MB, _REPRESENT_CELL_MB = 600, 0.04
_EPOCHS_SECONDS_PER_CELL, _REPRESENT_SECONDS_PER_CELL = 0.2, 0.05
# Classifiers, per cell, and per entry of dense features or count read in pieces; the most
# demanding ones need dense genes.
_CLASSIFY_MB, _CLASSIFY_CELL_MB, _STREAMED_CELL_MB, _ENTRY_BYTES = 400, 0.1, 0.006, 25
_CLASSIFY_SECONDS_PER_CELL, _ENTRY_SECONDS, _STREAMED_SECONDS = 0.02, 4e-6, 5e-5

_CLASSIFIER_MB, _STEP_SECONDS, _WEIGHT_STEP_SECONDS, _ADAM = 250, 1e-3, 5e-10, 8


@dataclass(frozen=True)
class Size:
    """Size of data: cells, genes, stored (non-zero) counts, and cell types."""

    cells: int
    genes: int
    stored: int
    types: int

    def of(self, cells: int | Literal["all"]) -> "Size":
        """Return the size of a subset."""
        if cells == "all" or cells >= self.cells:
            return self
        return Size(cells, self.genes, ceil(self.stored * cells / self.cells), self.types)

    def joined(self, others: Iterable["Size"]) -> "Size":
        """Return the size with the cells of others."""
        parts = [self, *others]
        cells, stored = sum(one.cells for one in parts), sum(one.stored for one in parts)
        return Size(cells, self.genes, stored, self.types)


@dataclass(frozen=True)
class Demand:
    """Demands of a job in addition to those of any job."""

    mb: float = 0
    seconds: float = 0

    def mem_mb(self, attempt: int) -> int:
        """Return the megabytes to request, half as much again for each further attempt."""
        return ceil((_JOB_MB + self.mb) * (1 + attempt) / 2)

    def runtime(self, attempt: int) -> int:
        """Return the minutes to request, proportional to the attempt."""
        return ceil((_JOB_SECONDS + self.seconds) / 60) * attempt


# Sizes before the import. The full data set has 1.7 % non-zero counts.
BUILT_IN = {
    "pbmc68k-sample": Size(700, 765, 180_000, 10),
    "pbmc68k-study": Size(1_500, 32_738, 830_000, 11),
    "pbmc68k": Size(68_579, 32_738, 40_000_000, 11),
    "zheng-sorted": Size(94_655, 32_738, 66_000_000, 10),
    "sc-mixology-celseq2": Size(274, 28_204, 1_960_000, 3),
    "sc-mixology-dropseq": Size(225, 15_127, 1_300_000, 3),
    "sc-mixology-5cl-p1": Size(297, 15_564, 1_820_000, 5),
    "sc-mixology-5cl-p2": Size(307, 14_078, 1_740_000, 5),
    "simulated-mixture": Size(2_000, 600, 550_000, 6),
    "frozen-pbmc-donor-a": Size(2_900, 32_738, 2_200_000, 0),
}


def dataset_size(
    imported: str | Path, settings: DatasetSettings, size_of: Callable[[str], Size]
) -> Size:
    """Read the size of a data set from the imported file, or guess it before the import.

    Parameters
    ----------
    imported
        Imported file.
    settings
        Section of the data set.
    size_of
        Function from the name of another data set to its size: a derived data set has at most the
        cells of its sources.
    """
    path = Path(imported)
    if path.exists():
        # A damaged file is reported and replaced elsewhere.
        with suppress(OSError, KeyError):
            return _size(path, path.stat().st_mtime_ns)
    if settings.derived_from is not None:
        others = [size_of(settings.test_on)] if settings.test_on is not None else []
        return size_of(settings.derived_from).joined(others)
    return BUILT_IN.get(settings.name, BUILT_IN["pbmc68k"])


@cache
def _size(path: Path, _: int) -> Size:
    """Read the size of an imported file from its headers."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        cells, genes = map(int, file["X"].attrs["shape"])
        types = len(file["obs/cell_type/categories"]) if "obs/cell_type" in file else 0
        return Size(cells, genes, len(file["X/data"]), types)


def small(cells: int = 0) -> Demand:
    """Estimate a table, a figure, or a file with some columns for each cell."""
    return Demand(cells * _FIGURE_BYTES_PER_CELL / _MEGA, cells * 1e-3)


def importing(files: Iterable[str], settings: DatasetSettings) -> Demand:
    """Estimate an import by the size of the user's files or of the built-in data set."""
    if settings.is_built_in or settings.is_remote:
        size = BUILT_IN.get(settings.name, BUILT_IN["pbmc68k"])
        return Demand(size.stored * _IMPORT_BYTES / _MEGA, size.stored * _COUNT_SECONDS)
    found = [Path(file) for file in files]
    inside = [part for file in found for part in (file.rglob("*") if file.is_dir() else [file])]
    mb = sum(part.stat().st_size for part in inside if part.is_file()) / _MEGA
    return Demand(mb * _FILE_MB, mb * _FILE_SECONDS)


def learning_types(dataset: Size, settings: AnnotateSettings) -> Demand:
    """Estimate the training of an annotator, with its density model if configured."""
    parts = [principal_components(dataset)]
    if settings.density:
        name = f"gmvae-z{settings.latent_dim}-h{settings.hidden_units}"
        seen = dataset.of(settings.density_cells)
        parts.append(training([name], seen, density_settings(settings, seen.cells), 1, False))
    if "gmvae" in settings.candidates:
        seen = dataset.of(settings.density_cells)
        preset = VaeSettings(preset="recommended", device="cpu")
        parts.append(training(["gmvae-z50-h100-recommended"], seen, preset, 1, False))
    if "log-ridge" in settings.candidates:
        cells = min(dataset.cells, _MOST_GRAM_CELLS)
        dense = _GRAM_COPIES * 4 * cells * dataset.genes / _MEGA
        parts.append(Demand(_MODEL_MB + dense, cells**2 * _GRAM_SECONDS))
    seconds = sum(part.seconds for part in parts)
    return Demand(max(part.mb for part in parts), seconds + dataset.cells * _FIT_SECONDS_PER_CELL)


def typing(query: str, dataset: Size, settings: AnnotateSettings, threads: int) -> Demand:
    """Estimate the annotation of a file of unknown content, in parallel pieces."""
    path = Path(query)
    mb = path.stat().st_size / _MEGA if path.is_file() else 0
    pieces = _PIECE_BYTES_PER_GENE * dataset.genes * threads / _MEGA if settings.density else 0
    return Demand(_MODEL_MB + mb * _FILE_MB + pieces, mb * _FILE_SECONDS * 4)


def drawing(dataset: Size, cells: Size) -> Demand:
    """Estimate reading a data set, or a file of its size, and writing some of its cells."""
    stored = dataset.stored * _READ_BYTES + cells.stored * _CELLS_BYTES
    return Demand(stored / _MEGA, (dataset.stored + cells.stored) * _COUNT_SECONDS)


def principal_components(cells: Size) -> Demand:
    """Estimate principal components of sparse counts."""
    streamed = _PCA_MB + cells.stored * _PCA_STREAMED_BYTES / _MEGA
    most = min(cells.stored * _PCA_BYTES / _MEGA, streamed)
    return Demand(most, 30 + cells.stored * _PCA_SECONDS)


def representing(name: str, cells: Size) -> Demand:
    """Estimate a representation other than the models of section `grid.models`."""
    if name == "raw":
        return drawing(cells, cells)
    if pca_components(name):
        return principal_components(cells)
    method = None if is_model(name) else representation(name)
    has_epochs = method is None or method.epochs
    each = _EPOCHS_SECONDS_PER_CELL if has_epochs else _REPRESENT_SECONDS_PER_CELL
    seconds = 10 + cells.cells * each
    if method is not None and method.streams:
        return Demand(principal_components(cells).mb, seconds)
    counts = cells.stored * _PCA_BYTES / _MEGA
    return Demand(_REPRESENT_MB + cells.cells * _REPRESENT_CELL_MB + counts, seconds)


def fitting(name: str, features: str, cells: Size) -> Demand:
    """Estimate a classifier other than `ffnn` on the features of a representation."""
    mb, seconds = _CLASSIFY_MB, cells.cells * _CLASSIFY_SECONDS_PER_CELL
    if gives(features) in classifier(name).streams:
        seconds += cells.stored * _STREAMED_SECONDS
        return Demand(mb + cells.cells * _STREAMED_CELL_MB, seconds)
    entries = cells.cells * _features(features, cells)
    dense = cells.cells * _CLASSIFY_CELL_MB + entries * _ENTRY_BYTES / _MEGA
    return Demand(mb + dense, seconds + entries * _ENTRY_SECONDS)


def mapping(cells: Size) -> Demand:
    """Estimate a tSNE map."""
    return Demand(
        cells.cells * _TSNE_BYTES_PER_CELL / _MEGA, 30 + cells.cells * _TSNE_SECONDS_PER_CELL
    )


def clustering(cells: Size) -> Demand:
    """Estimate neighbours and Leiden clusters of a dense representation."""
    return Demand(_GRAPH_MB + cells.cells * _GRAPH_BYTES_PER_CELL / _MEGA, _GRAPH_SECONDS)


def sampling(model: str, number: int, cells: Size) -> Demand:
    """Estimate drawing a number of cells from a model trained on `cells`."""
    drawn = number * cells.genes * _DRAWN_BYTES + cells.stored * _CELLS_BYTES
    weights = _weights(ModelName.parse(model), cells) * 4
    return Demand(_MODEL_MB + (weights + drawn) / _MEGA, 60 + number * 0.05)


def training(
    models: Sequence[str], cells: Size, settings: VaeSettings, at_once: int, cuda: bool
) -> Demand:
    """Estimate the training of generative models, `at_once` in parallel, on CPU or GPU.

    The presets of the models take the place of that of the settings.
    """
    names = [ModelName.parse(model) for model in models]
    own = _MODEL_MB + cells.stored * _COUNT_BYTES / _MEGA + (_CUDA_MB if cuda else 0)
    memory = [own + _weights(name, cells) * _WEIGHT_BYTES / _MEGA for name in names]
    seconds = [_training_seconds(name, cells, settings, cuda) for name in names]
    if cuda:  # The models share the GPU.
        return _side_by_side(memory, [sum(seconds)], at_once)
    return _side_by_side(memory, seconds, at_once)


def _weights(name: ModelName, cells: Size) -> int:
    return name.seeds * 4 * name.hidden_units * (cells.genes + name.latent_dim + cells.types)


def _training_seconds(name: ModelName, cells: Size, settings: VaeSettings, cuda: bool) -> float:
    settings = settings.with_preset(name.preset)
    samples = settings.monte_carlo_samples * settings.importance_samples
    if cuda:
        steps = settings.epochs * ceil(cells.cells / settings.batch_size)
        return name.seeds * steps * samples * _CUDA_STEP
    components = cells.types if settings.components == "labels" else settings.components
    rows = cells.cells * samples * (components if name.is_mixture else 1)
    # Variable genes are all expressed.
    genes = cells.genes * (_CLOSED_FORM if settings.unexpressed_genes == "closed-form" else 1)
    genes = min(genes, settings.variable_genes or genes)
    costly = settings.size_factor and settings.likelihood != "poisson"
    wider = _WIDER_SIZE_FACTOR if costly else _WIDER
    work = 6.0 * rows * genes * (name.hidden_units + wider)
    return name.seeds * settings.epochs * work / _RATE


def classifying(
    representations: Sequence[str], cells: Size, settings: FfnnSettings, at_once: int
) -> Demand:
    """Estimate the training of `ffnn` classifiers, `at_once` in parallel."""
    steps = settings.epochs * ceil(cells.cells / settings.batch_size)
    slower = _ADAM if settings.optimiser == "adam" else 1
    memory, seconds = [], []
    for name in representations:
        features = _features(name, cells)
        weights = features * settings.hidden_units
        sparse = gives(name) in ("counts", "log")
        counts = cells.stored if sparse else cells.cells * features
        memory.append(_CLASSIFIER_MB + (weights * _WEIGHT_BYTES + counts * _COUNT_BYTES) / _MEGA)
        seconds.append(steps * slower * (_STEP_SECONDS + weights * _WEIGHT_STEP_SECONDS))
    return _side_by_side(memory, seconds, at_once)


def _features(name: str, cells: Size) -> int:
    """Return the number of columns of a representation."""
    if is_model(name):
        model = ModelName.parse(name)
        return cells.types if gives(name) == "types" else model.latent_dim * model.seeds
    # Scores without a size have a column for each type of a reference.
    dense = gives(name) in ("scores", "types")
    return representation(name).size or (cells.types if dense else cells.genes)


def _side_by_side(memory: list[float], seconds: list[float], at_once: int) -> Demand:
    """Combine parts: the largest at the same time, the longest last."""
    at_once = max(1, at_once)
    most = sum(sorted(memory, reverse=True)[:at_once])
    longest = max(seconds)
    return Demand(most, (sum(seconds) - longest) / at_once + longest)
