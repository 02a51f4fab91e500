"""Counts of many cells come from a file by pieces, in whatever way the file stores them."""

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import io as scipy_io
from scipy import sparse

from latentcell.annotate.files import load_query, read_query
from latentcell.data import spilling
from latentcell.data.finding import find
from latentcell.data.spilling import counts_in_file
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import in_file, read_slice
from tenx import write_10x

GENERATOR = np.random.default_rng(7)
COUNTS = GENERATOR.poisson(0.6, (30, 12)).astype(np.int32)
COUNTS[[0, 11, 29]] = 0  # Cells without counts, at either end too.
COUNTS[:, 4] = 0
COUNTS[3, 2] = 70_000
CELLS = [f"cell{number}" for number in range(30)]
IDS = [f"ENSG{number:011d}" for number in range(12)]
SYMBOLS = [f"Gene{number}" for number in range(12)]
GUIDES = ["Gene Expression"] * 9 + ["CRISPR Guide Capture"] * 3


def messy(turned=False):
    """CSR counts that are not sorted, with a place that is stored twice and zeros that are."""
    matrix = sparse.csr_matrix(COUNTS)
    rows, columns = matrix.nonzero()
    values = matrix.data.copy()
    # 70,000 as two numbers, and a zero.
    big = int(np.flatnonzero(values == 70_000)[0])
    values[big] = 69_000
    rows, columns = np.append(rows, [3, 5]), np.append(columns, [2, 4])
    values = np.append(values, [1_000, 0])
    if turned:
        rows, columns = columns, rows
    shape = COUNTS.shape[:: -1 if turned else 1]
    order = np.lexsort((GENERATOR.random(len(rows)), rows))
    starts = np.append(0, np.cumsum(np.bincount(rows, minlength=shape[0])))
    return values[order], columns[order], starts, shape


def h5ad(path, **parts):
    var = pd.DataFrame({"gene_symbols": SYMBOLS}, index=IDS)
    parts = {"X": sparse.csr_matrix(COUNTS)} | parts
    AnnData(obs=pd.DataFrame(index=CELLS), var=var, **parts).write_h5ad(path)
    return path


def replaced(path, encoding, data, indices, indptr, shape):
    """Replace X of an AnnData file by arrays that AnnData would not write."""
    with h5py.File(path, "a") as file:
        del file["X"]
        group = file.create_group("X")
        group.attrs.update({"encoding-type": encoding, "encoding-version": "0.1.0"})
        group.attrs["shape"] = shape
        group["data"], group["indices"], group["indptr"] = data, indices, indptr
    return path


def tenx(folder, kinds):
    data, indices, indptr, shape = messy()
    names = {"features/id": IDS, "features/name": SYMBOLS, "features/feature_type": kinds}
    counts = sparse.csr_matrix((data, indices, indptr), shape)
    return write_10x(folder / "query.h5", counts, CELLS, names)


def wide(folder):
    data, indices, indptr, shape = messy()
    path = h5ad(folder / "query.h5ad")
    return replaced(path, "csr_matrix", data, indices.astype(np.int64), indptr, shape)


def half(folder):
    path = h5ad(folder / "query.h5ad", X=sparse.csr_matrix(np.minimum(COUNTS, 2_000)))
    matrix = sparse.csr_matrix(np.minimum(COUNTS, 2_000))
    data = matrix.data.astype(np.float16)
    return replaced(path, "csr_matrix", data, matrix.indices, matrix.indptr, COUNTS.shape)


def by_genes(folder):
    data, indices, indptr, shape = messy(turned=True)
    path = h5ad(folder / "query.h5ad")
    return replaced(path, "csc_matrix", data.astype(np.float64), indices, indptr, shape[::-1])


def guides(folder):
    var = pd.DataFrame({"feature_types": GUIDES}, index=IDS)
    X = sparse.csr_matrix(COUNTS)
    AnnData(X, obs=pd.DataFrame(index=CELLS), var=var).write_h5ad(folder / "query.h5ad")
    return folder / "query.h5ad"


def loom(folder):
    path = folder / "query.loom"
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["col_attrs/CellID"] = np.array(CELLS, "S")
        file["row_attrs/Gene"] = np.array(SYMBOLS, "S")
        file["row_attrs/Accession"] = np.array(IDS, "S")
    return path


def market(folder):
    scipy_io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(COUNTS.T))
    (folder / "barcodes.tsv").write_text("\n".join(CELLS) + "\n")
    rows = (f"{one}\t{name}\n" for one, name in zip(IDS, SYMBOLS, strict=True))
    (folder / "genes.tsv").write_text("".join(rows))
    return folder


def table(folder):
    path = folder / "query.tsv"
    pd.DataFrame(COUNTS, index=CELLS, columns=SYMBOLS).to_csv(path, sep="\t", index_label="cell")
    return path


FILES = {
    "csr": lambda folder: h5ad(folder / "query.h5ad"),
    "csr of wide indices": wide,
    "csr of half precision": half,
    "csr of genes and guides": guides,
    "csc": lambda folder: h5ad(folder / "query.h5ad", X=sparse.csc_matrix(COUNTS)),
    "csc that is not sorted": by_genes,
    "dense": lambda folder: h5ad(folder / "query.h5ad", X=COUNTS),
    "10x": lambda folder: tenx(folder, ["Gene Expression"] * 12),
    "10x with guides": lambda folder: tenx(folder, GUIDES),
    "loom": loom,
    "matrix market": market,
    "table": table,
}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few values at a time, and an empty folder for temporary files."""
    monkeypatch.setattr(spilling, "_PIECE", 7)
    monkeypatch.setattr(spilling, "_TOGETHER", 20)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize("name", FILES)
def test_counts_in_a_file_are_those_that_are_read_at_once(tmp_path, small, name):
    path = FILES[name](tmp_path)
    wanted, found = read_query(path), read_query(path, most=10)
    assert in_file(found.X)
    assert not in_file(wanted.X)
    assert found.obs.equals(wanted.obs)
    assert found.var.equals(wanted.var)
    matrix = read_slice(found.X, 0, 30)
    assert found.shape == matrix.shape == wanted.shape
    np.testing.assert_array_equal(matrix.toarray(), wanted.X.toarray())
    parts = np.concatenate([read_slice(found.X, k, k + 4).toarray() for k in range(0, 30, 4)])
    np.testing.assert_array_equal(parts, wanted.X.toarray())
    if name != "csr":  # That file itself is read.
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(matrix, part), getattr(wanted.X, part))
            assert getattr(matrix, part).dtype == np.int32
    assert wanted.X.shape[1] == (9 if "guides" in name else 12)
    assert wanted.X.max() == (2_000 if "half" in name else 70_000)
    # Unlinked already: not even a killed process leaves it.
    assert not list(small.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_few_counts_are_read_at_once(tmp_path, name):
    found = find(FILES[name](tmp_path)).read(most=COUNTS.size)
    assert not in_file(found.X)


def test_fractions_and_huge_numbers_are_still_refused(tmp_path):
    matrix = sparse.csr_matrix(COUNTS.astype(np.float64))
    matrix.data[5] = 1e12
    with pytest.raises(InputError, match="counts of at most"):
        read_query(h5ad(tmp_path / "huge.h5ad", X=matrix), most=10)
    matrix.data[5] = 0.5
    with pytest.raises(InputError, match="expected raw counts"):
        read_query(h5ad(tmp_path / "fractions.h5ad", X=matrix), most=10)


def test_other_parts_by_genes_stay_in_the_file_and_are_written_again(tmp_path, small):
    path = h5ad(tmp_path / "query.h5ad", X=sparse.csc_matrix(COUNTS))
    few, many = load_query(path), load_query(path, most=10)
    assert many.whole.X.format == few.whole.X.format == "csc"
    assert in_file(many.whole.X)
    for name, query in (("few", few), ("many", many)):
        query.whole.write_h5ad(tmp_path / f"{name}.h5ad")
    written = [(tmp_path / f"{name}.h5ad").read_bytes() for name in ("few", "many")]
    assert written[0] == written[1]


def test_a_full_disk_is_named_with_what_to_do(small, monkeypatch):
    def allocate(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("TMPDIR", str(small))
    monkeypatch.setattr("os.posix_fallocate", allocate)
    with pytest.raises(InputError) as raised:
        counts_in_file(lambda _: iter([]), (30, 12), None, 10**9, in_order=True)
    assert str(raised.value) == (
        f"{small}: expected room for a temporary file of 8,004 MB, found: No space left on device: "
        "make room, or set TMPDIR to a folder with more"
    )
    assert not list(small.iterdir())


def test_a_folder_that_cannot_be_written_is_not_the_fault_of_the_query(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    path = h5ad(tmp_path / "query.h5ad", X=sparse.csc_matrix(COUNTS))
    with pytest.raises(InputError, match=r"^\S+/absent: expected room .*set TMPDIR"):
        read_query(path, most=10)
