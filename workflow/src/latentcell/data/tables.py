"""Text tables: counts as TSV or CSV, and cell types by barcode."""

import csv
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from latentcell.data.genes import Features, genes_of
from latentcell.data.naming import are_genes_rows, gene_naming
from latentcell.data.opening import broken_files_named, lines_of, open_bytes, refuse_stand_in
from latentcell.runtime.errors import InputError

Orientation = Literal["auto", "cells-by-genes", "genes-by-cells"]

_CELL_TYPE_COLUMNS = ("cell_type", "celltype", "cell_types", "celltypes", "label", "labels")
# Names of the column of row names; genes and cells may be numbers.
_CORNER = re.compile(
    r"|unnamed: 0|row[ ._-]?names?|"
    r"((cell|barcode|sample|gene|feature|ensembl|entrez|hgnc|mgi|symbol|index|id|name)s?[ ._-]?)+",
    re.IGNORECASE,
)
# Columns of a table of counts that describe cells: with texts, and with numbers too.
_ABOUT_CELLS = re.compile(
    r"cell.?type|annot|label|cluster|louvain|leiden|ident|lineage|class|barcode|sample|batch|donor|"
    r"patient|condition|treatment|tissue|disease|sex|phase|group",
    re.IGNORECASE,
)
_MEASURES = re.compile(
    r"n_?(counts?|features?|genes?)(_\w+)?|n_?umis?|total_counts|unnamed: \d+|"
    r"(pct|percent)[._]?(counts[._])?(mt|mito|ribo).*|leiden|louvain|.*snn_res.*|"
    r"((seurat_)?clusters?|cell[ ._]?types?|labels?|annotations?)(_?(id|code|name)s?)?|"
    r"(barcode|batch|sample|donor|patient)(_?id)?|"
    r"condition|treatment|tissue|disease|sex|phase|(orig\.)?ident",
    re.IGNORECASE,
)
# Columns about genes in tables with genes in rows, as featureCounts and BioMart write them, and
# what the first column is called there.
_ABOUT_GENES = re.compile(
    r"chr|chrom|chromosome|chromosome_name|start|end|strand|length|(gene_)?(bio)?type|description",
    re.IGNORECASE,
)
_SYMBOLS = re.compile(
    r"(external_)?gene_?(name|symbol)s?|gene_short_name|(hgnc_)?symbol", re.IGNORECASE
)
_GENE_CORNER = re.compile(r"(ensembl_?)?gene(s|_?ids?)?|ensembl(_?id)?", re.IGNORECASE)
# Sums that spreadsheets add, and the fewest names, itself among them, of which one can be a sum.
_TOTAL = re.compile(r"(grand[ _]?)?(totals?|sums?)", re.IGNORECASE)
_FEWEST_SUMMED = 3
_SEPARATORS = {b"\t": "tabs", b",": "commas", b";": "semicolons", b" ": "spaces"}
_ZERO, _POINT = b"0."
# Most digits of a count that is not parsed by itself, and characters that are parsed at once.
_DIGITS, _BLOCK = 9, 1 << 20
# Stands for a separator within quotes.
_QUOTED = b"\x1f"
# The number of the sample after a barcode; R's read.csv makes a point of the hyphen.
_SUFFIX = re.compile(r"[-.]\d+$")
_NOT_COUNTED = (b"NA", b"NaN", b"nan", b"N/A", b"null")
# The first fields of a region of the genome, as in fragments and peaks.
_REGION = re.compile(rb"(chr[0-9A-Za-z_]+|GL\d+\.\d|KI\d+\.\d)\t\d+\t\d+(\t|$)")
_BOM, _WIDE_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA, _THOUSANDS = re.compile(rb"[+-]?\d+,\d+"), re.compile(rb"[+-]?\d{1,3}(,\d{3})+")


def positional_genes(number: int) -> list[str]:
    """Name genes by position: ``gene-00001`` and so on."""
    return [f"gene-{index + 1:05d}" for index in range(number)]


def read_table(
    path: Path, orientation: Orientation = "cells-by-genes", genome: str | None = None
) -> anndata.AnnData:
    """Read a table of counts whose first column holds the names of the rows.

    A first line with anything but numbers is the header. Without a header, genes are named by
    position, and so are cells in a table of genes by cells. Columns about cells, such as
    ``cell_type`` or ``nCount_RNA``, are read into ``obs``. Columns about genes, such as those of
    featureCounts, say that rows are genes. Lines that begin with ``#`` before the table are
    comments.

    Parameters
    ----------
    path
        Table, gzip-compressed or not.
    orientation
        What the rows are; ``auto``: genes if their names tell, otherwise cells.
    genome
        Genome whose genes are kept, in a table of several.

    Raises
    ------
    InputError
        If lines differ in length, a field is not a number, or the file cannot be unpacked.
    """
    table = _Table(path)
    for number, line in _lines(path):
        table.add(number, line)
    if not table.names:
        raise InputError(f"{path}: expected lines of counts, found none")
    matrix = table.without_totals()
    names, columns = table.names, table.columns
    if table.var:
        orientation = "genes-by-cells"
    elif orientation == "auto":
        turned = not table.obs and are_genes_rows(names, columns or [])
        if turned:
            warnings.warn(f"{path}: rows are taken for genes, by their names", stacklevel=2)
        orientation = "genes-by-cells" if turned else "cells-by-genes"
    if orientation == "genes-by-cells":
        for name in table.obs:
            warnings.warn(
                f"{path}: the column {name!r} is left out, as its name is that of a column about "
                "cells: if it is a cell, name it otherwise",
                stacklevel=2,
            )
        barcodes = columns or [str(index) for index in range(matrix.shape[1])]
        features = _features_of_rows(names, table.var)
        return _assemble(matrix.T.tocsr(), barcodes, features, path, genome)
    features = Features(columns or positional_genes(table.width), {})
    adata = _assemble(matrix, names, features, path, genome)
    for name, values in table.obs.items():
        adata.obs[name] = _numbers_if_all(values)
    return adata


def _features_of_rows(names: list[str], var: dict[str, list[Any]]) -> Features:
    """Return genes in rows, with the identifiers and symbols of columns about them."""
    symbols = next((values for name, values in var.items() if _SYMBOLS.fullmatch(name)), None)
    if symbols is not None:
        return Features(names, {}, symbols, identified=True)
    ids = {name: values for name, values in var.items() if _GENE_CORNER.fullmatch(name)}
    return Features(names, ids, names if ids else None)


def _numbers_if_all(texts: list[str]) -> Any:
    try:
        return pd.to_numeric(pd.Series(texts, dtype=object)).to_numpy()
    except ValueError:
        return texts


class _Table:
    """Counts of a table, which grows by its lines."""

    def __init__(self, path: Path) -> None:
        self._path, self.separator = path, b""
        self.columns: list[str] | None = None
        self.names: list[str] = []
        # Columns about cells, and about genes.
        self.obs: dict[str, list[Any]] = {}
        self.var: dict[str, list[Any]] = {}
        self.width = 0
        self._header: list[str] | None = None
        self._fields = 0
        # Values of the columns that hold no counts, by their positions.
        self._about: dict[int, list[Any]] = {}
        # Numbers and texts of the lines that are to be parsed together, and results of others.
        self._waiting: list[tuple[int, bytes]] = []
        self._parsed: list[_NonZeros] = []

    def add(self, number: int, line: bytes) -> None:
        """Add a line; the first one says what separates its fields, and may be the header."""
        if not self.separator:
            if _REGION.match(line):
                raise InputError(
                    f"{self._path}: expected counts of genes, found regions of the genome, as in "
                    "fragments or peaks of ATAC: take the matrix of the gene expression"
                )
            self.separator = separator_of(line, self._path)
            if _is_header(line, self.separator):
                self._header = next(
                    csv.reader([line.decode(errors="replace")], delimiter=self.separator.decode())
                )
                return
        name, rest = _split_name(line, self.separator)
        fields = 0 if rest is None else rest.count(self.separator) + 1
        if fields == 0:
            self._refuse(_no_numbers(self._path, self.separator, number, line))
        if not self.names:
            self._begin(rest, fields)
        if fields != self._fields:
            self._refuse(
                f"{self._path}: line {number}: expected {self._fields:,} numbers as in the lines "
                f"above, found {fields:,}"
            )
        assert rest is not None
        if self._about:
            rest = self._take_about(rest)
        self.names.append(name)
        self._waiting.append((number, rest))
        if len(self._waiting) * len(rest) >= _BLOCK:
            self._parse()

    def _refuse(self, sentence: str) -> NoReturn:
        """Refuse the table; a fault in the lines above is named first."""
        self._parse()
        raise InputError(sentence)

    def _parse(self) -> None:
        """Parse the lines that wait."""
        if self._waiting:
            numbers, texts = zip(*self._waiting, strict=True)
            where = _Where(self._path, numbers, self.columns)
            self._parsed.append(_parse_rows(texts, self.separator, where))
            self._waiting.clear()

    def without_totals(self) -> sparse.csr_matrix:
        """Return the counts without sums of the other rows or columns, which are no counts."""
        self._parse()
        matrix = _stack(self._parsed, self.width)
        row, column = _total(matrix, self.names), _total(matrix.T.tocsr(), self.columns or [])
        if row is not None:
            self._note_total("row", self.names.pop(row))
            for values in (*self.obs.values(), *self.var.values()):
                values.pop(row)
            matrix = matrix[np.arange(matrix.shape[0]) != row]
        if column is not None and self.columns is not None:
            self._note_total("column", self.columns.pop(column))
            matrix = matrix[:, np.arange(matrix.shape[1]) != column]
        return matrix

    def _note_total(self, what: str, name: str) -> None:
        warnings.warn(
            f"{self._path}: the {what} {name!r} is left out, as it is the sum of the others",
            stacklevel=4,
        )

    def _begin(self, rest: bytes | None, fields: int) -> None:
        """Tell the columns of counts from those about cells, by the header."""
        self._fields = self.width = fields
        if self._header is None:
            return
        columns = _fit_header(self._header, fields, self._path)
        first = (rest or b"").split(self.separator)
        numeric = [
            _is_number(field, self.separator) and field not in _NOT_COUNTED for field in first
        ]
        named = first[0] and first[0] not in _NOT_COUNTED and not _is_about_cells(columns[0])
        if numeric == [False, True] and named:
            raise InputError(
                f"{self._path}: expected a table of cells and genes, found a line for each count "
                f"({', '.join(self._header)}): make a column of each gene, for example with "
                "pandas.DataFrame.pivot_table"
            )
        corner = self._header[0].strip() if len(self._header) > fields else ""
        for place, (column, is_number) in enumerate(zip(columns, numeric, strict=True)):
            if not column and not first[place]:  # A separator at the ends of lines.
                self._about[place] = []
            elif _is_about_genes(column, corner, is_number=is_number):
                self._about[place] = self.var[column] = []
            elif _MEASURES.fullmatch(column) or (_is_about_cells(column) and not is_number):
                self._about[place] = self.obs[column] = []
        self.columns = [name for place, name in enumerate(columns) if place not in self._about]
        self.width = fields - len(self._about)
        if not self.width:
            raise InputError(
                f"{self._path}: expected columns of counts, found only columns about cells or "
                f"genes ({', '.join(columns)}): name the file with the counts; types in a file of "
                "their own are named with --labels-file (datasets.labels)"
            )

    def _take_about(self, rest: bytes) -> bytes:
        fields = rest.split(self.separator)
        for place, values in self._about.items():
            text = fields[place].replace(_QUOTED, self.separator)
            values.append(text.decode(errors="replace").strip())
        return self.separator.join(f for place, f in enumerate(fields) if place not in self._about)


def _total(matrix: sparse.csr_matrix, names: list[str]) -> int | None:
    """Return the place of a row that is called a total and is the sum of the others."""
    for place, name in enumerate(names):
        if not _TOTAL.fullmatch(name.strip()) or len(names) < _FEWEST_SUMMED:
            continue
        sums = np.asarray(matrix.sum(0)).ravel()
        if np.allclose(2 * matrix[place].toarray().ravel(), sums):
            return place
    return None


def _is_about_cells(column: str) -> bool:
    return _ABOUT_CELLS.search(column) is not None


def _is_about_genes(column: str, corner: str, *, is_number: bool) -> bool:
    """Tell whether a column is about genes: by its name, and by that of the row names."""
    if not _is_gene_name(corner):
        return False
    named = not is_number and _is_gene_name(column)
    return named or _ABOUT_GENES.fullmatch(column) is not None


def _is_gene_name(name: str) -> bool:
    return bool(_GENE_CORNER.fullmatch(name) or _SYMBOLS.fullmatch(name))


def separator_of(line: bytes, path: Path) -> bytes:
    """Tell what separates the fields of a line; commas or semicolons in ``.csv`` files."""
    name = path.name.lower()
    if ".csv" in name:
        candidates = [b",", b";", b"\t"]
    else:
        candidates = [b"\t"] if ".tsv" in name else [b"\t", b",", b";", b" "]
    bare = re.sub(rb'"[^"]*"', b"", line)
    numbers = [bare.count(one) for one in candidates]
    if ".csv" in name and numbers[1] > numbers[0]:
        return b";"  # Decimal commas may stand between semicolons.
    return next((one for one, n in zip(candidates, numbers, strict=True) if n), candidates[0])


def _no_numbers(path: Path, separator: bytes, number: int, line: bytes) -> str:
    said = f"{path}: expected numbers set apart by {_SEPARATORS[separator]}, found none in line "
    other = next((one for one in _SEPARATORS if one in line and one != separator), None)
    advice = ""
    if other is not None:
        end = {b"\t": ".tsv", b" ": ".txt"}.get(other, ".csv")
        advice = f", which has {_SEPARATORS[other]}: rename the file to end in {end}"
    return f"{said}{number}{advice}"


def read_cell_types(path: Path, barcodes: pd.Index, column: str | None) -> list[str | None]:
    """Look up the cell type of each barcode in a TSV or CSV file.

    The column with most of the barcodes is the key; the first line is a header unless it holds a
    barcode.

    Parameters
    ----------
    path
        TSV or CSV file, gzip-compressed or not.
    barcodes
        Barcodes of the cells.
    column
        Name of the column with the cell types; None if it is unambiguous.

    Returns
    -------
    list
        Cell type of each barcode, or None.

    Raises
    ------
    InputError
        If no column holds the barcodes or the cell types, or a barcode has two types.
    """
    return _values_of(_LabelTable.read(path, barcodes), barcodes, column, path)


def read_batches(
    path: Path, barcodes: pd.Index, column: str
) -> tuple[list[str | None] | None, list[str]]:
    """Look up the batch of each barcode in a TSV or CSV file.

    Returns
    -------
    list or None, list of str
        Batch of each barcode, or None, as `read_cell_types` has types; None without the column.
        Names of the columns, as `read_annotation` has them.

    Raises
    ------
    InputError
        As `read_cell_types`.
    """
    table = _LabelTable.read(path, barcodes)
    names = list(table.places())
    return (_values_of(table, barcodes, column, path) if column in names else None), names


def _values_of(
    table: "_LabelTable", barcodes: pd.Index, column: str | None, path: Path
) -> list[str | None]:
    value = _cell_type_column(table, column, path)
    types = pd.Series(table.body[value].to_numpy(), index=table.barcodes)
    types = types[types.index.isin(barcodes)]
    _refuse_two_types(types, path)
    return types[~types.index.duplicated()].reindex(barcodes).tolist()


def read_annotation(path: Path, barcodes: pd.Index) -> pd.DataFrame:
    """Read all columns of a TSV or CSV file about cells, one row for each barcode.

    Columns without a name are called ``column-1``, ``column-2`` and so on, or ``cell_type`` if
    there is only one. Barcodes that the file lacks have None.

    Raises
    ------
    InputError
        If no column holds the barcodes.
    """
    table = _LabelTable.read(path, barcodes)
    found = {name: table.body[place].to_numpy() for name, place in table.places().items()}
    frame = pd.DataFrame(found, index=table.barcodes)
    return frame[~frame.index.duplicated()].reindex(barcodes)


@dataclass(frozen=True)
class _LabelTable:
    """A table about cells: names of its columns or None, rows, and the column of barcodes."""

    header: list[str] | None
    body: pd.DataFrame
    key: int
    barcodes: list[str]

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.body.shape[1]

    def places(self) -> dict[str, int]:
        """Return the place of each column but that of the barcodes, by name."""
        names = self.header or [""] * self.width
        others = [place for place in range(self.width) if place != self.key]
        found: dict[str, int] = {}
        for place in others:
            name = names[place] or ("cell_type" if len(others) == 1 else f"column-{place + 1}")
            # Of columns with one name the first one, as `read_cell_types` does.
            found.setdefault(name, place)
        return found

    @classmethod
    def read(cls, path: Path, barcodes: pd.Index) -> "_LabelTable":
        """Read a table; raises `InputError` if no column holds the barcodes."""
        rows = _rows(path)
        if not rows:
            raise InputError(f"{path}: expected barcodes and cell types, found no line")
        # Of most lines: the header may lack a name, and the end of a sheet may be a note.
        width = Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
        _refuse_long_rows(rows, width, path)
        table = pd.DataFrame([row[:width] if len(row) >= width else [None] * width for row in rows])
        key, spelt = _find_barcodes(table, barcodes, path)
        known = set(barcodes)
        headed = not any(value in known for value in (spelt(rows[0][0]), *map(spelt, table.loc[0])))
        header = [""] * (width - len(rows[0])) + [str(name) for name in rows[0]]
        body = table.iloc[1:] if headed else table
        names = list(map(spelt, body[key]))
        _refuse_other_numbers(names, barcodes, path)
        return cls(header if headed else None, body, key, names)


def _rows(path: Path) -> list[list[str]]:
    refuse_stand_in(path)
    lines = [line for _, line in _lines(path)]
    if not lines:
        return []
    preferred = b"," if ".csv" in path.name.lower() else b"\t"
    bare = re.sub(rb'"[^"]*"', b"", lines[0])
    order = [preferred, *(one for one in (b"\t", b";", b",") if one != preferred)]
    separator = next((one for one in order if one in bare), preferred)
    if separator == b"," and bare.count(b";") > bare.count(b","):
        separator = b";"
    text = (line.decode(errors="replace") for line in lines)
    with broken_files_named(path, "table"):
        read = csv.reader(text, delimiter=separator.decode(), skipinitialspace=True)
        return [row for row in read if row]


def _refuse_long_rows(rows: list[list[str]], width: int, path: Path) -> None:
    """Refuse a row with more fields than most: a separator stands in one of them."""
    for number, row in enumerate(rows, start=1):
        if any(row[width:]):
            raise InputError(
                f"{path}: expected {width} fields in row {number}, as many as in most, found "
                f"{len(row)} ({', '.join(row)[:80]}): put texts with separators in quotes"
            )


def _refuse_other_numbers(names: list[Any], barcodes: pd.Index, path: Path) -> None:
    """Refuse cells that are numbered from 0 here and from 1 in the counts, or the other way."""
    numbered = gene_naming(map(str, names)) == gene_naming(map(str, barcodes)) == "positions"
    if numbered and names[0] != barcodes[0]:
        raise InputError(
            f"{path}: expected cells numbered from {barcodes[0]}, as in the counts, found numbers "
            f"from {names[0]}: number them alike"
        )


def _find_barcodes(
    table: pd.DataFrame, barcodes: pd.Index, path: Path
) -> tuple[int, Callable[[Any], Any]]:
    """Return the column of the barcodes, and the function that spells it like the counts.

    A number at the end, ``-1``, may be missing in the file or in the counts.
    """
    known = table.isin(set(barcodes))
    key = _fullest(table, known)
    if known[key].any():
        return key, lambda name: name
    spelling = {_bare(name): str(name) for name in barcodes}
    spelt = table.map(lambda name: spelling.get(_bare(name), name))
    known = spelt.isin(set(barcodes))
    key = _fullest(spelt, known)
    names, found = table.loc[known[key], key], spelt.loc[known[key], key]
    if (
        len(found)
        and len(spelling) == len(barcodes)
        and not found.duplicated().any()
        and _are_of_one_sample(names, found)
    ):
        warnings.warn(
            f"{path}: barcodes such as {names.iloc[0]} are taken for those of the counts, such as "
            f"{barcodes[0]}",
            stacklevel=4,
        )
        return key, lambda name: spelling.get(_bare(name), name)
    there = ", ".join(str(name) for name in table.iloc[min(1, len(table) - 1)])
    raise InputError(
        f"{path}: expected barcodes such as {barcodes[0]}, found none of the "
        f"{len(barcodes):,} in any column, but lines such as {there[:80]!r}"
    )


def _fullest(table: pd.DataFrame, known: pd.DataFrame) -> int:
    """Return the column with most of the known barcodes; clusters may repeat numbers of cells."""
    return int(table.where(known).nunique().to_numpy().argmax())


def _bare(name: Any) -> str:
    return _SUFFIX.sub("", str(name))


def _are_of_one_sample(names: "pd.Series[Any]", likes: "pd.Series[Any]") -> bool:
    """Tell whether the numbers at the ends of names are those of others, or all the same."""
    ends, others = ([str(name)[len(_bare(name)) + 1 :] for name in one] for one in (names, likes))
    return ends == others or len(set(ends)) == 1


def _refuse_two_types(types: "pd.Series[str]", path: Path) -> None:
    differing = types.groupby(level=0).nunique()
    twice = differing.index[differing > 1]
    if len(twice):
        raise InputError(f"{path}: expected one cell type per barcode, found two for {twice[0]}")


def _cell_type_column(table: _LabelTable, column: str | None, path: Path) -> int:
    """Return the place of the column of the cell types: the named one, or the only one."""
    places = table.places()
    for name in _CELL_TYPE_COLUMNS if column is None else (column,):
        if name in places:
            return places[name]
    there = ", ".join(table.header or places)
    if column is not None and (table.header is not None or table.width != 2):
        raise InputError(
            f"{path}: expected the column {column!r} (datasets.label_column), found {there}"
        )
    if table.width == 2:
        return next(iter(places.values()))
    raise InputError(
        f"{path}: expected the name of the column with the cell types, one of {table.width}, in "
        "datasets.label_column, found none" + (f": the columns are {there}" if there else "")
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Iterate over the lines of a table, packed or not, without their ends, and their numbers.

    Blank lines are left out, and lines before the table that begin with ``#``, unless the last of
    them names the columns.
    """
    lines = _plain_lines(path)
    none = (0, b"")
    comment, first = none, next(lines, none)
    while first[1].startswith(b"#"):
        comment, first = first, next(lines, none)
    if first == none:
        return
    separator = separator_of(first[1], path)
    if comment[1].count(separator) == first[1].count(separator) > 0:
        yield comment[0], comment[1].lstrip(b"#").lstrip()
    yield first
    yield from lines


def _plain_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with broken_files_named(path, "table"), open_bytes(path) as stream:
        for number, line in enumerate(lines_of(stream), start=1):
            if number == 1 and line.startswith(_WIDE_BOMS):
                raise InputError(
                    f"{path}: expected text in UTF-8, found UTF-16, the 'Unicode text' of "
                    "spreadsheets: save it as CSV in UTF-8"
                )
            text = line.removeprefix(_BOM) if number == 1 else line
            if stripped := text.rstrip(b"\r\n"):
                yield number, stripped


def _is_header(line: bytes, separator: bytes) -> bool:
    """Tell whether a first line is a header: by its first field, or because of a non-number."""
    corner, *fields = line.split(separator)
    if _CORNER.fullmatch(corner.strip(b' "').decode(errors="replace")):
        return True
    return not all(_is_number(field, separator) for field in fields)


def _is_number(field: bytes, separator: bytes) -> bool:
    try:
        _number(field.strip(b'"'), separator)
    except ValueError:
        return False
    return True


def _number(field: bytes, separator: bytes) -> float:
    """Parse a number, with a decimal comma where commas do not separate fields."""
    if b"_" in field:  # Python's float reads the cluster 0_1 as 1.
        raise ValueError("an underscore")
    if separator != b"," and b"," in field:
        if _THOUSANDS.fullmatch(field) or not _DECIMAL_COMMA.fullmatch(field):
            raise ValueError("a comma that may separate thousands")
        field = field.replace(b",", b".")
    return float(field)


def _split_name(line: bytes, separator: bytes) -> tuple[str, bytes | None]:
    """Split a row into its name and the rest, without quotes; None without any separator."""
    if line[:1] == b'"' and (end := line.find(b'"' + separator, 1)) > 0:
        name, rest = line[1:end], line[end + 1 + len(separator) :]
    else:
        name, found, rest = line.partition(separator)
        if not found:
            return "", None
    text = name.decode(errors="replace").strip().strip('"')
    return text, _without_quotes(rest, separator) if b'"' in rest else rest


def _without_quotes(fields: bytes, separator: bytes) -> bytes:
    """Remove the quotes around fields; separators within them no longer separate."""
    quoted = fields.split(b'"')
    if separator in b"".join(quoted[1::2]):
        quoted[1::2] = [part.replace(separator, _QUOTED) for part in quoted[1::2]]
    return b"".join(quoted)


class _NonZeros(NamedTuple):
    """Fields of some rows that are not zero: their number in each row, columns and values."""

    lengths: NDArray[np.intp]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]


class _Where(NamedTuple):
    """File, line numbers and names of columns, for messages."""

    path: Path
    lines: Sequence[int]
    columns: list[str] | None

    def no_number(self, row: int, column: int, field: bytes) -> InputError:
        """Say that a field is not a number."""
        named = "" if self.columns is None else f" ({self.columns[column]}): leave out such columns"
        if field in _NOT_COUNTED:
            named = ": write 0 where nothing was counted"
        return InputError(
            f"{self.path}: line {self.lines[row]}: expected a number in column {column + 2:,}, "
            f"found {field.decode(errors='replace')!r}{named}"
        )


def _parse_rows(texts: Sequence[bytes], separator: bytes, where: _Where) -> _NonZeros:
    """Parse rows with equal numbers of fields, without their names.

    Most fields are a zero of one or three characters, and most others a few digits. Finding both by
    the positions of the separators is far faster than parsing each field.
    """
    text = separator.join(texts)
    characters = np.frombuffer(text or b"\0", dtype=np.uint8)
    stops = np.append(np.flatnonzero(characters == separator[0]), len(text))
    starts = np.concatenate([[0], stops[:-1] + 1])
    lengths = stops - starts
    first, second, third = (characters.take(starts + i, mode="clip") for i in range(3))
    is_zero = (first == _ZERO) & (
        (lengths == 1) | ((lengths == 3) & np.isin(second, _points(separator)) & (third == _ZERO))
    )
    places = np.flatnonzero(~is_zero)
    starts, stops = starts[places], stops[places]
    rows, columns = np.divmod(places, len(is_zero) // len(texts))
    values = _whole_numbers(characters, starts, stops - starts)
    for place in np.flatnonzero(values < 0):
        field = text[starts[place] : stops[place]]
        try:
            values[place] = _number(field, separator)
        except ValueError:
            shown = field.replace(_QUOTED, separator)
            raise where.no_number(rows[place], columns[place], shown) from None
    return _NonZeros(np.bincount(rows, minlength=len(texts)), columns.astype(np.int32), values)


def _whole_numbers(
    characters: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the values of fields that are digits, at most nine; -1 for all others."""
    whole = (lengths > 0) & (lengths <= _DIGITS)
    values = np.zeros(len(starts), np.int64)
    for i in range(int(lengths[whole].max(initial=0))):
        digits = characters.take(starts + i, mode="clip") - np.uint8(_ZERO)  # Others wrap around.
        inside = i < lengths
        whole &= ~inside | (digits <= 9)
        values = np.where(inside, 10 * values + digits, values)
    return np.where(whole, values, -1).astype(np.float64)


def _points(separator: bytes) -> list[int]:
    return [_POINT] if separator == b"," else [_POINT, b","[0]]


def _stack(parts: list[_NonZeros], width: int) -> sparse.csr_matrix:
    lengths, columns, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((values, columns, starts), shape=(len(lengths), width))


def _fit_header(columns: list[str], width: int, path: Path) -> list[str]:
    if len(columns) not in (width, width + 1):
        raise InputError(
            f"{path}: expected {width:,} names in the first line, the number of values in the "
            f"next, found {len(columns):,}"
        )
    # R omits the name of the first column.
    return columns[-width:]


def _assemble(
    matrix: sparse.csr_matrix,
    barcodes: list[str],
    features: Features,
    path: Path,
    genome: str | None,
) -> anndata.AnnData:
    genes = genes_of(features, str(path), genome)
    for note in genes.notes:
        warnings.warn(note, stacklevel=3)
    kept = matrix if genes.kept is None else matrix[:, genes.kept]
    obs = pd.DataFrame(index=pd.Index(barcodes, dtype=object))
    return anndata.AnnData(kept, obs=obs, var=genes.table)
