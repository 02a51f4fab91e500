"""Joined names of genes, sums among the counts, and GCT files."""

import warnings

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import DatasetSettings
from latentcell.data.finding import find
from latentcell.data.genes import Features, genes_of
from latentcell.data.tables import read_table
from latentcell.runtime.errors import InputError

IDS = [f"ENSG0000000{number:04d}" for number in range(1, 7)]
SYMBOLS = ["ACTB", "CD3D", "HLA-DRA", "LYZ", "MT-CO1", "RP11-34P13.7"]
COUNTS = np.random.default_rng(0).poisson(3, (4, 6))
CELLS = ["AAAC-1", "AAAG-1", "AAAT-1", "AACC-1"]


@pytest.mark.parametrize("between", ["_", "|", "-", ":", "___"])
def test_identifiers_and_symbols_in_one_name_are_parted(between):
    versions = [f"{name}.{number}" for number, name in enumerate(IDS, 3)]
    for ids in (IDS, versions):
        joined = [f"{name}{between}{symbol}" for name, symbol in zip(ids, SYMBOLS, strict=True)]
        table = genes_of(Features(joined, {}), "file").table
        assert table.index.tolist() == ids
        assert table["symbol"].tolist() == SYMBOLS
    turned = [f"{symbol}{between}{name}" for name, symbol in zip(IDS, SYMBOLS, strict=True)]
    assert genes_of(Features(turned, {}), "file").table.index.tolist() == IDS


def test_some_names_may_have_no_identifier_and_plain_ones_are_left():
    ids = [f"ENSG0000000{number:04d}" for number in range(1, 20)]
    joined = [*(f"{name}_A{number}" for number, name in enumerate(ids)), "EGFP"]
    table = genes_of(Features(joined, {}), "file").table
    assert table.index.tolist() == [*ids, "EGFP"]
    assert table["symbol"].iloc[-1] == "EGFP"
    for plain in (SYMBOLS, IDS, ["A_1", "B_2"]):
        table = genes_of(Features(plain, {}), "file").table
        assert table.index.tolist() == plain
        assert table["symbol"].tolist() == plain
    # An identifier that occurs twice, as with isoforms, would lose one of the two.
    twice = [f"{IDS[0]}_A", f"{IDS[0]}_B"]
    assert genes_of(Features(twice, {}), "file").table.index.tolist() == twice


def written(path, *, row=None, column=None):
    table = pd.DataFrame(COUNTS, index=CELLS, columns=SYMBOLS)
    if column is not None:
        table[column] = table.sum(axis=1)
    if row is not None:
        table.loc[row] = table.sum(axis=0)
    table.to_csv(path)
    return path


@pytest.mark.parametrize(
    ("row", "column"), [("Total", None), (None, "total"), ("Grand Total", "Sum"), (None, None)]
)
def test_sums_of_rows_and_columns_are_no_cells_and_no_genes(tmp_path, row, column):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read = read_table(written(tmp_path / "sums.csv", row=row, column=column))
    np.testing.assert_array_equal(read.X.toarray(), COUNTS)
    assert read.obs_names.tolist() == CELLS
    assert read.var_names.tolist() == SYMBOLS
    said = "\n".join(str(one.message) for one in caught)
    for what, name in (("row", row), ("column", column)):
        sentence = f"the {what} {name!r} is left out, as it is the sum of the others"
        assert (sentence in said) == (name is not None)


def test_genes_in_rows_lose_their_sums_too(tmp_path):
    table = pd.DataFrame(COUNTS.T, index=SYMBOLS, columns=CELLS)
    table.loc["Total"] = table.sum(axis=0)
    table["Total"] = table.sum(axis=1)
    table.to_csv(tmp_path / "turned.csv")
    with pytest.warns(UserWarning, match="is the sum of the others"):
        read = read_table(tmp_path / "turned.csv", "genes-by-cells")
    np.testing.assert_array_equal(read.X.toarray(), COUNTS)
    assert read.obs_names.tolist() == CELLS


def test_a_name_alone_makes_no_sum(tmp_path):
    table = pd.DataFrame(COUNTS, index=CELLS, columns=[*SYMBOLS[:-1], "Total"])
    table.to_csv(tmp_path / "named.csv")
    assert read_table(tmp_path / "named.csv").var_names.tolist() == table.columns.tolist()


def test_columns_about_cells_keep_their_rows(tmp_path):
    table = pd.DataFrame(COUNTS, index=CELLS, columns=SYMBOLS)
    table.loc["Total"] = table.sum(axis=0)
    table.insert(0, "cell_type", ["B", "T", "T", "NK", ""])
    table.to_csv(tmp_path / "typed.csv")
    with pytest.warns(UserWarning, match="the row 'Total'"):
        read = read_table(tmp_path / "typed.csv")
    assert read.obs["cell_type"].tolist() == ["B", "T", "T", "NK"]


def test_a_gct_file_is_refused_with_what_to_do(tmp_path):
    lines = ["#1.2", "6\t4", "\t".join(["Name", "Description", *CELLS])]
    body = zip(IDS, SYMBOLS, COUNTS.T, strict=True)
    lines += ["\t".join([name, symbol, *map(str, row)]) for name, symbol, row in body]
    path = tmp_path / "counts.gct"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="delete its first two lines and the column Description"):
        find(DatasetSettings(name="own", path=str(path)))
    # What the sentence says is right.
    table = pd.read_csv(path, sep="\t", skiprows=2).drop(columns="Description")
    table.to_csv(tmp_path / "counts.tsv", sep="\t", index=False)
    read = read_table(tmp_path / "counts.tsv", "auto")
    np.testing.assert_array_equal(read.X.toarray(), COUNTS)
    assert read.var_names.tolist() == IDS
