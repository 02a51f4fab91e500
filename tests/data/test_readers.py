"""Readers: each returns what was written in its format and refuses broken files."""

import gzip
import io
import tarfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from latentcell.config.settings import DatasetSettings
from latentcell.data import readers
from latentcell.data.finding import find
from latentcell.data.readers import (
    detect_format,
    read_10x_archive,
    read_10x_h5,
    read_counts,
    read_genes,
)
from latentcell.runtime.errors import InputError
from tenx import write_10x

GENERATOR = np.random.default_rng(0)
COUNTS = GENERATOR.poisson(0.7, (6, 4)).astype(np.int32) + np.eye(6, 4, dtype=np.int32)
BARCODES = [f"AAAC{i}-1" for i in range(6)]
IDS = [f"ENSG{i}" for i in range(4)]
SYMBOLS = ["A", "B", "B", "C"]
TYPES = list("xyxyxy")


def settings(path, **others):
    return DatasetSettings(name="own", path=str(path), **others)


def dense(adata):
    return adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)


def assert_as_written(adata, symbols=SYMBOLS, ids=IDS):
    assert (dense(adata) == COUNTS).all()
    assert adata.obs_names.tolist() == BARCODES
    assert adata.var_names.tolist() == ids
    assert adata.var["symbol"].tolist() == symbols


def matrix_bytes():
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(COUNTS.T))
    return stream.getvalue()


def tenx_files(kind="genes"):
    extra = "\tGene Expression" if kind == "features" else ""
    genes = "".join(f"{i}\t{s}{extra}\n" for i, s in zip(IDS, SYMBOLS, strict=True))
    return {
        f"{kind}.tsv": genes.encode(),
        "barcodes.tsv": "".join(f"{b}\n" for b in BARCODES).encode(),
        "matrix.mtx": matrix_bytes(),
    }


def write_folder(folder, files, packed=False):
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def write_archive(path, files, *members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"filtered_matrices_mex/hg19/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member, io.BytesIO(b""))
    return path


# 10x folders and archives


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["genes", "features"])
@pytest.mark.parametrize("below", [".", "hg19"])
def test_10x_folder(tmp_path, packed, kind, below):
    write_folder(tmp_path / "data" / below, tenx_files(kind), packed)
    assert_as_written(read_counts(settings(tmp_path / "data")))


def test_10x_folder_by_its_matrix(tmp_path):
    folder = write_folder(tmp_path / "data", tenx_files())
    assert_as_written(read_counts(settings(folder / "matrix.mtx")))


def test_10x_folder_leaves_antibodies_out(tmp_path):
    files = tenx_files("features")
    files["features.tsv"] = files["features.tsv"].replace(b"C\tGene Expression", b"C\tAntibody")
    adata = read_counts(settings(write_folder(tmp_path / "data", files)))
    assert adata.var_names.tolist() == IDS[:3]
    assert (dense(adata) == COUNTS[:, :3]).all()


def test_10x_folder_with_names_only(tmp_path):
    files = tenx_files()
    files["genes.tsv"] = b"".join(b"%s\n" % gene.encode() for gene in IDS)
    adata = read_counts(settings(write_folder(tmp_path / "data", files)))
    assert_as_written(adata, symbols=IDS)


@pytest.mark.parametrize(
    ("header", "first"),
    [("", 1), ('"x"\n', 1), ("", 0), ("\t0\n", 0)],
    ids=["R", "R-header", "pandas", "pandas-header"],
)
def test_10x_folder_with_numbered_rows(tmp_path, header, first):
    files = tenx_files()
    for name in ("genes.tsv", "barcodes.tsv"):
        lines = files[name].decode().splitlines(keepends=True)
        files[name] = (header + "".join(f"{n}\t{x}" for n, x in enumerate(lines, first))).encode()
    assert_as_written(read_counts(settings(write_folder(tmp_path / "data", files))))


def test_10x_folder_with_a_dense_matrix(tmp_path):
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, COUNTS.T)
    files = tenx_files() | {"matrix.mtx": stream.getvalue()}
    assert_as_written(read_counts(settings(write_folder(tmp_path / "data", files))))


@pytest.mark.parametrize("absent", ["genes.tsv", "barcodes.tsv", "matrix.mtx"])
def test_10x_folder_with_an_absent_file(tmp_path, absent):
    files = tenx_files()
    del files[absent]
    with pytest.raises(InputError, match=absent):
        read_counts(settings(write_folder(tmp_path / "data", files)))


def test_10x_folder_with_two_matrices(tmp_path):
    for name in ("hg19", "mm10"):
        write_folder(tmp_path / "data" / name, tenx_files())
    with pytest.raises(InputError, match=r"expected one folder with a matrix\.mtx, found .* and"):
        read_counts(settings(tmp_path / "data"))


def test_10x_folder_of_other_shape(tmp_path):
    files = tenx_files() | {"barcodes.tsv": b"only-1\n"}
    with pytest.raises(InputError, match=r"matrix of 1 cells and 4 genes.*found 6 and 4"):
        read_counts(settings(write_folder(tmp_path / "data", files)))


def test_10x_folder_with_repeated_identifier(tmp_path):
    files = tenx_files()
    files["genes.tsv"] = files["genes.tsv"].replace(b"ENSG1", b"ENSG0")
    with pytest.raises(InputError, match="gene identifier once, found ENSG0 2 times"):
        read_counts(settings(write_folder(tmp_path / "data", files)))


# Matrices read in pieces of a few bytes: every cut, also within a line, gives the same


def market_lines():
    head, *rest = matrix_bytes().splitlines()
    sizes, *lines = (line for line in rest if line.strip(b"% "))
    number = sizes.split()[2]
    order = np.argsort([int(line.split()[1]) for line in lines], kind="stable")
    return head, number, [lines[place] for place in order]


def market_file(lines, head=None, number=None):
    given_head, given_number, _ = market_lines()
    sizes = b"4 6 " + (number or given_number)
    return b"\n".join([head or given_head, b"% a comment", sizes, *lines, b""])


def read_matrix(tmp_path, content):
    files = tenx_files() | {"matrix.mtx": content}
    return read_counts(settings(write_folder(tmp_path / "data", files)))


@pytest.fixture(params=[1, 7, 2**24])
def piece(request, monkeypatch):
    monkeypatch.setattr(readers, "_MARKET_TEXT", request.param)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("kind", [b"integer", b"real"])
def test_matrix_by_pieces(tmp_path, kind):
    head, _, lines = market_lines()
    adata = read_matrix(tmp_path, market_file(lines, head.replace(b"integer", kind)))
    assert_as_written(adata)
    assert adata.X.dtype == np.int32


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("archived", [False, True])
def test_matrix_with_cells_out_of_order(tmp_path, archived):
    lines = market_lines()[2]
    content = market_file([*lines[3:6], *lines[:3], *lines[:5:-1]])
    if archived:
        path = write_archive(tmp_path / "m.tar.gz", tenx_files() | {"matrix.mtx": content})
        assert_as_written(read_counts(settings(path)))
    else:
        assert_as_written(read_matrix(tmp_path, content))


@pytest.mark.usefixtures("piece")
def test_matrix_with_blank_lines_and_ends_of_windows(tmp_path):
    content = market_file(market_lines()[2]).replace(b"\n", b"\r\n")
    assert_as_written(read_matrix(tmp_path, content.replace(b"\n1 ", b"\n\r\n1 ") + b"\r\n"))


@pytest.mark.usefixtures("piece")
def test_matrix_without_a_last_line_end(tmp_path):
    assert_as_written(read_matrix(tmp_path, market_file(market_lines()[2]).rstrip()))


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("value", [b"2.5", b"3000000000", b"-7", b"nan"])
def test_matrix_keeps_what_is_no_count(tmp_path, value):
    head, _, lines = market_lines()
    lines[-1] = b" ".join([*lines[-1].split()[:2], value])
    adata = read_matrix(tmp_path, market_file(lines, head.replace(b"integer", b"real")))
    gene, cell = (int(field) - 1 for field in lines[-1].split()[:2])
    found = dense(adata)
    assert np.array_equal(found[cell, gene], float(value), equal_nan=True)
    found[cell, gene] = COUNTS[cell, gene]
    assert (found == COUNTS).all()


def test_matrix_without_entries(tmp_path):
    assert read_matrix(tmp_path, market_file([], number=b"0")).X.nnz == 0


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("change", [-1, 1])
def test_matrix_of_another_number_of_entries(tmp_path, change):
    _, number, lines = market_lines()
    announced = b"%d" % (int(number) + change)
    with pytest.raises(InputError, match=r"matrix\.mtx.*entries"):
        read_matrix(tmp_path, market_file(lines, number=announced))


def test_wrong_entry_is_placed(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_MARKET_TEXT", 7)
    lines = market_lines()[2]
    lines[5] = b"5 6 1"
    with pytest.raises(InputError, match=r"after 5 entries: .*out of bounds"):
        read_matrix(tmp_path, market_file(lines))


def test_symmetric_matrix(tmp_path):
    content = b"%%MatrixMarket matrix coordinate integer symmetric\n4 4 2\n1 1 3\n3 2 5\n"
    files = tenx_files() | {"matrix.mtx": content, "barcodes.tsv": b"a\nb\nc\nd\n"}
    adata = read_counts(settings(write_folder(tmp_path / "data", files)))
    assert dense(adata).tolist() == [[3, 0, 0, 0], [0, 0, 5, 0], [0, 5, 0, 0], [0, 0, 0, 0]]


HUGE = b"%%MatrixMarket matrix coordinate integer general\n4 6 999999999999999\n1 1 1\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", matrix_bytes()[:-12], HUGE, matrix_bytes().replace(b"\n1 ", b"\n9 ")],
    ids=["empty", "text", "cut", "huge", "outside"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_broken_matrix_is_named(tmp_path, content, packed):
    files = tenx_files() | {"matrix.mtx": content}
    folder = write_folder(tmp_path / "data", files, packed)
    with pytest.raises(InputError, match=r"matrix\.mtx.*that cannot be read"):
        read_counts(settings(folder))


def test_cut_gzip_is_named(tmp_path):
    folder = write_folder(tmp_path / "data", tenx_files(), packed=True)
    path = folder / "genes.tsv.gz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"genes\.tsv\.gz: expected a whole file"):
        read_counts(settings(folder))


@pytest.mark.parametrize("packed", [False, True])
def test_archive(tmp_path, packed):
    files = tenx_files()
    if packed:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    files["readme.txt"] = b"hello"
    path = write_archive(tmp_path / "m.tar.gz", files)
    assert_as_written(read_counts(settings(path)))
    assert read_genes(path)["symbol"].to_dict() == dict(zip(IDS, SYMBOLS, strict=True))
    assert [file.name for file in tmp_path.iterdir()] == ["m.tar.gz"]


def test_archive_of_macos(tmp_path):
    others = {f"._{name}": b"\0\5\x16\7" for name in tenx_files()}
    assert_as_written(
        read_counts(settings(write_archive(tmp_path / "m.tgz", others | tenx_files())))
    )


def test_folder_of_macos(tmp_path):
    files = {f"GSE1_{name}": content for name, content in tenx_files().items()}
    files["GSE1_A_matrix.mtx"] = files.pop("GSE1_matrix.mtx")
    files["GSE1_A_barcodes.tsv"] = files.pop("GSE1_barcodes.tsv")
    files["all_genes.tsv"] = files.pop("GSE1_genes.tsv")
    files["._all_genes.tsv"] = b"\0\5\x16\7"
    assert_as_written(read_counts(settings(write_folder(tmp_path / "data", files))))


@pytest.mark.parametrize("packed", [False, True])
def test_genes_file(tmp_path, packed):
    folder = write_folder(tmp_path / "data", tenx_files(), packed)
    genes = read_genes(folder / ("genes.tsv.gz" if packed else "genes.tsv"))
    assert genes.index.tolist() == IDS
    assert genes["symbol"].tolist() == SYMBOLS


def test_genes_file_of_another_kind(tmp_path):
    path = tmp_path / "genes.tsv"
    path.write_text("one column\n")
    with pytest.raises(InputError, match=r"genes\.tsv.*cannot be read"):
        read_genes(path)


def evil(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (evil("/etc/matrix.mtx"), "names within the archive, found '/etc/matrix.mtx'"),
        (evil("a/../../matrix.mtx"), "names within the archive"),
        (evil("a\\..\\matrix.mtx"), "names within the archive"),
        (evil("matrix", tarfile.SYMTYPE, "/etc/passwd"), "found the link or device 'matrix'"),
        (evil("matrix", tarfile.LNKTYPE, "genes.tsv"), "found the link or device"),
        (evil("matrix", tarfile.CHRTYPE), "found the link or device"),
        (evil("matrix", tarfile.FIFOTYPE), "found the link or device"),
    ],
)
def test_archive_that_leads_out_is_refused(tmp_path, member, message):
    path = write_archive(tmp_path / "m.tar.gz", tenx_files(), member)
    with pytest.raises(InputError, match=message):
        read_10x_archive(path)
    assert [file.name for file in tmp_path.iterdir()] == ["m.tar.gz"]


def test_archive_without_genes(tmp_path):
    path = write_archive(tmp_path / "m.tar.gz", {"matrix.mtx": matrix_bytes()})
    with pytest.raises(InputError, match=r"found no genes\.tsv or features\.tsv"):
        read_10x_archive(path)


def test_archive_of_two_genomes(tmp_path):
    files = tenx_files()
    both = files | {f"other/{name}": content for name, content in files.items()}
    path = write_archive(tmp_path / "m.tar.gz", both)
    with pytest.raises(InputError, match="expected one file of genes, found several"):
        read_10x_archive(path)


def test_cut_archive_is_refused_unless_only_padding_is_lost(tmp_path):
    path = write_archive(tmp_path / "m.tar.gz", tenx_files())
    content, messages = path.read_bytes(), []
    for length in range(1, len(content), 3):
        path.write_bytes(content[:length])
        try:
            assert_as_written(read_counts(settings(path)))
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 0.8 * len(content) / 3
    assert all(message.startswith(f"{path}: expected") for message in messages)


# 10x HDF5


def write_v3(path, kinds=("Gene Expression",) * 4):
    genes = {"features/id": IDS, "features/name": SYMBOLS}
    if kinds:
        genes["features/feature_type"] = kinds
    return write_10x(path, sparse.csr_matrix(COUNTS), BARCODES, genes)


def write_v2(path, genome):
    genes = {"genes": IDS, "gene_names": SYMBOLS}
    return write_10x(path, sparse.csr_matrix(COUNTS), BARCODES, genes, genome)


@pytest.mark.parametrize("kinds", [("Gene Expression",) * 4, ()])
def test_10x_h5_v3(tmp_path, kinds):
    assert_as_written(read_counts(settings(write_v3(tmp_path / "m.h5", kinds))))


def test_10x_h5_v3_leaves_guides_out(tmp_path):
    kinds = ["Gene Expression"] * 3 + ["CRISPR Guide Capture"]
    assert read_10x_h5(write_v3(tmp_path / "m.h5", kinds)).var_names.tolist() == IDS[:3]


def test_10x_h5_v2(tmp_path):
    assert_as_written(read_counts(settings(write_v2(tmp_path / "m.h5", "hg19"))))


def test_10x_h5_v2_with_a_number_beside_its_group(tmp_path):
    path = tmp_path / "m.h5"
    write_v2(path, "hg19")
    with h5py.File(path, "a") as file:
        file["version"] = 2
    assert_as_written(read_10x_h5(path))


def test_10x_h5_of_two_genomes(tmp_path):
    for genome in ("hg19", "mm10"):
        write_v2(tmp_path / "m.h5", genome)
    with pytest.raises(InputError, match="one genome, found hg19 and mm10"):
        read_10x_h5(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("indices", "expected.*10x-h5.*cannot be read"),
        ("indptr", "values by matrix/indptr.*found 99: the file is damaged"),
    ],
)
def test_10x_h5_with_indices_outside(tmp_path, name, said):
    with h5py.File(write_v3(tmp_path / "m.h5"), "a") as file:
        file["matrix"][name][-1] = 99
    with pytest.raises(InputError, match=rf"m\.h5: .*{said}"):
        read_counts(settings(tmp_path / "m.h5"))


@pytest.mark.parametrize("number", [99, -1, 2**33])
def test_10x_h5_with_indices_outside_is_refused_in_pieces_too(tmp_path, number):
    with h5py.File(write_v3(tmp_path / "m.h5"), "a") as file:
        file["matrix/indices"][-1] = number
    with pytest.raises(InputError, match=r"m\.h5: "):
        read_counts(settings(tmp_path / "m.h5"))
    said = rf"m\.h5: .*within 6 cells and 4 genes in matrix/indices, found .*{abs(number):,}"
    with pytest.raises(InputError, match=said):
        find(tmp_path / "m.h5")


def test_10x_h5_of_a_part_of_the_cells_is_refused(tmp_path):
    with h5py.File(write_v3(tmp_path / "m.h5"), "a") as file:
        starts = file["matrix/indptr"][:-1]
        del file["matrix/indptr"]
        file["matrix/indptr"] = starts
    said = "expected 7 numbers in matrix/indptr, one more than cells, found 6"
    with pytest.raises(InputError, match=said):
        read_counts(settings(tmp_path / "m.h5"))


# AnnData


def whole():
    obs = pd.DataFrame({"kind": pd.Categorical(TYPES)}, index=BARCODES)
    var = pd.DataFrame({"gene_ids": IDS}, index=["A", "B", "B2", "C"])
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs, var=var)
    adata.layers["counts"] = sparse.csr_matrix(COUNTS)
    return adata


def test_h5ad(tmp_path):
    whole().write_h5ad(tmp_path / "a.h5ad")
    adata = read_counts(settings(tmp_path / "a.h5ad"))
    assert_as_written(adata, symbols=["A", "B", "B2", "C"])
    assert adata.obs["kind"].tolist() == TYPES


@pytest.mark.parametrize("layer", ["counts", "raw"])
def test_h5ad_layers(tmp_path, layer):
    adata = whole()
    adata.raw = adata.copy()
    adata.X = np.log1p(COUNTS)
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = read_counts(settings(tmp_path / "a.h5ad", layer=layer))
    assert_as_written(read, symbols=["A", "B", "B2", "C"])


@pytest.mark.parametrize("layer", ["raw", "spliced"])
def test_h5ad_without_the_layer(tmp_path, layer):
    whole().write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=f"expected the layer '{layer}', found only these: counts"):
        read_counts(settings(tmp_path / "a.h5ad", layer=layer))


def test_h5ad_of_our_own(tmp_path):
    var = pd.DataFrame({"symbol": SYMBOLS}, index=IDS)
    obs = pd.DataFrame(index=BARCODES)
    anndata.AnnData(COUNTS, obs=obs, var=var).write_h5ad(tmp_path / "a.h5ad")
    assert_as_written(read_counts(settings(tmp_path / "a.h5ad")))


def test_h5ad_with_symbols_only(tmp_path):
    obs, var = pd.DataFrame(index=BARCODES), pd.DataFrame(index=list("ABCD"))
    anndata.AnnData(COUNTS, obs=obs, var=var).write_h5ad(tmp_path / "a.h5ad")
    assert_as_written(read_counts(settings(tmp_path / "a.h5ad")), list("ABCD"), list("ABCD"))


def test_h5ad_of_another_kind(tmp_path):
    write_v3(tmp_path / "m.h5ad")
    with pytest.raises(InputError, match=r"m\.h5ad"):
        read_counts(settings(tmp_path / "m.h5ad"))


# Loom


def write_loom(path, barcodes=True, genes=("Accession", "Gene")):
    with h5py.File(path, "w") as file:
        file["matrix"] = np.zeros_like(COUNTS.T)
        file["layers/spliced"] = COUNTS.T
        columns, rows = file.create_group("col_attrs"), file.create_group("row_attrs")
        if barcodes:
            columns["CellID"] = BARCODES
        columns["kind"] = np.array(TYPES, dtype="S")
        columns["total"] = COUNTS.sum(axis=1)
        for name in genes:
            rows[name] = IDS if name == "Accession" else SYMBOLS
    return path


def test_loom(tmp_path):
    adata = read_counts(settings(write_loom(tmp_path / "a.loom"), layer="spliced"))
    assert_as_written(adata)
    assert adata.obs["kind"].tolist() == TYPES
    assert adata.obs["total"].tolist() == COUNTS.sum(axis=1).tolist()


def test_loom_main_matrix(tmp_path):
    assert read_counts(settings(write_loom(tmp_path / "a.loom"))).X.nnz == 0


def test_loom_with_symbols_only(tmp_path):
    path = write_loom(tmp_path / "a.loom", genes=("Gene",))
    with pytest.warns(UserWarning, match="1 repeated gene names were numbered"):
        adata = read_counts(settings(path, layer="spliced"))
    assert_as_written(adata, ids=["A", "B", "B-1", "C"])


def test_loom_without_the_layer(tmp_path):
    with pytest.raises(InputError, match="expected the layer 'x', found only these: spliced"):
        read_counts(settings(write_loom(tmp_path / "a.loom"), layer="x"))


@pytest.mark.parametrize("lack", [{"barcodes": False}, {"genes": ()}])
def test_loom_without_names(tmp_path, lack):
    with pytest.raises(InputError, match="expected the attributes CellID and Gene or Accession"):
        read_counts(settings(write_loom(tmp_path / "a.loom", **lack)))


def test_loom_without_cells(tmp_path):
    with h5py.File(write_loom(tmp_path / "a.loom", barcodes=False), "a") as file:
        del file["matrix"], file["col_attrs"]
        file["matrix"] = np.zeros((4, 0))
        file["col_attrs/CellID"] = np.array([], dtype="S1")
    assert read_counts(settings(tmp_path / "a.loom")).shape == (0, 4)


# Any format


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.h5ad", "h5ad"),
        ("a.h5", "10x-h5"),
        ("a.loom", "loom"),
        ("A.CSV.gz", "table"),
        ("a.txt", "table"),
        ("a.tar.gz", "10x-mtx"),
        ("matrix.mtx.gz", "10x-mtx"),
    ],
)
def test_format_goes_by_the_name(tmp_path, name, expected):
    assert detect_format(tmp_path / name) == expected


def test_format_of_a_folder(tmp_path):
    assert detect_format(tmp_path) == "10x-mtx"


def test_unknown_name_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.xyz: expected a name that ends in one of \.h5ad"):
        detect_format(tmp_path / "a.xyz")


def test_given_format_wins(tmp_path):
    write_v3(tmp_path / "counts.data")
    assert_as_written(read_counts(settings(tmp_path / "counts.data", format="10x-h5")))


def test_absent_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"datasets\.path: expected a file or folder, found no "):
        read_counts(settings(tmp_path / "a.h5ad"))


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5", "a.loom", "a.tsv", "a.tar.gz", "a.mtx"])
def test_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="expected counts, found an empty file"):
        read_counts(settings(tmp_path / name))


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5", "a.loom", "a.tar.gz", "a.tsv.gz"])
@pytest.mark.parametrize("content", [b"<html></html>\n", b"\x80\x04cos\nsystem\n(S'id'\ntR."])
def test_other_content_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: expected"):
        read_counts(settings(tmp_path / name))


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5", "a.loom"])
def test_cut_hdf5_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "a.h5ad":
        whole().write_h5ad(path)
    else:
        (write_v3 if name == "a.h5" else write_loom)(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=f"{name}: expected a whole file .*cannot be read"):
        read_counts(settings(path))
