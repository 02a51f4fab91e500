"""Import of whole data sets into one layout."""

import gzip
import hashlib
import importlib.util
import io
import os
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from latentcell.config.settings import DatasetSettings, parse_settings
from latentcell.data import built_in, readers, sources
from latentcell.data.built_in import recover_counts
from latentcell.data.finding import find
from latentcell.data.importing import import_dataset
from latentcell.data.sources import SOURCES
from latentcell.data.tables import read_cell_types, read_table
from latentcell.runtime.errors import InputError

COUNTS = np.array([[0, 1, 2], [3, 0, 0], [0, 0, 4], [1, 1, 1]])
CELLS = ["AA-1", "CC-1", "GG-1", "TT-1"]
TYPES = ["z", "b", "z", "a"]
GIVEN = os.environ.get(sources.DATA_VARIABLE)


def assert_in_layout(adata, name):
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.int32
    assert adata.uns["dataset"] == name
    assert list(adata.obs) == ["cell_type"]
    assert list(adata.var) == ["symbol"]
    categories = adata.obs["cell_type"].cat.categories.tolist()
    assert categories == sorted(set(adata.obs["cell_type"]))


def own_file(tmp_path, types=TYPES, cells=CELLS):
    obs = pd.DataFrame({"kind": types}, index=cells)
    adata = anndata.AnnData(COUNTS.astype(np.float32), obs=obs)
    adata.write_h5ad(tmp_path / "own.h5ad")
    return str(tmp_path / "own.h5ad")


# Our own files


def test_own_file(tmp_path):
    path = own_file(tmp_path)
    adata = import_dataset(DatasetSettings(name="own", path=path, label_column="kind"))
    assert_in_layout(adata, "own")
    assert (adata.X.toarray() == COUNTS).all()
    assert adata.obs["cell_type"].tolist() == TYPES


def test_counts_are_those_that_check_takes(tmp_path):
    """X holds whole numbers, but zeros and ones, or less than another matrix."""
    adata = anndata.AnnData(
        np.minimum(COUNTS, 1).astype(np.float32),
        obs=pd.DataFrame({"cell_type": TYPES}, index=CELLS),
    )
    adata.layers["counts"] = COUNTS
    path = tmp_path / "own.h5ad"
    adata.write_h5ad(path)
    with pytest.raises(
        InputError, match=r"counts in counts: name .* datasets\.layer \(counts or X\)"
    ):
        import_dataset(DatasetSettings(name="mine", path=str(path)))
    taken = import_dataset(DatasetSettings(name="mine", path=str(path), layer="counts"))
    assert (taken.X.toarray() == COUNTS).all()
    ones = import_dataset(DatasetSettings(name="mine", path=str(path), layer="X"))
    assert (ones.X.toarray() == np.minimum(COUNTS, 1)).all()
    adata.X = np.maximum(COUNTS - 1, 0).astype(np.float32) + (np.arange(COUNTS.shape[1]) == 0)
    adata.write_h5ad(path)
    with pytest.raises(InputError, match="found several that may be them"):
        import_dataset(DatasetSettings(name="mine", path=str(path)))


def test_a_table_is_read_once(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(readers, "read_table", lambda *given: reads.append(1) or read_table(*given))
    table = pd.DataFrame(COUNTS, index=CELLS, columns=list("ABC")).assign(cell_type=TYPES)
    table.to_csv(tmp_path / "own.csv")
    adata = import_dataset(DatasetSettings(name="own", path=str(tmp_path / "own.csv")))
    assert (adata.X.toarray() == COUNTS).all()
    assert len(reads) == 1


def test_the_first_cells_alone(tmp_path):
    own = {"name": "own", "path": own_file(tmp_path), "label_column": "kind"}
    adata = import_dataset(DatasetSettings(**own, first_cells=3))
    assert list(adata.obs_names) == CELLS[:3]
    assert (adata.X.toarray() == COUNTS[:3]).all()
    assert adata.obs["cell_type"].tolist() == TYPES[:3]
    assert adata.obs["cell_type"].cat.categories.tolist() == ["b", "z"]
    with pytest.raises(InputError, match=r"expected at least 5 cells .*first_cells.*, found 4"):
        import_dataset(DatasetSettings(**own, first_cells=5))


def test_a_file_without_types_serves_where_none_are_asked_for(tmp_path):
    own = {"name": "own", "path": own_file(tmp_path), "unlabelled": "only"}
    adata = import_dataset(DatasetSettings(**own, label_column="nothing"))
    assert list(adata.obs) == []
    assert (adata.X.toarray() == COUNTS).all()


def test_batches_come_from_the_labels_file_or_obs(tmp_path):
    adata = anndata.AnnData(
        COUNTS.astype(np.float32),
        obs=pd.DataFrame({"kind": TYPES, "donor": ["p", "p", "q", "q"]}, index=CELLS),
    )
    adata.write_h5ad(tmp_path / "own.h5ad")
    own = {"name": "own", "path": str(tmp_path / "own.h5ad"), "label_column": "kind"}
    read = import_dataset(DatasetSettings(**own, batch_column="donor"))
    assert read.obs["batch"].tolist() == ["p", "p", "q", "q"]
    with pytest.raises(InputError, match=r"own\.h5ad: expected the column 'lane'.*found .*donor"):
        import_dataset(DatasetSettings(**own, batch_column="lane"))
    table = pd.DataFrame({"barcode": CELLS, "kind": TYPES, "lane": ["1", "2", "1", "2"]})
    table.to_csv(tmp_path / "types.csv", index=False)
    labels = {"labels": str(tmp_path / "types.csv"), "batch_column": "lane"}
    assert import_dataset(DatasetSettings(**own | labels)).obs["batch"].tolist() == list("1212")
    from_obs = DatasetSettings(**own | labels | {"batch_column": "donor"})
    assert import_dataset(from_obs).obs["batch"].tolist() == list("ppqq")
    with pytest.raises(InputError, match="found the columns: kind, lane, donor"):
        import_dataset(DatasetSettings(**own | labels | {"batch_column": "plate"}))
    table.assign(donor=list("rsrs")).to_csv(tmp_path / "types.csv", index=False)
    # As `latentcell check` shows them.
    assert import_dataset(from_obs).obs["batch"].tolist() == list("rsrs")
    assert find(from_obs).batches[0].sizes.index.tolist() == ["r", "s"]
    table.assign(lane=["1", "", "1", "2"]).to_csv(tmp_path / "types.csv", index=False)
    with pytest.raises(InputError, match="a batch for every cell in column 'lane', found 1 cells"):
        import_dataset(DatasetSettings(**own | labels))


def test_own_file_is_the_same_after_writing(tmp_path):
    settings = DatasetSettings(name="own", path=own_file(tmp_path), label_column="kind")
    import_dataset(settings).write_h5ad(tmp_path / "dataset.h5ad")
    again = import_dataset(DatasetSettings(name="own", path=str(tmp_path / "dataset.h5ad")))
    assert_in_layout(again, "own")
    assert (again.X.toarray() == COUNTS).all()
    assert again.obs["cell_type"].tolist() == TYPES


def test_labels_file(tmp_path):
    (tmp_path / "l.csv").write_text(
        "".join(f"{c},t{t}\n" for c, t in zip(CELLS, TYPES, strict=True))
    )
    settings = DatasetSettings(name="own", path=own_file(tmp_path), labels=str(tmp_path / "l.csv"))
    assert import_dataset(settings).obs["cell_type"].tolist() == ["tz", "tb", "tz", "ta"]


def test_labels_file_without_some_cells_is_refused(tmp_path):
    (tmp_path / "l.tsv").write_text("AA-1\tx\nTT-1\ty\n")
    settings = DatasetSettings(name="own", path=own_file(tmp_path), labels=str(tmp_path / "l.tsv"))
    with pytest.raises(InputError, match=r"l\.tsv: .*none for 2 of 4, the first being CC-1"):
        import_dataset(settings)


def test_absent_labels_file_is_refused(tmp_path):
    settings = DatasetSettings(name="own", path=own_file(tmp_path), labels="nowhere.tsv")
    with pytest.raises(InputError, match=r"datasets\.labels: expected a file, found no nowhere"):
        import_dataset(settings)


@pytest.mark.parametrize("column", [None, "type"])
def test_absent_label_column_is_refused(tmp_path, column):
    settings = DatasetSettings(name="own", path=own_file(tmp_path), label_column=column)
    with pytest.raises(InputError, match=f"'{column or 'cell_type'}'.*found the columns: kind"):
        import_dataset(settings)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_repeated_barcode_is_refused(tmp_path):
    path = own_file(tmp_path, cells=["AA-1", "CC-1", "AA-1", "TT-1"])
    with pytest.raises(InputError, match=r"own\.h5ad: expected every barcode once, found AA-1"):
        import_dataset(DatasetSettings(name="own", path=path, label_column="kind"))


# Rows of the user in the table, and addresses


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Address of own.h5ad on a server; served while the file exists in the folder of the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(sources, "_PAUSE", 0.0)
    served = tmp_path / "served"
    served.mkdir()
    own_file(served)
    handler = partial(QuietHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def row(source, sha256=""):
    folder = Path("config")
    folder.mkdir(exist_ok=True)
    (folder / "datasets.tsv").write_text(
        f"name\tsource\tsha256\tlabel_column\tlicence\nmine\t{source}\t{sha256}\tkind\tCC0\n"
    )
    return parse_settings({"datasets": ["mine"]}).dataset("mine")


def sha256_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_row_of_the_table_is_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = own_file(tmp_path)
    for sha256 in ("", sha256_of(path)):
        adata = import_dataset(row("own.h5ad", sha256))
        assert_in_layout(adata, "mine")
        assert adata.obs["cell_type"].tolist() == TYPES
    assert not (tmp_path / "resources").exists()


def test_a_file_of_another_sha256_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = sha256_of(own_file(tmp_path))
    said = f"^own.h5ad: expected the SHA-256 {'0' * 64}, found {found}$"
    with pytest.raises(InputError, match=said):
        import_dataset(row("own.h5ad", "0" * 64))
    with pytest.raises(InputError, match="expected a file, which has a SHA-256, found a folder"):
        import_dataset(row(".", "0" * 64))
    with pytest.raises(InputError, match=r"datasets\.path: expected a file .* no absent\.h5ad"):
        import_dataset(row("absent.h5ad", "0" * 64))


def test_a_download_is_recorded_and_held_to(served, tmp_path):
    settings = row(f"{served}/own.h5ad")
    adata = import_dataset(settings)
    assert_in_layout(adata, "mine")
    path, record = Path("resources/mine/own.h5ad"), Path("resources/mine.sha256")
    first = path.read_bytes()
    assert record.read_text() == f"{sha256_of(path)}  mine/own.h5ad\n"
    # A file with the right content is used without network access.
    (tmp_path / "served/own.h5ad").rename(tmp_path / "served/away.h5ad")
    assert (import_dataset(settings).X != adata.X).nnz == 0
    # Another file under the same address is refused, and so is a local one.
    own_file(tmp_path / "served", types=["a", "b", "a", "b"])
    path.write_bytes((tmp_path / "served/own.h5ad").read_bytes())
    said = r"gave the wrong content .* \(or delete resources/mine\.sha256, the record of the first"
    with pytest.raises(InputError, match=said) as caught:
        import_dataset(settings)
    assert "\n" not in str(caught.value)
    assert not path.exists()
    assert record.read_text().startswith(hashlib.sha256(first).hexdigest())
    # The right file is used again once it is available.
    (tmp_path / "served/away.h5ad").replace(tmp_path / "served/own.h5ad")
    import_dataset(settings)
    assert path.read_bytes() == first


def test_a_download_has_the_sha256_of_its_row(served, tmp_path):
    right = sha256_of(tmp_path / "served/own.h5ad")
    import_dataset(row(f"{served}/own.h5ad?download=1", right))
    assert sha256_of("resources/mine/own.h5ad") == right
    assert not Path("resources/mine.sha256").exists()
    with pytest.raises(InputError, match=f"sha256 of its file: {'0' * 64}") as caught:
        import_dataset(row(f"{served}/own.h5ad", "0" * 64))
    assert "or delete" not in str(caught.value)


def test_a_download_that_cannot_be_read_is_not_recorded(served, tmp_path):
    (tmp_path / "served/own.h5ad").write_text("<html>please log in</html>")
    with pytest.raises(InputError, match=r"^resources/mine/own\.h5ad: .* found a web page"):
        import_dataset(row(f"{served}/own.h5ad"))
    assert not Path("resources/mine.sha256").exists()
    with pytest.raises(InputError, match=r"absent\.h5ad: .*found none .*could not be downloaded"):
        import_dataset(row(f"{served}/absent.h5ad"))


def test_a_record_that_is_none_is_refused(served):
    settings = row(f"{served}/own.h5ad")
    Path("resources").mkdir()
    Path("resources/mine.sha256").write_text("yesterday\n")
    with pytest.raises(
        InputError, match=r"^resources/mine\.sha256: expected a SHA-256 .*yesterday"
    ):
        import_dataset(settings)


def test_files_of_the_same_name_elsewhere_are_left_alone(served, tmp_path, monkeypatch):
    others = [tmp_path / "resources/own.h5ad", tmp_path / "given/own.h5ad"]
    for other in others:
        other.parent.mkdir()
        other.write_bytes(b"of another data set")
    monkeypatch.setenv(sources.DATA_VARIABLE, str(tmp_path / "given"))
    import_dataset(row(f"{served}/own.h5ad", sha256_of(tmp_path / "served/own.h5ad")))
    assert [other.read_bytes() for other in others] == [b"of another data set"] * 2


@pytest.mark.parametrize(
    "address", ["https://example.org", "https://example.org/a/", "http://x/.."]
)
def test_an_address_ends_in_the_name_of_a_file(address):
    with pytest.raises(InputError, match="expected an address that ends in a file name"):
        parse_settings({"datasets": [{"name": "mine", "path": address}]})


def test_a_table_that_says_otherwise_of_a_built_in_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/datasets.tsv").write_text("name\tsource\npbmc68k-sample\tmine.h5ad\n")
    with pytest.raises(InputError, match=r"row 2, column source: expected .* built-in data set"):
        import_dataset(DatasetSettings())


# The sample that comes with scanpy


def test_sample():
    adata = import_dataset(DatasetSettings())
    assert_in_layout(adata, "pbmc68k-sample")
    assert adata.shape == (700, 765)
    assert adata.X.sum() == 486651
    assert adata.obs["cell_type"].nunique() == 10
    assert adata.obs_names[0] == "AAAGCCTGGCTAAC-1"
    assert adata.var_names[0] == "HES4"


def test_recovered_counts_are_those_that_were_logged():
    counts = sparse.random(50, 40, 0.2, "csr", random_state=0)
    counts.data = np.ceil(counts.data * 90)
    totals = np.asarray(counts.sum(axis=1)).ravel() + 1000
    logged = counts.copy()
    logged.data = np.round(
        np.log1p(counts.data / np.repeat(totals, np.diff(counts.indptr)) * 1e4), 3
    ).astype(np.float32)
    assert (recover_counts(logged, totals, "x") != counts).nnz == 0


def test_values_of_other_origin_are_not_recovered():
    logged = sparse.csr_matrix(np.array([[0.5, 1.234]]))
    with pytest.raises(InputError, match=r"x: expected whole numbers .* found 2 other values"):
        recover_counts(logged, np.array([9000.0]), "x")


def test_sample_without_scanpy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="expected the package scanpy"):
        import_dataset(DatasetSettings())


def test_sample_without_its_file(monkeypatch):
    monkeypatch.setattr(built_in, "SAMPLE_FILE", "nothing.h5ad")
    with pytest.raises(InputError, match=r"expected scanpy's file .*nothing\.h5ad, found none"):
        import_dataset(DatasetSettings())


def test_other_version_of_the_sample_is_warned_about(monkeypatch):
    monkeypatch.setattr(built_in, "SAMPLE_SHA256", "0" * 64)
    with pytest.warns(UserWarning, match="differs from the version known"):
        assert import_dataset(DatasetSettings()).n_obs == 700


# The study's deposit and the whole data set, in miniature

GENES = b"E1\tA\nE2\tB\nE3\tB\n"


def provide(monkeypatch, dataset, folder, role, name, content):
    """Put a file into resources and have the registry expect its digest."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    source = replace(SOURCES[dataset][role], name=name, sha256=digest, urls=())
    monkeypatch.setitem(SOURCES[dataset], role, source)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)
    counts = pd.DataFrame(COUNTS.astype(float)).to_csv(sep="\t", header=False).encode()
    types = pd.DataFrame({"barcode": CELLS, "celltype": TYPES}).to_csv(sep="\t", index=False)
    provide(monkeypatch, "pbmc68k-study", tmp_path, "counts", "c.tsv", counts)
    provide(monkeypatch, "pbmc68k-study", tmp_path, "cell_types", "t.tsv", types.encode())
    return tmp_path


def test_study_with_gene_names(study, monkeypatch):
    provide(monkeypatch, "pbmc68k-study", study, "genes", "g.tsv", GENES)
    adata = import_dataset(DatasetSettings(name="pbmc68k-study"), study)
    assert_in_layout(adata, "pbmc68k-study")
    assert (adata.X.toarray() == COUNTS).all()
    assert adata.obs_names.tolist() == CELLS
    assert adata.var["symbol"].to_dict() == {"E1": "A", "E2": "B", "E3": "B"}


def test_study_without_gene_names(study):
    with pytest.warns(UserWarning, match="genes are named by position"):
        adata = import_dataset(DatasetSettings(name="pbmc68k-study"), study)
    assert adata.var_names.tolist() == ["gene-00001", "gene-00002", "gene-00003"]


def test_study_with_other_genes_is_refused(study, monkeypatch):
    provide(monkeypatch, "pbmc68k-study", study, "genes", "g.tsv", b"E1\tA\n")
    with pytest.raises(InputError, match=r"g\.tsv: expected 3 genes as in .*, found 1"):
        import_dataset(DatasetSettings(name="pbmc68k-study"), study)


def test_study_with_other_cells_is_refused(study, monkeypatch):
    content = b"barcode\tcelltype\nAA-1\tx\n"
    provide(monkeypatch, "pbmc68k-study", study, "cell_types", "t2.tsv", content)
    with pytest.raises(InputError, match=r"t2\.tsv: expected 4 cells as in .*, found 1"):
        import_dataset(DatasetSettings(name="pbmc68k-study"), study)


def archive():
    matrix, packed = io.BytesIO(), io.BytesIO()
    scipy_io.mmwrite(matrix, sparse.coo_matrix(COUNTS.T))
    files = {
        "genes.tsv": GENES,
        "barcodes.tsv": "\n".join(CELLS).encode(),
        "matrix.mtx": matrix.getvalue(),
    }
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"filtered_matrices_mex/hg19/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def test_study_takes_gene_names_from_the_archive(study, monkeypatch):
    provide(monkeypatch, "pbmc68k-study", study, "matrix", "m.tar.gz", archive())
    adata = import_dataset(DatasetSettings(name="pbmc68k-study"), study)
    assert adata.var_names.tolist() == ["E1", "E2", "E3"]


@pytest.mark.parametrize("reverse", [False, True])
def test_full_data_set_is_joined_by_barcode(tmp_path, monkeypatch, reverse):
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)
    rows = [f"1.0\t2.0\t{c}\t{t}\n" for c, t in zip(CELLS, TYPES, strict=True)]
    text = "TSNE.1\tTSNE.2\tbarcodes\tcelltype\n" + "".join(rows[::-1] if reverse else rows)
    provide(monkeypatch, "pbmc68k", tmp_path, "matrix", "m.tar.gz", archive())
    provide(monkeypatch, "pbmc68k", tmp_path, "annotation", "a.tsv", text.encode())
    adata = import_dataset(DatasetSettings(name="pbmc68k"), tmp_path)
    assert_in_layout(adata, "pbmc68k")
    assert (adata.X.toarray() == COUNTS).all()
    assert adata.obs["cell_type"].tolist() == TYPES


# The real deposit

needs_deposit = pytest.mark.skipif(
    not GIVEN, reason=f"{sources.DATA_VARIABLE} names no folder with the deposited data"
)


@pytest.mark.study
@needs_deposit
def test_real_study(tmp_path):
    adata = import_dataset(DatasetSettings(name="pbmc68k-study"), tmp_path)
    assert_in_layout(adata, "pbmc68k-study")
    assert adata.shape == (1500, 32738)
    assert adata.X.sum() == 2112909
    assert adata.obs["cell_type"].nunique() == 11
    assert adata.var["symbol"].iloc[0] == "MIR1302-10"
    assert list(tmp_path.iterdir()) == []
    annotation = sources.fetch_source(SOURCES["pbmc68k"]["annotation"], "pbmc68k", tmp_path)
    official = read_cell_types(annotation, adata.obs_names, "celltype")
    assert sum(official == adata.obs["cell_type"].astype(object)) == 1500


@pytest.mark.study
@needs_deposit
def test_real_annotation_covers_every_barcode(tmp_path):
    annotation = sources.fetch_source(SOURCES["pbmc68k"]["annotation"], "pbmc68k", tmp_path)
    packed = sources.Source(
        "barcodes.tsv",
        "454fb1626a376c6ab59810bb601ea0da734ef7b62dfc14d2ef982ab50516111a",
        folder="pbmc68k_official",
    )
    with gzip.open(sources.fetch_source(packed, "pbmc68k", tmp_path), "rt") as stream:
        barcodes = pd.Index(stream.read().split())
    types = read_cell_types(annotation, barcodes, "celltype")
    assert len(types) == 68579
    assert len(set(types)) == 11


def test_where_x_has_no_counts_the_other_matrices_are_named(tmp_path):
    obs = pd.DataFrame({"kind": TYPES}, index=CELLS)
    adata = anndata.AnnData(np.log1p(COUNTS), obs=obs)
    adata.layers["counts"] = COUNTS
    adata.write_h5ad(tmp_path / "own.h5ad")
    own = {"name": "own", "path": str(tmp_path / "own.h5ad"), "label_column": "kind"}
    with pytest.raises(InputError, match=r"log-transformed\): if .* in datasets\.layer: counts$"):
        import_dataset(DatasetSettings(**own))
    assert (import_dataset(DatasetSettings(**own, layer="counts")).X.toarray() == COUNTS).all()
    with pytest.raises(InputError, match=r"log-transformed\)$"):
        import_dataset(DatasetSettings(**own, layer="X"))
    adata.X = None
    adata.write_h5ad(tmp_path / "own.h5ad")
    with pytest.raises(InputError, match=r"counts in X, found none there: .*one of these: counts$"):
        import_dataset(DatasetSettings(**own))
