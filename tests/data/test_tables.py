"""Tables of counts and of cell types."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentcell.config.settings import DatasetSettings
from latentcell.data.readers import read_counts
from latentcell.data.tables import (
    positional_genes,
    read_annotation,
    read_batches,
    read_cell_types,
    read_table,
)
from latentcell.runtime.errors import InputError

COUNTS = np.array([[0, 1, 25], [7, 0, 0], [0, 0, 100]])
CELLS, GENES = ["AA-1", "CC-1", "GG-1"], ["A", "B", "C"]
FRAME = pd.DataFrame(COUNTS, index=CELLS, columns=GENES)
BARCODES = pd.Index(CELLS)
HEADED = "barcode\t\nAA-1\tb\nCC-1\tc\nGG-1\tg\n"


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
    own = DatasetSettings(name="own", path=str(written(tmp_path / name, text)))
    assert_as_written(read_counts(own))


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


@pytest.mark.parametrize(
    "corner", ["CellID", "cell_barcode", "Sample ID", "Unnamed: 0", "row.names"]
)
def test_a_header_of_numbers_is_no_cell(tmp_path, corner):
    text = FRAME.set_axis([10, 20, 30], axis=1).to_csv(index_label=corner)
    assert_as_written(read_table(written(tmp_path / "a.csv", text)), genes=["10", "20", "30"])


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
        ("c\ta\tb\nw\t1\t2\nx\tone\t4\n", "line 3: expected a number in column 2, found 'one'"),
        ("c\ta\tb\nx\t4\t?\ny\t1\n", "line 2: expected a number in column 3, found '?'"),
        ("c\ta\tb\nx\t4\t?\ny\n", "line 2: expected a number in column 3, found '?'"),
        ("# by hand\n\nc\ta\tb\n\nx\t1\t?\n", "line 5: expected a number in column 3, found"),
        ("# by hand\n\n#c\ta\tb\nx\t1\t2\n\ny\t1\n", "line 6: expected 2 numbers as in the"),
        ("c\ta\tb\nx\t1\t1_0\n", "line 2: expected a number in column 3, found '1_0'"),
        ("c\ta\tb\n", "expected lines of counts, found none"),
        ("c;a;b\nx;1;2\n", "expected numbers set apart by tabs, found none in line 1"),
        ("\n\n", "expected lines of counts, found none"),
    ],
)
def test_broken_table_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path / "a.tsv", text))


FIELDS = ["0", "0.0", "00", "7", "012", "25", "987654321", "9876543210", "-3", "+4", "2.5", "1e3"]


@pytest.mark.parametrize("block", [1, 40, 200, 1 << 20])
@pytest.mark.parametrize("separator", ["\t", ";"])
def test_fields_are_parsed_in_blocks_as_by_themselves(tmp_path, monkeypatch, separator, block):
    monkeypatch.setattr("latentcell.data.tables._BLOCK", block)
    random = np.random.default_rng(1)
    rows = [["0"] * 5, *random.choice(FIELDS, (20, 5)).tolist(), ["0"] * 4 + ["1234"]]
    lines = [separator.join([f"cell-{i}", *row]) for i, row in enumerate(rows)]
    adata = read_table(written(tmp_path / "a.txt", "\n".join(lines)))
    values = np.array([[float(field) for field in row] for row in rows])
    np.testing.assert_array_equal(adata.X.toarray(), values)
    assert adata.X.nnz == sum(field not in ("0", "0.0") for row in rows for field in row)


def test_clusters_of_clusters_are_no_counts(tmp_path):
    text = "cell,CD3D,LYZ,sub.cluster\nx,1,2,0_1\ny,4,5,1\n"
    adata = read_table(written(tmp_path / "a.csv", text))
    assert adata.var_names.tolist() == ["CD3D", "LYZ"]
    assert adata.obs["sub.cluster"].tolist() == ["0_1", "1"]


ROWS = "ENSG00000000001\tCD3D\t1\t0\nENSG00000000002\tLYZ\t0\t5\n"


@pytest.mark.parametrize(
    "text",
    [
        f"gene_id\tgene_name\tc1\tc2\n{ROWS}",
        f"#gene_id\tgene_name\tc1\tc2\n{ROWS}",
        f"# made by hand\nGeneid\tsymbol\tc1\tc2\n{ROWS}",
        "gene_name\tgene_id\tc1\tc2\nCD3D\tENSG00000000001\t1\t0\nLYZ\tENSG00000000002\t0\t5\n",
        "gene_id\tlength\tgene_name\tdescription\tc1\tc2\n"
        "ENSG00000000001\t900\tCD3D\tT cell\t1\t0\nENSG00000000002\t80\tLYZ\t\t0\t5\n",
    ],
)
def test_columns_about_genes_name_them(tmp_path, text):
    for orientation in ("auto", "genes-by-cells"):
        read = read_table(written(tmp_path / "a.tsv", text), orientation)
        assert read.var_names.tolist() == ["ENSG00000000001", "ENSG00000000002"]
        assert read.var["symbol"].tolist() == ["CD3D", "LYZ"]
        assert read.obs_names.tolist() == ["c1", "c2"]
        assert read.X.toarray().tolist() == [[1, 0], [0, 5]]


def test_separators_at_the_ends_of_lines_are_no_column(tmp_path):
    read = read_table(written(tmp_path / "a.csv", "cell,a,b,\nx,1,2,\ny,3,4,\n"))
    assert read.var_names.tolist() == ["a", "b"]
    assert read.X.toarray().tolist() == [[1, 2], [3, 4]]


def test_what_was_not_counted_is_to_be_zero(tmp_path):
    with pytest.raises(InputError, match="column 2, found 'NA': write 0 where nothing was counted"):
        read_table(written(tmp_path / "a.csv", "cell,a,b\nx,NA,2\n"))


def test_two_genomes_in_a_table_are_asked_for(tmp_path):
    text = "cell,GRCh38_CD3D,GRCh38_LYZ,mm10_Cd3d\nx,1,2,3\n"
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(InputError, match="choose one with --genome GRCh38"):
        read_table(path)
    read = read_table(path, genome="GRCh38")
    assert read.var_names.tolist() == ["CD3D", "LYZ"]
    assert read.X.toarray().tolist() == [[1, 2]]


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


@pytest.mark.parametrize(
    ("text", "column"),
    [("AA-1\t1\tb\nCC-1\t1\tc\nGG-1\t2\tg\n", "column-3"), (HEADED, "cell_type")],
)
def test_columns_without_a_name_are_called_alike_by_all_readers(tmp_path, text, column):
    path = written(tmp_path / "l.tsv", text)
    assert read_annotation(path, BARCODES)[column].tolist() == ["b", "c", "g"]
    assert read_cell_types(path, BARCODES, column) == ["b", "c", "g"]
    assert read_batches(path, BARCODES, column)[0] == ["b", "c", "g"]


def test_barcodes_are_the_column_with_most_of_them(tmp_path):
    """Numbers of clusters are numbers of cells, too."""
    text = "leiden,cell\n" + "".join(f"{n % 2},{n}\n" for n in range(4))
    path, cells = written(tmp_path / "l.csv", text), pd.Index(list("0123"))
    assert read_cell_types(path, cells, None) == ["0", "1", "0", "1"]
    assert read_annotation(path, cells)["leiden"].tolist() == ["0", "1", "0", "1"]


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
        ("t\tbarcode\nT\tCD4\tAA-1\nB\tCC-1\nB\tGG-1\n", None, "fields in row 2, .* found 3"),
        ("x\tbarcode\tt\nAA-1\tb\nCC-1\tc\n", "t", "expected 2 fields in row 1, .* found 3"),
    ],
)
def test_broken_cell_types_are_refused(tmp_path, text, column, message):
    with pytest.raises(InputError, match=message):
        read_cell_types(written(tmp_path / "l.tsv", text), BARCODES, column)


# Tables out of spreadsheets and R

BOM = "\ufeff"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("corner", ["", "cell", None])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_byte_order_mark_costs_no_gene(tmp_path, separator, corner, end):
    text = FRAME.to_csv(sep=separator, index_label=corner or "", lineterminator=end)
    if corner is None:
        text = text[text.index(separator) + 1 :]
    assert_as_written(read_table(written(tmp_path / "a.csv", BOM + text)))


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
def test_the_separator_of_a_text_is_found(tmp_path, separator):
    text = FRAME.to_csv(sep=separator, index_label="cell", quoting=2)
    assert_as_written(read_table(written(tmp_path / "a.txt", text)))


def test_decimal_commas(tmp_path):
    text = FRAME.astype(float).to_csv(sep=";", index_label="cell", decimal=",")
    assert "25,0" in text
    assert_as_written(read_table(written(tmp_path / "a.csv", text)))
    with pytest.raises(InputError, match="line 2: expected a number in column 3, found '2,000'"):
        read_table(written(tmp_path / "b.csv", "cell;A;B\nx;1;2,000\n"))


def test_utf16_is_named(tmp_path):
    (tmp_path / "a.tsv").write_bytes(FRAME.to_csv(sep="\t").encode("utf-16"))
    with pytest.raises(InputError, match=r"found UTF-16, .*: save it as CSV in UTF-8"):
        read_table(tmp_path / "a.tsv")


def test_another_separator_than_the_name_says_is_named(tmp_path):
    with pytest.raises(InputError, match=r"which has semicolons: rename the file to end in \.csv"):
        read_table(written(tmp_path / "a.tsv", "c;a;b\nx;1;2\n"))


def test_quoted_names_with_separators(tmp_path):
    text = '"","A","B"\n"cell, one","1","0"\n"cell, two","0","3"\n'
    read = read_table(written(tmp_path / "a.csv", text))
    assert read.obs_names.tolist() == ["cell, one", "cell, two"]
    assert read.X.toarray().tolist() == [[1, 0], [0, 3]]


@pytest.mark.parametrize("first", [True, False])
def test_columns_about_cells_are_no_genes(tmp_path, first):
    frame = FRAME.copy()
    frame.insert(0 if first else 3, "cell_type", ["x", "y", "x"])
    frame.insert(1, "nCount_RNA", COUNTS.sum(1))
    read = read_table(written(tmp_path / "a.csv", frame.to_csv()))
    assert_as_written(read)
    assert read.obs["cell_type"].tolist() == ["x", "y", "x"]
    assert read.obs["nCount_RNA"].tolist() == COUNTS.sum(1).tolist()


def test_a_cell_that_is_called_like_a_column_about_cells_is_named(tmp_path):
    table = tmp_path / "counts.csv"
    table.write_text("gene,A1,sample,B1\nCD3D,1,2,3\nLYZ,0,5,4\n")
    with pytest.warns(UserWarning, match=r"counts.csv: the column 'sample' is left out"):
        adata = read_table(table, "genes-by-cells")
    assert list(adata.obs_names) == ["A1", "B1"]


@pytest.mark.parametrize(
    "name",
    ["cell_type", "batch", "donor_id", "cluster_id", "RNA_snn_res.0.8", "nCount_SCT", "Unnamed: 0"],
)
def test_columns_of_codes_are_no_genes(tmp_path, name):
    frame = FRAME.copy()
    frame.insert(0, name, [0, 1, 0])
    read = read_table(written(tmp_path / "a.csv", frame.to_csv()))
    assert_as_written(read)
    assert read.obs[name].tolist() == [0, 1, 0]


def test_a_missing_type_in_the_first_line_is_no_count(tmp_path):
    frame = FRAME.copy()
    frame.insert(0, "my_labels", ["nan", "x", "y"])
    read = read_table(written(tmp_path / "a.csv", frame.to_csv()))
    assert_as_written(read)
    assert read.obs["my_labels"].tolist() == ["nan", "x", "y"]


@pytest.mark.parametrize("types", [["T, CD4", "B, naive", "T, CD4"], ["B", "T, CD4", "T, CD8"]])
def test_quoted_types_with_separators(tmp_path, types):
    frame = FRAME.copy()
    frame.insert(0, "cell_type", types)
    read = read_table(written(tmp_path / "a.csv", frame.to_csv()))
    assert_as_written(read)
    assert read.obs["cell_type"].tolist() == types
    text = frame.to_csv().replace(",7,", ',"1,234",')
    with pytest.raises(InputError, match=r"line 3: expected a number in .*, found '1,234'"):
        read_table(written(tmp_path / "b.csv", text))


SYMBOLS = ["CD3D", "LYZ", "MT-CO1"]


@pytest.mark.parametrize("cells", [CELLS, ["AAACCTGAGT-1", "CCCCTGAGTA-1", "GGACCTGAGT-1"]])
@pytest.mark.parametrize(
    "genes", [SYMBOLS, ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"]]
)
def test_genes_in_rows_are_found_by_their_names(tmp_path, cells, genes):
    frame = pd.DataFrame(COUNTS, cells, genes)
    assert_as_written(read_table(written(tmp_path / "a.csv", frame.to_csv()), "auto"), cells, genes)
    with pytest.warns(UserWarning, match="rows are taken for genes, by their names"):
        read = read_table(written(tmp_path / "b.csv", frame.T.to_csv()), "auto")
    assert_as_written(read, cells, genes)
    turned = read_table(tmp_path / "b.csv", "cells-by-genes")
    assert turned.obs_names.tolist() == genes


@pytest.mark.parametrize("corner", ["gene_symbol", "GeneID", "ensembl_gene_id", None])
def test_genes_in_rows_are_found_beside_cells_without_names(tmp_path, corner):
    frame = pd.DataFrame(COUNTS, ["0", "1", "2"], SYMBOLS).T
    text = frame.to_csv(index_label=corner, header=corner is not None)
    with pytest.warns(UserWarning, match="rows are taken for genes, by their names"):
        read = read_table(written(tmp_path / "a.csv", text), "auto")
    assert_as_written(read, ["0", "1", "2"], SYMBOLS)


def test_barcodes_in_columns_tell_as_well(tmp_path):
    cells = ["AAACCTGAGT-1", "CCCCTGAGTA-1", "GGACCTGAGT-1"]
    text = pd.DataFrame(COUNTS, cells, ["a1", "a2", "a3"]).T.to_csv()
    with pytest.warns(UserWarning, match="rows are taken for genes"):
        assert_as_written(
            read_table(written(tmp_path / "a.csv", text), "auto"), cells, ["a1", "a2", "a3"]
        )


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_and_columns_has_no_effect(tmp_path_factory, data):
    genes = [*SYMBOLS, *(f"g{i}" for i in range(60))]
    cells = [f"c{i}" for i in range(8)]
    counts = np.arange(len(cells) * len(genes)).reshape(len(cells), -1)
    rows = data.draw(st.permutations(range(len(cells))))
    columns = data.draw(st.permutations(range(len(genes))))
    frame = pd.DataFrame(counts, cells, genes).iloc[rows, columns]
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    frame.T.to_csv(path)
    with pytest.warns(UserWarning, match="rows are taken for genes"):
        read = read_table(path, "auto")
    assert read.obs_names.tolist() == frame.index.tolist()
    assert (read.X.toarray() == frame.to_numpy()).all()


# Files of cell types

LABELS = "barcode,kind\nAA-1,b\nCC-1,c\nGG-1,g\n"


@pytest.mark.parametrize(
    "text",
    [
        BOM + LABELS,
        BOM + LABELS.split("\n", 1)[1],
        LABELS.replace(",", ";"),
        LABELS.replace(",", "\t"),
        LABELS.replace("\n", "\r\n") + "\r\nTotal\r\n",
        LABELS + "\n;;\n",
    ],
    ids=["bom", "bom-headless", "semicolons", "tabs", "note-below", "blank-below"],
)
@pytest.mark.parametrize("name", ["l.csv", "l.tsv", "l.txt"])
def test_cell_types_out_of_a_spreadsheet(tmp_path, text, name):
    assert read_cell_types(written(tmp_path / name, text), BARCODES, None) == ["b", "c", "g"]


def test_blanks_around_fields_of_cell_types(tmp_path):
    text = 'kind, barcode\nb, AA-1\n"c, d", "CC-1"\n"g", GG-1\n'
    assert read_cell_types(written(tmp_path / "l.csv", text), BARCODES, None) == ["b", "c, d", "g"]


def test_of_columns_with_one_name_the_first_is_read(tmp_path):
    path = written(tmp_path / "l.csv", "barcode,kind,kind\nAA-1,b,x\nCC-1,c,x\nGG-1,g,x\n")
    assert read_annotation(path, BARCODES)["kind"].tolist() == ["b", "c", "g"]
    assert read_cell_types(path, BARCODES, "kind") == ["b", "c", "g"]


@pytest.mark.parametrize("first", [0, 1])
def test_cells_that_are_numbered_from_elsewhere_are_refused(tmp_path, first):
    text = "cell,kind\n" + "".join(f"{n},{kind}\n" for n, kind in enumerate("bcg", start=first))
    path = written(tmp_path / "l.csv", text)
    alike, other = (pd.Index([str(n + start) for n in range(3)]) for start in (first, 1 - first))
    assert read_cell_types(path, alike, None) == ["b", "c", "g"]
    with pytest.raises(InputError, match=rf"cells numbered from {1 - first}, .* from {first}:"):
        read_cell_types(path, other, None)


@pytest.mark.parametrize(
    ("text", "barcodes"),
    [
        (LABELS.replace("-1", ""), CELLS),
        (LABELS, ["AA", "CC", "GG"]),
        (LABELS.replace("-1", "-7"), CELLS),
    ],
)
def test_barcodes_that_differ_in_their_last_number_are_taken_and_named(tmp_path, text, barcodes):
    path = written(tmp_path / "l.csv", text)
    with pytest.warns(
        UserWarning, match=rf"barcodes such as \S+ are taken .* such as {barcodes[0]}"
    ):
        assert read_cell_types(path, pd.Index(barcodes), None) == ["b", "c", "g"]


def test_barcodes_that_are_one_without_the_number_are_refused(tmp_path):
    path = written(tmp_path / "l.csv", LABELS.replace("-1", ""))
    with pytest.raises(InputError, match=r"found none of the 3 .*but lines such as 'AA, b'"):
        read_cell_types(path, pd.Index(["AA-1", "AA-2", "CC-1"]), None)


def test_all_columns_about_cells_are_read(tmp_path):
    path = written(tmp_path / "l.csv", '"","a","my type"\n"CC-1","1","T, c"\n"AA-1","2","B"\n')
    found = read_annotation(path, BARCODES)
    assert found.columns.tolist() == ["a", "my type"]
    assert found["my type"].tolist()[:2] == ["B", "T, c"]
    assert found["a"].isna().tolist() == [False, False, True]
    assert (
        read_annotation(written(tmp_path / "m.csv", "AA-1,B\n"), BARCODES).columns[0] == "cell_type"
    )
