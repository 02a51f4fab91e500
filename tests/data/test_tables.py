"""Tables of counts and of cell types."""

import gzip

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import DatasetSettings
from latentcell.data.readers import read_counts
from latentcell.data.tables import positional_genes, read_cell_types, read_table
from latentcell.runtime.errors import InputError

COUNTS = np.array([[0, 1, 25], [7, 0, 0], [0, 0, 100]])
CELLS, GENES = ["AA-1", "CC-1", "GG-1"], ["A", "B", "C"]
FRAME = pd.DataFrame(COUNTS, index=CELLS, columns=GENES)
BARCODES = pd.Index(CELLS)


def assert_as_written(adata, cells=CELLS, genes=GENES):
    assert (adata.X.toarray() == COUNTS).all()
    assert adata.obs_names.tolist() == cells
    assert adata.var_names.tolist() == genes


def written(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.tsv.gz", "a.csv.gz"])
@pytest.mark.parametrize("corner", ["", "cell", None])
@pytest.mark.parametrize("quoting", [0, 2])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_table(tmp_path, name, corner, quoting, end):
    separator = "," if ".csv" in name else "\t"
    text = FRAME.to_csv(
        sep=separator, index_label=corner or "", quoting=quoting, lineterminator=end
    )
    if corner is None:  # as R writes it
        text = text[text.index(separator) + 1 :]
    settings = DatasetSettings(name="own", path=str(written(tmp_path / name, text)))
    assert_as_written(read_counts(settings))


def test_table_of_genes_by_cells(tmp_path):
    path = written(tmp_path / "a.tsv", FRAME.T.to_csv(sep="\t"))
    assert_as_written(read_table(path, "genes-by-cells"))


def test_headless_table_of_floats(tmp_path):
    text = FRAME.astype(float).reset_index(drop=True).to_csv(sep="\t", header=False)
    assert text.startswith("0\t0.0\t1.0")
    genes = ["gene-00001", "gene-00002", "gene-00003"]
    assert_as_written(read_table(written(tmp_path / "a.tsv.gz", text)), ["0", "1", "2"], genes)


def test_headless_table_of_genes_by_cells(tmp_path):
    path = written(tmp_path / "a.tsv", FRAME.T.to_csv(sep="\t", header=False))
    assert_as_written(read_table(path, "genes-by-cells"), ["0", "1", "2"])


def test_genes_that_are_numbers(tmp_path):
    text = FRAME.set_axis([10, 20, 30], axis=1).to_csv(sep="\t", index_label="barcode")
    assert_as_written(read_table(written(tmp_path / "a.tsv", text)), genes=["10", "20", "30"])


def test_fields_that_look_like_zeros_are_told_apart(tmp_path):
    fields = "0\t0.0\t0.5\t000\t1e0\t0.1\t9\t010\t-0\t0e5\t.10\t5"
    adata = read_table(written(tmp_path / "a.tsv", f"c\t{fields}\n"))
    assert adata.X.toarray()[0].tolist() == [float(field) for field in fields.split("\t")]


def test_last_line_needs_no_end(tmp_path):
    assert_as_written(read_table(written(tmp_path / "a.tsv", FRAME.to_csv(sep="\t").rstrip())))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c\ta\tb\nx\t1\n", "expected 1 names in the first line, .*found 3"),
        ("c\ta\tb\nx\t1\t2\ny\t1\n", "line 3: expected 2 numbers as in the lines above, found 1"),
        ("c\ta\tb\nx\t1\tfour\n", "line 2: expected a number in column 3, found 'four'"),
        ("c\ta\tb\nx\t\t4\n", "line 2: expected a number in column 2, found ''"),
        ("c\ta\tb\nx\t4\t\n", "line 2: expected a number in column 3, found ''"),
        ("c\ta\tb\n", "expected lines of counts, found none"),
        ("c;a;b\nx;1;2\n", "expected numbers set apart by tabs, found none in line 1"),
        ("\n\n", "expected lines of counts, found none"),
    ],
)
def test_broken_table_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path / "a.tsv", text))


def test_cut_table_is_refused(tmp_path):
    path = written(tmp_path / "a.tsv.gz", FRAME.to_csv(sep="\t"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.tsv\.gz: expected a whole file"):
        read_table(path)


def test_positional_genes_sort_as_they_stand():
    names = positional_genes(32738)
    assert names[0] == "gene-00001"
    assert names[-1] == "gene-32738"
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("l.tsv", "barcode\tcelltype\nAA-1\tb\nGG-1\tg\nCC-1\tc\n", None),
        ("l.csv", "kind,cell\nb,AA-1\nc,CC-1\ng,GG-1\n", None),
        ("l.tsv.gz", "AA-1\tb\nCC-1\tc\nGG-1\tg\n", None),
        ("l.tsv", "x\tbarcodes\tcelltype\n1\tAA-1\tb\n2\tCC-1\tc\n3\tGG-1\tg\n4\tTT-1\tz\n", None),
        ("l.tsv", "t\tbarcodes\tu\n1\tAA-1\tb\n2\tCC-1\tc\n3\tGG-1\tg\n", "u"),
        ("l.csv", '"cell_type"\n"AA-1","b"\n"CC-1","c"\n"GG-1","g"\n', None),
        ("l.tsv", "barcode\tcelltype\nAA-1\tb\nAA-1\tb\nGG-1\tg\nCC-1\tc\n", None),
    ],
    ids=["plain", "turned", "headless", "known-name", "named", "from-R", "said-twice"],
)
def test_cell_types(tmp_path, name, text, column):
    path = written(tmp_path / name, text)
    assert read_cell_types(path, BARCODES, column) == ["b", "c", "g"]


def test_cells_without_a_type_are_left_open(tmp_path):
    path = written(tmp_path / "l.tsv", "barcode\tcelltype\nAA-1\tb\n")
    types = read_cell_types(path, BARCODES, None)
    assert types[0] == "b"
    assert pd.isna(types[1:]).all()


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", None, "expected barcodes and cell types, found no line"),
        ("barcode\tcelltype\nTT-1\tb\n", None, "barcodes such as AA-1, found none of the 3"),
        (
            "barcode\tt\nAA-1\tb\n",
            "kind",
            r"the column 'kind' \(datasets.label_column\), found barc",
        ),
        ("barcode\tt\tu\nAA-1\tb\tc\n", None, "cell types, one of 3, in datasets.label_column"),
        ("AA-1\n", None, "cell types, one of 1, in datasets.label_column"),
        ("barcode\tt\nAA-1\tb\nAA-1\tc\n", None, "one cell type per barcode, found two for AA-1"),
    ],
)
def test_broken_cell_types_are_refused(tmp_path, text, column, message):
    with pytest.raises(InputError, match=message):
        read_cell_types(written(tmp_path / "l.tsv", text), BARCODES, column)
