"""Formats told by name and content, and the files that belong to a matrix."""

import h5py
import numpy as np
import pytest
from scipy import io as scipy_io
from scipy import sparse

from latentcell.config.settings import DatasetSettings
from latentcell.data import folders
from latentcell.data.finding import find
from latentcell.data.folders import matrix_files
from latentcell.data.formats import detect_format
from latentcell.data.readers import read_counts
from latentcell.runtime.errors import InputError

COUNTS = np.arange(1, 13).reshape(4, 3)


def hdf5(path, *places):
    with h5py.File(path, "w") as file:
        for place in places:
            file.create_group(place)
    return path


LAYOUTS = {
    "h5ad": ["obs", "var"],
    "loom": ["row_attrs", "col_attrs"],
    "10x-h5": ["matrix/barcodes", "matrix/indptr", "matrix/shape"],
}


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("name", ["cells.h5", "cells.hdf5", "cells.data", "cells"])
def test_hdf5_of_any_name_is_told_by_its_content(tmp_path, kind, name):
    assert detect_format(hdf5(tmp_path / name, *LAYOUTS[kind])) == kind


@pytest.mark.parametrize(("kind", "name"), [("loom", "a.h5ad"), ("h5ad", "a.loom")])
def test_a_name_that_says_otherwise_is_refused(tmp_path, kind, name):
    path = hdf5(tmp_path / name, *LAYOUTS[kind])
    with pytest.raises(InputError, match=rf"found the format {kind}: rename it.*--format {kind}"):
        detect_format(path)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["mod/rna/obs"], "found a MuData file: mudata.read_h5mu"),
        (["assays/RNA", "meta.data"], "found an h5Seurat file: in R"),
        (["barcode_idx", "count", "barcodes"], "molecule_info.h5, which lists molecules"),
    ],
)
@pytest.mark.parametrize("name", ["a.h5", "a.h5ad", "a.unknown"])
def test_hdf5_of_other_programs_is_named(tmp_path, places, said, name):
    with pytest.raises(InputError, match=said):
        detect_format(hdf5(tmp_path / name, *places))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.h5ad.gz", "unpack it with gunzip"),
        ("a.zip", "unpack it$"),
        ("a.RDS", "in R, write the counts"),
        ("a.xlsx", "save the sheet as CSV"),
        ("a.parquet", "convert it to .h5ad"),
        ("a.xyz", r"or the format in datasets\.format \(--format\)$"),
    ],
)
def test_other_names_get_advice(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=said):
        detect_format(tmp_path / name)


def test_a_zarr_store_is_told_from_a_10x_folder(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/.zgroup").touch()
    with pytest.raises(InputError, match="found a zarr store"):
        detect_format(tmp_path / "store")


def sample(folder, prefix="", names=("matrix.mtx", "genes.tsv", "barcodes.tsv"), add=0):
    """Write a matrix of 3 genes x 4 cells with its names."""
    folder.mkdir(parents=True, exist_ok=True)
    matrix, genes, barcodes = names
    if matrix:
        with (folder / f"{prefix}{matrix}").open("wb") as stream:
            scipy_io.mmwrite(stream, sparse.coo_matrix((COUNTS + add).T))
    if genes:
        (folder / f"{prefix}{genes}").write_text("".join(f"ENSG{i}\tS{i}\n" for i in range(3)))
    if barcodes:
        (folder / f"{prefix}{barcodes}").write_text("".join(f"c{i}\n" for i in range(4)))


def read(path, **others):
    return read_counts(DatasetSettings(name="own", path=str(path), **others))


@pytest.mark.parametrize("prefix", ["GSM1_A_", "GSM1-", "sample.", "A"])
@pytest.mark.parametrize("genes", ["genes.tsv", "features.tsv"])
def test_names_with_the_prefix_of_the_matrix_belong_to_it(tmp_path, prefix, genes):
    sample(tmp_path, prefix, ("matrix.mtx", genes, "barcodes.tsv"))
    sample(tmp_path, "GSM2_", add=100)
    path = tmp_path / f"{prefix}matrix.mtx"
    assert [file.name for file in matrix_files(path).values()] == [
        f"{prefix}matrix.mtx", f"{prefix}{genes}", f"{prefix}barcodes.tsv",
    ]  # fmt: skip
    assert (read(path).X.toarray() == COUNTS).all()
    with pytest.raises(InputError, match="expected one matrix, found 2: name one of them"):
        read(tmp_path)


def test_a_folder_with_one_prefix_is_that_matrix(tmp_path):
    sample(tmp_path / "below", "GSM1_")
    assert (read(tmp_path).X.toarray() == COUNTS).all()


def test_the_named_matrix_is_read_and_no_other(tmp_path):
    sample(tmp_path)
    sample(tmp_path, "B_", ("matrix.mtx", "", ""), add=100)
    sample(tmp_path, "", ("counts.mtx", "", ""), add=200)
    assert (read(tmp_path).X.toarray() == COUNTS).all()
    assert (read(tmp_path / "matrix.mtx").X.toarray() == COUNTS).all()
    assert (read(tmp_path / "B_matrix.mtx").X.toarray() == COUNTS + 100).all()
    assert (read(tmp_path / "counts.mtx").X.toarray() == COUNTS + 200).all()


def test_samples_share_genes_but_no_barcodes(tmp_path):
    sample(tmp_path, "GSM1_", ("matrix.mtx", "", "barcodes.tsv"))
    sample(tmp_path, "GSE9_", ("", "features.tsv", ""))
    assert (read(tmp_path / "GSM1_matrix.mtx").X.toarray() == COUNTS).all()
    sample(tmp_path, "GSM2_", ("matrix.mtx", "", ""))
    with pytest.raises(InputError, match=r"GSM2_barcodes\.tsv beside GSM2_matrix\.mtx, found none"):
        read(tmp_path / "GSM2_matrix.mtx")


def test_a_matrix_of_another_name_has_the_names_of_its_sample(tmp_path):
    sample(tmp_path, "GSM1_", ("raw_counts.mtx", "genes.tsv", "barcodes.tsv"))
    sample(tmp_path, "GSM2_", add=100)
    path = tmp_path / "GSM1_raw_counts.mtx"
    names = [file.name for file in matrix_files(path).values()]
    assert names == ["GSM1_raw_counts.mtx", "GSM1_genes.tsv", "GSM1_barcodes.tsv"]


def test_names_of_kallisto_and_cells_in_rows(tmp_path):
    sample(tmp_path, "cells_x_genes.", ("mtx", "genes.txt", "barcodes.txt"))
    with (tmp_path / "cells_x_genes.mtx").open("wb") as stream:
        scipy_io.mmwrite(stream, sparse.coo_matrix(COUNTS))
    assert (read(tmp_path / "cells_x_genes.mtx").X.toarray() == COUNTS).all()


@pytest.mark.parametrize("orientation", ["cells-by-genes", "genes-by-cells"])
def test_a_square_matrix_has_the_orientation_that_is_given(tmp_path, orientation):
    square = np.arange(1, 10).reshape(3, 3)
    sample(tmp_path)
    (tmp_path / "barcodes.tsv").write_text("a\nb\nc\n")
    with (tmp_path / "matrix.mtx").open("wb") as stream:
        scipy_io.mmwrite(stream, sparse.coo_matrix(square))
    found = read(tmp_path, orientation=orientation).X.toarray()
    assert (found == (square if orientation == "cells-by-genes" else square.T)).all()
    assert (read(tmp_path).X.toarray() == square.T).all()  # As 10x writes them.


def test_rows_with_numbers_and_quotes_of_r(tmp_path):
    sample(tmp_path)
    (tmp_path / "genes.tsv").write_text(
        '"gene_id"\t"symbol"\n' + "".join(f'"ENSG{i}"\t"S{i}"\n' for i in range(3))
    )
    (tmp_path / "barcodes.tsv").write_text("".join(f'"{i + 1}"\t"c{i}"\n' for i in range(4)))
    found = read(tmp_path)
    assert found.var_names.tolist() == ["ENSG0", "ENSG1", "ENSG2"]
    assert found.obs_names.tolist() == ["c0", "c1", "c2", "c3"]


def test_a_folder_without_a_matrix_says_what_to_name(tmp_path):
    (tmp_path / "cells.h5ad").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"found none \(files to name instead: cells\.h5ad\)$"):
        find(tmp_path)


def test_a_folder_of_everything_is_not_searched_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_MOST_ENTRIES", 20)
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
    with pytest.raises(InputError, match="found more than 20 files and folders: name the folder"):
        find(tmp_path)


def test_the_working_folder_has_a_name(tmp_path, monkeypatch):
    sample(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert (find(".").read().X.toarray() == COUNTS).all()
