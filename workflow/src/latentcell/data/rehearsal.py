"""Simulation of any number of cells from real ones, in the file formats of 10x.

    python -m latentcell.data.rehearsal --cells 68579 --out resources/rehearsal

Simulated cells test import and training at full size without the real matrix. Every barcode begins
with ``SIMULATED``, and so do the names of the files and the comment of the matrix.
`latentcell.data.importing` copies the mark to ``uns["simulated"]``, and `latentcell.runtime.mark`
from there to every file that is computed from such cells. None of these files is a result.

The type of a cell is drawn by the shares of the real donor, its size from the real cells of that
type. Counts are negative binomial around the mean profile of the type, drawn as a compound Poisson
distribution: a Poisson number of bursts falls on genes, and each burst adds a logarithmic number of
UMIs, at least one. The time of a cell depends on its number of UMIs, not on the number of genes.
"""

import argparse
import gzip
import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import anndata
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import atomic
from latentcell.runtime.mark import SIMULATED, SIMULATION_NOTE
from latentcell.runtime.progress import Progress, say

# Cells of each type among the donor's 68,579 cells, by the official annotation.
DONOR_CELLS = {
    "CD8+ Cytotoxic T": 20773,
    "CD8+/CD45RA+ Naive Cytotoxic": 16666,
    "CD56+ NK": 8776,
    "CD4+/CD25 T Reg": 6187,
    "CD19+ B": 5908,
    "CD4+/CD45RO+ Memory": 3061,
    "CD14+ Monocyte": 2862,
    "Dendritic": 2099,
    "CD4+/CD45RA+/CD25- Naive T": 1873,
    "CD34+": 277,
    "CD4+ T Helper2": 97,
}
FULL_SIZE = 68_579
# Folder in the archive of 10x. The genes file is the real one; the other files bear the mark.
_FOLDER = "filtered_matrices_mex/hg19"
_SOURCES = ("pbmc68k-study", "pbmc68k-sample", "pbmc68k")
# Prior weight, in UMIs, of the average profile in that of a type: some types have three cells.
_SHRINKAGE = 1_000.0
# Prior weight, in cells, of the pooled dispersion in that of a gene.
_EVIDENCE = 2.0
# Shape of the gamma distribution of means of genes without counts in the few real cells: most are
# nearly 0, and a third of the genes have counts among 68,579 cells.
_UNSEEN_SHAPE = 0.12
# Relative spread around the total of a real cell, since there are few of them.
_JITTER = 0.05
_PACKING = 1


@dataclass(frozen=True)
class Donor:
    """Parameters from which cells are simulated.

    Attributes
    ----------
    source
        Description of the real cells.
    genes, symbols
        Identifier and symbol of each gene.
    types, shares
        Cell types and their shares of the cells.
    totals
        UMIs of the real cells of each type.
    bursts
        Bursts per UMI of each type.
    urns
        Types x genes: cumulative probability that a burst falls on a gene, up to the last.
    sizes
        Types x genes: parameter of the logarithmic number of UMIs of a burst.
    """

    source: str
    genes: list[str]
    symbols: list[str]
    types: list[str]
    shares: NDArray[np.float64]
    totals: list[NDArray[np.float64]]
    bursts: NDArray[np.float64]
    urns: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def note(self) -> str:
        """Note in the files that marks them as simulated."""
        return f"{SIMULATION_NOTE} Learnt from {self.source}."


class Block(NamedTuple):
    """Consecutive cells: positions of their types, coordinates on a map, non-zeros by cell."""

    types: NDArray[np.intp]
    places: NDArray[np.float64]
    lengths: NDArray[np.intp]
    genes: NDArray[np.intp]
    counts: NDArray[np.int64]


class Files(NamedTuple):
    """Paths of the files of a simulated data set."""

    matrix: Path
    annotation: Path


def learn(adata: anndata.AnnData, shares: Mapping[str, float] | None = None) -> Donor:
    """Estimate the parameters of a donor from real cells.

    Parameters
    ----------
    adata
        Counts with ``obs["cell_type"]``, as returned by `import_dataset`.
    shares
        Cells of each type, in any unit; by default their numbers in `adata`.
    """
    counts = sparse.csr_matrix(adata.X, dtype=np.float64)
    types = adata.obs["cell_type"].cat.categories.tolist()
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    member = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    profiles = _profiles((member @ counts).toarray())
    dispersion = _dispersion(counts, member, totals, profiles)
    of_type = [totals[codes == code] for code in range(len(types))]
    # Overdispersion of a cell of average size of each type: variance over mean, minus one.
    excess = dispersion * profiles * np.array([[sizes.mean()] for sizes in of_type])
    excess = np.maximum(excess, 1e-9)
    falls = profiles * np.log1p(excess) / excess
    number = shares or {name: len(sizes) for name, sizes in zip(types, of_type, strict=True)}
    weights = np.array([number[name] for name in types], dtype=np.float64)
    return Donor(
        source=f"{adata.n_obs:,} cells of {adata.uns.get('dataset', 'an unnamed data set')}",
        genes=adata.var_names.tolist(),
        symbols=adata.var["symbol"].tolist(),
        types=types,
        shares=weights / weights.sum(),
        totals=of_type,
        bursts=falls.sum(axis=1),
        urns=np.cumsum(falls, axis=1) / falls.sum(axis=1, keepdims=True),
        sizes=excess / (1 + excess),
    )


def _profiles(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the share of each gene in the UMIs of each type from sums over real cells."""
    whole = sums.sum(axis=0)
    shrunk: NDArray[np.float64] = sums + _SHRINKAGE * whole / whole.sum()
    shrunk /= shrunk.sum(axis=1, keepdims=True)
    unseen = np.flatnonzero(whole == 0)
    if len(unseen):
        # Good-Turing estimate: the genes seen once give the total of the unseen ones. Its
        # distribution over the unseen genes is made up.
        once = float((whole == 1).sum())
        made_up = np.random.default_rng(0).gamma(_UNSEEN_SHAPE, size=len(unseen))
        # Bounded, so that no unseen gene is expected to be seen.
        expected = np.minimum(once * made_up / made_up.sum(), 1.0)
        shrunk *= 1 - expected.sum() / whole.sum()
        shrunk[:, unseen] = expected / whole.sum()
    return shrunk


def _dispersion(
    counts: sparse.csr_matrix,
    member: sparse.csr_matrix,
    totals: NDArray[np.float64],
    profiles: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Estimate (variance - mean) / mean^2 of each gene in each type.

    By moments, without a loop over cells or a dense matrix of cells.
    """
    squares = (member @ counts.multiply(counts)).toarray()
    crossed = (member @ sparse.diags_array(totals) @ counts).toarray()
    means = (member @ totals)[:, None] * profiles
    means_squared = (member @ totals**2)[:, None] * profiles**2
    excess = squares - 2 * profiles * crossed + means_squared - means
    pooled = excess.sum() / means_squared.sum()
    of_gene = excess.sum(axis=0) + _EVIDENCE * pooled
    of_gene /= means_squared.sum(axis=0) + _EVIDENCE
    of_type: NDArray[np.float64] = excess + _EVIDENCE * of_gene
    return np.maximum(of_type / (means_squared + _EVIDENCE), 0.0)


def draw_cells(donor: Donor, seed: int, first: int, last: int) -> Block:
    """Draw the cells at positions `first` to `last` (excluded) for a seed.

    Each cell has an independent random stream, so that it depends neither on the size of the
    blocks nor on the number of cells.
    """
    edges = np.cumsum(donor.shares)
    drawn = [_draw_cell(donor, edges, seed, position) for position in range(first, last)]
    types, places, genes, counts = zip(*drawn, strict=True)
    return Block(
        types=np.array(types),
        places=np.stack(places),
        lengths=np.array([len(of_cell) for of_cell in genes]),
        genes=np.concatenate(genes),
        counts=np.concatenate(counts),
    )


def _draw_cell(
    donor: Donor, edges: NDArray[np.float64], seed: int, position: int
) -> tuple[int, NDArray[np.float64], NDArray[np.intp], NDArray[np.int64]]:
    """Draw type, map coordinates, and positions of genes with their counts, the last gene first."""
    rng = np.random.default_rng([seed, position])
    kind = min(int(np.searchsorted(edges, rng.random(), side="right")), len(edges) - 1)
    angle = 2 * np.pi * kind / len(edges)
    place = 20 * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0.0, 3.0, 2)
    size = rng.choice(donor.totals[kind]) * np.exp(rng.normal(0.0, _JITTER))
    bursts = max(1, rng.poisson(size * donor.bursts[kind]))
    # Descending, as in the files of 10x at that time.
    falls = np.sort(rng.random(bursts))[::-1]
    genes = np.minimum(np.searchsorted(donor.urns[kind], falls, side="right"), len(donor.genes) - 1)
    brought = rng.logseries(donor.sizes[kind][genes])
    starts = np.flatnonzero(np.diff(genes, prepend=-1))
    return kind, place, genes[starts], np.add.reduceat(brought, starts)


def barcode(position: int) -> str:
    """Return the barcode of the cell at a position; it cannot be mistaken for one of 10x."""
    return f"{SIMULATED}{position + 1:09d}-1"


def files_of(cells: int, folder: Path) -> Files:
    """Return the paths that `write_rehearsal` writes."""
    return Files(
        folder / f"{SIMULATED}_{cells}_filtered_gene_bc_matrices.tar.gz",
        folder / f"{SIMULATED}_{cells}_barcodes_annotation.tsv",
    )


def write_rehearsal(
    donor: Donor, cells: int, folder: str | Path, seed: int = 1, *, block: int = 256
) -> Files:
    """Write a 10x archive and the annotation of simulated cells.

    Memory does not grow with the number of cells. The text of the matrix, some 7 kB per cell, is
    in `folder` until it is packed.

    Parameters
    ----------
    donor
        Parameters from `learn`.
    cells
        Number of cells.
    folder
        Folder for the files; created if missing.
    seed
        Seed of all random numbers.
    block
        Number of cells that are drawn and written at a time; the bytes do not depend on it.

    Raises
    ------
    InputError
        If the files exist.
    """
    folder = Path(folder)
    files = files_of(cells, folder)
    for file in files:
        if file.exists():
            raise InputError(f"{file}: expected no such file yet, found one: remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    note = f"{donor.note} Seed {seed}."
    with ExitStack() as stack:
        text, names = (stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(2))
        archive, annotation = (stack.enter_context(atomic(file)) for file in files)
        text.write(_header(note, donor, cells, 0))
        with annotation.open("wb") as types:
            types.write(b"TSNE.1\tTSNE.2\tbarcodes\tcelltype\n")
            nonzeros = 0
            for first, drawn in _blocks(donor, cells, seed, block):
                text.write(_lines(drawn, first))
                types.write(_annotate(drawn, donor, first))
                names.write(_barcodes(first, len(drawn.types)))
                nonzeros += len(drawn.genes)
        text.seek(0)
        text.write(_header(note, donor, cells, nonzeros))
        say(f"packing {nonzeros:,} non-zeros into {files.matrix.name}")
        _pack(archive, note, donor, names, text)
    return files


def _blocks(donor: Donor, cells: int, seed: int, block: int) -> Iterator[tuple[int, Block]]:
    """Iterate over blocks, each with the position of its first cell."""
    progress = Progress("simulated cells", cells)
    for first in range(0, cells, block):
        last = min(first + block, cells)
        yield first, draw_cells(donor, seed, first, last)
        progress.report(last, "written")


def _header(note: str, donor: Donor, cells: int, nonzeros: int) -> bytes:
    """Return the first lines of the matrix, of the same length for any number of non-zeros.

    The number is known only after the last cell, when the header is overwritten.
    """
    size = f"{len(donor.genes)} {cells} {nonzeros}"
    longest = f"{len(donor.genes)} {cells} {len(donor.genes) * cells}"
    banner = f"%%MatrixMarket matrix coordinate integer general\n% {note}"
    return f"{banner}{' ' * (len(longest) - len(size))}\n{size}\n".encode()


def _lines(block: Block, first: int) -> bytes:
    """Return lines ``gene cell count``, counted from one.

    Digits are right-aligned in a table of bytes and then compacted: a Python string for each of
    37 million lines would take minutes.
    """
    cells = _digits(np.arange(first + 1, first + 1 + len(block.types)), b" ")
    table = np.concatenate(
        [
            _digits(np.arange(1, block.genes.max(initial=0) + 2), b" ")[block.genes],
            np.repeat(cells, block.lengths, axis=0),
            _digits(np.arange(block.counts.max(initial=0) + 1), b"\n")[block.counts],
        ],
        axis=1,
    )
    used: NDArray[np.uint8] = table[table != 0]
    return used.tobytes()


def _digits(numbers: NDArray[np.intp], end: bytes) -> NDArray[np.uint8]:
    """Return the decimal digits of each number, right-aligned among zero bytes, and a last byte."""
    width = len(str(numbers.max(initial=0)))
    powers = 10 ** np.arange(width - 1, -1, -1)
    digits = (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    digits[(numbers[:, None] < powers) & (powers > 1)] = 0
    return np.append(digits, np.full((len(numbers), 1), ord(end), dtype=np.uint8), axis=1)


def _barcodes(first: int, number: int) -> bytes:
    return "".join(f"{barcode(first + i)}\n" for i in range(number)).encode()


def _annotate(block: Block, donor: Donor, first: int) -> bytes:
    """Return the lines of the annotation."""
    lines = [
        f"{x:.6f}\t{y:.6f}\t{barcode(position)}\t{donor.types[kind]}\n"
        for position, (kind, (x, y)) in enumerate(
            zip(block.types, block.places, strict=True), start=first
        )
    ]
    return "".join(lines).encode()


def _pack(archive: Path, note: str, donor: Donor, names: IO[bytes], text: IO[bytes]) -> None:
    """Write the parts into one archive, under the names of 10x."""
    rows = zip(donor.genes, donor.symbols, strict=True)
    genes = "".join(f"{gene}\t{symbol}\n" for gene, symbol in rows)
    # Without time stamps, so that equal cells give equal bytes.
    with (
        archive.open("wb") as plain,
        gzip.GzipFile("", "wb", _PACKING, plain, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as parts,
    ):
        _add(parts, f"{SIMULATED}.txt", io.BytesIO(f"{note}\n".encode()))
        _add(parts, f"{_FOLDER}/genes.tsv", io.BytesIO(genes.encode()))
        _add(parts, f"{_FOLDER}/barcodes.tsv", names)
        _add(parts, f"{_FOLDER}/matrix.mtx", text)


def _add(parts: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    parts.addfile(info, content)


def main(arguments: list[str] | None = None) -> int:
    """Write simulated cells; returns the exit status."""
    options = _options().parse_args(arguments)
    try:
        donor = _learn_from(options.source, Path(options.resources))
        say(f"{donor.note} Seed {options.seed}.")
        files = write_rehearsal(donor, options.cells, options.out, options.seed)
    except InputError as error:
        say(f"latentcell: {error}")
        return 1
    for file in files:
        print(file)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m latentcell.data.rehearsal",
        description="Simulate cells from real ones, in the file formats of 10x.",
    )
    parser.add_argument("--cells", type=_number, default=FULL_SIZE, help="number (%(default)s)")
    parser.add_argument("--out", default="resources/rehearsal", help="folder (%(default)s)")
    parser.add_argument("--seed", type=_seed, default=1, help="seed (%(default)s)")
    parser.add_argument(
        "--source",
        choices=_SOURCES,
        help=f"real cells to simulate from ({_SOURCES[0]}, or {_SOURCES[1]} if it is not "
        "available)",
    )
    parser.add_argument("--resources", default="resources", help="folder of the real cells")
    return parser


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected at least one cell")
    return number


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError("expected 0 or more")
    return seed


def _learn_from(source: str | None, resources: Path) -> Donor:
    """Estimate a donor from a built-in data set: the named one, or the best available."""
    try:
        adata = import_dataset(DatasetSettings(name=source or _SOURCES[0]), resources)
    except InputError as error:
        if source is not None:
            raise
        say(f"{error}; cells are simulated from {_SOURCES[1]}, which has 765 genes only")
        adata = import_dataset(DatasetSettings(name=_SOURCES[1]), resources)
    labels = set(adata.obs["cell_type"])
    return learn(adata, DONOR_CELLS if labels <= DONOR_CELLS.keys() else None)


if __name__ == "__main__":
    sys.exit(main())
