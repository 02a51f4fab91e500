"""Parts of the HDF5 files of Cell Ranger: a group per genome in version 2, later a single one.

Compressed columns of genes x cells are compressed rows of cells x genes, which
`latentcell.data.h5ad` reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from latentcell.data.genes import Features, several_genomes
from latentcell.data.h5ad import read_texts
from latentcell.data.opening import broken_files_named
from latentcell.runtime.errors import InputError


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file; anything that is wrong with it raises `InputError`."""
    with broken_files_named(path, "10x-h5"), h5py.File(path, "r", locking=False) as file:
        yield file


def read_group(file: h5py.File, path: Path, genome: str | None) -> tuple[h5py.Group, str | None]:
    """Return the group of the matrix, and the genome that is still to be chosen in it.

    Raises
    ------
    InputError
        If there are several genomes and none is asked for, or another one.
    """
    if "matrix" in file:
        return file["matrix"], genome
    groups = {name: item for name, item in file.items() if isinstance(item, h5py.Group)}
    genomes = [name for name, group in groups.items() if "barcodes" in group]
    if genome in genomes:
        genomes = [str(genome)]
    if len(genomes) > 1 and genome is None:
        raise InputError(several_genomes(str(path), genomes))
    if len(genomes) != 1 or genome not in (None, genomes[0]):
        raise InputError(
            f"{path}: expected a 10x matrix of one genome, found {' and '.join(genomes) or 'none'}"
        )
    return file[genomes[0]], None


def read_shape(group: h5py.Group, path: Path) -> tuple[int, int]:
    """Number of cells and of features; raises `InputError` if the matrix has other cells."""
    features, cells = (int(number) for number in group["shape"][:])
    if len(group["indptr"]) != cells + 1:
        raise InputError(
            f"{path}: expected {cells + 1:,} numbers in {group.name.strip('/')}/indptr, one more "
            f"than cells, found {len(group['indptr']):,}: the file is damaged, copy or write it "
            "again"
        )
    return cells, features


def read_barcodes(group: h5py.Group) -> list[str]:
    """Names of the cells."""
    return read_texts(group["barcodes"])


def read_features(group: h5py.Group) -> Features:
    """Features as the file names them."""
    if "features" not in group:
        ids, symbols = read_texts(group["genes"]), read_texts(group["gene_names"])
        return Features(ids, {}, symbols, identified=True)
    named = group["features"]
    ids, symbols = read_texts(named["id"]), read_texts(named["name"])
    kinds, genomes = (
        read_texts(named[key]) if key in named else None for key in ("feature_type", "genome")
    )
    return Features(ids, {}, symbols, kinds, genomes, identified=True)
