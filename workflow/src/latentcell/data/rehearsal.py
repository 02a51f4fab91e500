"""A rehearsal donor: cells simulated from real ones, any number, in the very files that 10x ships.

    python -m latentcell.data.rehearsal --cells 68579 --out resources/rehearsal

It is for trying import and training at full size where the real matrix is not at hand. Every
barcode begins with ``SIMULATED``, and so do the names of the files and the matrix's comment;
`latentcell.data.importing` carries the mark into ``uns["simulated"]``, and `latentcell.mark` from
there into all that is made of them. Nothing that comes of such cells is a result.

A cell is of a type, with the share of the type in the real donor, and has the size of a real
cell of that type. Its counts are negative binomial around its type's mean profile. They are drawn
as the negative binomial arises: so many bursts, a Poisson number, fall on genes, and each brings
one UMI or more, a logarithmic number. So a cell costs as much time as it has UMIs, not as there
are genes.
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

from latentcell.data.importing import import_dataset
from latentcell.errors import InputError
from latentcell.io import atomic
from latentcell.mark import SIMULATED, SIMULATION_NOTE
from latentcell.progress import Progress, say
from latentcell.settings import DatasetSettings

# How many of the donor's 68,579 cells the official annotation gives to each type.
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
# As 10x packs it. The genes file is the real one: what marks the archive is the rest of it.
_FOLDER = "filtered_matrices_mex/hg19"
_SOURCES = ("pbmc68k-study", "pbmc68k-sample", "pbmc68k")
# A type's profile is taken with so many UMIs of the average one: some types have three cells.
_SHRINKAGE = 1_000.0
# The dispersion of a gene is taken with so many cells' worth of evidence for the pooled one.
_EVIDENCE = 2.0
# Means of the genes that the few real cells do not show are gamma: most are next to nothing, and a
# third of the genes turn up once there are 68,579 cells.
_UNSEEN_SHAPE = 0.12
# Real totals are few; each is used with this relative spread around it.
_JITTER = 0.05
_PACKING = 1


@dataclass(frozen=True)
class Donor:
    """What cells are simulated from.

    Attributes
    ----------
    source
        What it was learnt from.
    genes, symbols
        Identifier and symbol of each gene.
    types, shares
        Cell types and the share of cells that is of each.
    totals
        UMIs of the real cells of each type.
    bursts
        Bursts per UMI of each type.
    urns
        Types x genes: cumulative chance that a burst falls on a gene, up to the last.
    sizes
        Types x genes: parameter of the logarithmic number of UMIs that a burst brings.
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
        """The sentence by which the files say what they are."""
        return f"{SIMULATION_NOTE} Learnt from {self.source}."


class Block(NamedTuple):
    """Cells in a row: positions of their types, places on a map, non-zeros cell by cell."""

    types: NDArray[np.intp]
    places: NDArray[np.float64]
    lengths: NDArray[np.intp]
    genes: NDArray[np.intp]
    counts: NDArray[np.int64]


class Files(NamedTuple):
    """Where a rehearsal lies."""

    matrix: Path
    annotation: Path


def learn(adata: anndata.AnnData, shares: Mapping[str, float] | None = None) -> Donor:
    """Learn from real cells what a donor's cells are like.

    Parameters
    ----------
    adata
        Counts with ``obs["cell_type"]``, as `import_dataset` gives them.
    shares
        Cells of each type, in any unit; by default as many as there are in `adata`.
    """
    counts = sparse.csr_matrix(adata.X, dtype=np.float64)
    types = adata.obs["cell_type"].cat.categories.tolist()
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    member = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    profiles = _profiles((member @ counts).toarray())
    dispersion = _dispersion(counts, member, totals, profiles)
    of_type = [totals[codes == code] for code in range(len(types))]
    # Over-dispersion of a type's cells of average size: variance over mean, less one.
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
    """Share of each gene in the UMIs of each type, from their sums over real cells."""
    whole = sums.sum(axis=0)
    shrunk: NDArray[np.float64] = sums + _SHRINKAGE * whole / whole.sum()
    shrunk /= shrunk.sum(axis=1, keepdims=True)
    unseen = np.flatnonzero(whole == 0)
    if len(unseen):
        # Good and Turing: what was seen once tells how much was not seen at all. Which of the
        # unseen genes are the frequent ones is made up.
        once = float((whole == 1).sum())
        made_up = np.random.default_rng(0).gamma(_UNSEEN_SHAPE, size=len(unseen))
        # None of them is one that should have been seen.
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
    """Excess of variance over the mean, in squares of the mean, of each gene in each type.

    By moments, without a loop over cells or a dense matrix of them.
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
    """Draw the cells at positions `first` to `last` (not included) of the donor of this seed.

    A cell has a stream of random numbers of its own, so it is the same however cells are cut
    into blocks and however many there are.
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
    """Type, place on a map, and positions of genes with their counts, the last gene first."""
    rng = np.random.default_rng([seed, position])
    kind = min(int(np.searchsorted(edges, rng.random(), side="right")), len(edges) - 1)
    angle = 2 * np.pi * kind / len(edges)
    place = 20 * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0.0, 3.0, 2)
    size = rng.choice(donor.totals[kind]) * np.exp(rng.normal(0.0, _JITTER))
    bursts = max(1, rng.poisson(size * donor.bursts[kind]))
    # Downwards, as in the files of 10x at that time.
    falls = np.sort(rng.random(bursts))[::-1]
    genes = np.minimum(np.searchsorted(donor.urns[kind], falls, side="right"), len(donor.genes) - 1)
    brought = rng.logseries(donor.sizes[kind][genes])
    starts = np.flatnonzero(np.diff(genes, prepend=-1))
    return kind, place, genes[starts], np.add.reduceat(brought, starts)


def barcode(position: int) -> str:
    """Barcode of the cell at a position: nobody takes it for one of 10x."""
    return f"{SIMULATED}{position + 1:09d}-1"


def files_of(cells: int, folder: Path) -> Files:
    """Where `write_rehearsal` puts so many cells."""
    return Files(
        folder / f"{SIMULATED}_{cells}_filtered_gene_bc_matrices.tar.gz",
        folder / f"{SIMULATED}_{cells}_barcodes_annotation.tsv",
    )


def write_rehearsal(
    donor: Donor, cells: int, folder: str | Path, seed: int = 1, *, block: int = 256
) -> Files:
    """Write the archive of 10x and the annotation for so many simulated cells.

    Memory does not grow with the number of cells. The text of the matrix, some 7 kB a cell, lies
    in `folder` until it is packed.

    Parameters
    ----------
    donor
        From `learn`.
    cells
        How many.
    folder
        Where; it is made if need be.
    seed
        Seed of all that is drawn.
    block
        Cells that are drawn and written at a time; it does not change a byte.

    Raises
    ------
    InputError
        There are such files already.
    """
    folder = Path(folder)
    files = files_of(cells, folder)
    for file in files:
        if file.exists():
            raise InputError(f"{file}: expected nothing there yet, found a file: remove it first")
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
    """Position of the first cell, and cells, of each block."""
    progress = Progress("simulated cells", cells)
    for first in range(0, cells, block):
        last = min(first + block, cells)
        yield first, draw_cells(donor, seed, first, last)
        progress.report(last, "written")


def _header(note: str, donor: Donor, cells: int, nonzeros: int) -> bytes:
    """The matrix's first lines, equally long whatever the number of non-zeros.

    It is not known before the last cell is drawn, and an archive cannot be mended.
    """
    size = f"{len(donor.genes)} {cells} {nonzeros}"
    longest = f"{len(donor.genes)} {cells} {len(donor.genes) * cells}"
    banner = f"%%MatrixMarket matrix coordinate integer general\n% {note}"
    return f"{banner}{' ' * (len(longest) - len(size))}\n{size}\n".encode()


def _lines(block: Block, first: int) -> bytes:
    """Lines ``gene cell count``, counted from one.

    Digits stand right-aligned in a table of bytes, of which those that are in use are kept: a
    Python string for each of 37 million lines would take minutes.
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
    """Decimal digits of each number, right-aligned among zero bytes, and a last character."""
    width = len(str(numbers.max(initial=0)))
    powers = 10 ** np.arange(width - 1, -1, -1)
    digits = (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    digits[(numbers[:, None] < powers) & (powers > 1)] = 0
    return np.append(digits, np.full((len(numbers), 1), ord(end), dtype=np.uint8), axis=1)


def _barcodes(first: int, number: int) -> bytes:
    return "".join(f"{barcode(first + i)}\n" for i in range(number)).encode()


def _annotate(block: Block, donor: Donor, first: int) -> bytes:
    """Lines of the annotation."""
    lines = [
        f"{x:.6f}\t{y:.6f}\t{barcode(position)}\t{donor.types[kind]}\n"
        for position, (kind, (x, y)) in enumerate(
            zip(block.types, block.places, strict=True), start=first
        )
    ]
    return "".join(lines).encode()


def _pack(archive: Path, note: str, donor: Donor, names: IO[bytes], text: IO[bytes]) -> None:
    """Put the parts into one archive, under the names of 10x."""
    rows = zip(donor.genes, donor.symbols, strict=True)
    genes = "".join(f"{gene}\t{symbol}\n" for gene, symbol in rows)
    # Without time stamps, so that the same cells are the same bytes.
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
    """Write a rehearsal; returns the exit status."""
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
        description="Simulate cells from real ones, in the files that 10x ships.",
    )
    parser.add_argument("--cells", type=_number, default=FULL_SIZE, help="how many (%(default)s)")
    parser.add_argument("--out", default="resources/rehearsal", help="folder (%(default)s)")
    parser.add_argument("--seed", type=_seed, default=1, help="seed (%(default)s)")
    parser.add_argument(
        "--source",
        choices=_SOURCES,
        help=f"real cells to learn from ({_SOURCES[0]}, or {_SOURCES[1]} where that is not to be "
        "had)",
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
    """Learn from a built-in data set: the named one, or the best that is to be had."""
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
