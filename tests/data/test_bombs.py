"""Files that are small on disk and would exhaust memory when they are read."""

import gzip
import io
import tarfile
import tracemalloc

import h5py
import numpy as np
import pytest

from latentcell.config.settings import DatasetSettings
from latentcell.data import opening, readers
from latentcell.data.finding import find
from latentcell.data.opening import open_bytes, refuse_swelling
from latentcell.data.readers import read_counts
from latentcell.runtime.errors import InputError

MATRIX = b"%%MatrixMarket matrix coordinate integer general\n1 2 1\n"
TENX = {"barcodes.tsv": b"c1\nc2\n", "genes.tsv": b"g1\tA\n", "matrix.mtx": MATRIX + b"1 1 1\n"}
SWELLS = "unpacks? to more than 500 times"


def read(path):
    return read_counts(DatasetSettings(name="own", path=str(path)))


@pytest.fixture
def low(monkeypatch):
    """Lower the limits, so that the files of a test can be small."""
    monkeypatch.setattr(opening, "_HARMLESS", 10**5)


def packed_table(path, content):
    path.write_bytes(gzip.compress(content))
    return path


def packed_folder(path, **contents):
    path.mkdir()
    for name, content in {**TENX, **contents}.items():
        (path / f"{name}.gz").write_bytes(gzip.compress(content))
    return path


def archive(path, **contents):
    with tarfile.open(path, "w:gz") as file:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def test_honest_files_pass(low, tmp_path):
    rows = b"".join(b"c%d\t%d\t0\t%d\n" % (i, i % 7, i % 5) for i in range(20_000))
    assert read(packed_table(tmp_path / "t.tsv.gz", rows)).shape == (20_000, 3)
    with open_bytes(packed_table(tmp_path / "zeros.gz", bytes(90_000))) as stream:
        assert stream.read() == bytes(90_000)


@pytest.mark.parametrize(
    "content", [bytes(10**6), b"\n" * 10**6, b"a\t0\n" * 250_000], ids=["nul", "blank", "rows"]
)
def test_tables(low, tmp_path, content):
    path = packed_table(tmp_path / "bomb.tsv.gz", content)
    with pytest.raises(InputError, match=rf"bomb\.tsv\.gz: .*{SWELLS}"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("barcodes.tsv", b"c\n" * 500_000),
        ("genes.tsv", b"g\tA\n" * 250_000),
        ("matrix.mtx", MATRIX + b"1 1 1\n" * 250_000),
        ("matrix.mtx", MATRIX + b" " * 10**6),
        ("matrix.mtx", b"%" * 10**6),
    ],
    ids=["barcodes", "genes", "entries", "blanks", "comments"],
)
def test_folders_and_archives(low, tmp_path, name, content):
    folder = packed_folder(tmp_path / "folder", **{name: content})
    with pytest.raises(InputError, match=rf"{name}\.gz: expected a whole file"):
        read(folder)
    with pytest.raises(InputError, match=r"bomb\.tar\.gz: "):
        read(archive(tmp_path / "bomb.tar.gz", **{**TENX, name: content}))


def test_archive_that_swells_in_what_is_not_read(low, tmp_path):
    path = archive(tmp_path / "bomb.tar.gz", other=bytes(10**6))
    with pytest.raises(InputError, match=rf"bomb\.tar\.gz: .*{SWELLS}"):
        read(path)


def test_line_without_end(tmp_path):
    """With the default limits; memory holds the longest line, not the file."""
    path = packed_table(tmp_path / "line.tsv.gz", bytes(3 * opening._LONGEST_LINE))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"line\.tsv\.gz: .*a line of more than 67,108,864 bytes"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 2.5 * opening._LONGEST_LINE
    tracemalloc.stop()


def test_matrix_without_a_line_end(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_MARKET_LINE", 1000)
    folder = packed_folder(tmp_path / "folder", **{"matrix.mtx": MATRIX + b"1" * 10_000})
    with pytest.raises(InputError, match="a line of more than 1,000 bytes"):
        read(folder)


@pytest.mark.parametrize("chunks", [True, None])
@pytest.mark.parametrize("name", ["cells.h5ad", "cells.h5", "cells.loom"])
def test_hdf5_of_nothing(tmp_path, name, chunks):
    """Arrays of terabytes that take no disk space, since HDF5 does not store unwritten chunks."""
    path = tmp_path / name
    with h5py.File(path, "w") as file:
        for place in ("X", "matrix/data"):
            file.create_dataset(place, (10**6, 10**6), "f8", chunks=chunks, fillvalue=0)
    with pytest.raises(InputError, match=rf"{name}: expected counts, found .* times as many"):
        read(path)
    if name == "cells.h5ad":
        with pytest.raises(InputError, match="times as many"):
            find(path)


def test_hdf5_that_is_full_passes(low, tmp_path):
    path = tmp_path / "full.h5"
    with h5py.File(path, "w") as file:
        file["X"] = np.arange(2 * 10**5)
    refuse_swelling(path)
