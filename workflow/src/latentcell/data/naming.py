"""Names of genes: identifiers or symbols, their species, and matching of two sets of genes."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from latentcell.runtime.errors import InputError

Naming = Literal["Ensembl identifiers", "Entrez identifiers", "symbols", "positions"]

_ENSEMBL = re.compile(r"(ENS[A-Z]{0,4}G\d{6,})(\.\d+)?")
_POSITION = re.compile(r"gene-\d{5,}")
# Prefixes of identifiers, up to the number.
_IDENTIFIED_SPECIES = {
    "ENSG": "human",
    "ENSMUSG": "mouse",
    "ENSRNOG": "rat",
    "ENSDARG": "zebrafish",
    "ENSMFAG": "crab-eating macaque",
    "ENSMMUG": "rhesus macaque",
    "ENSCJAG": "marmoset",
    "ENSSSCG": "pig",
    "ENSBTAG": "cow",
    "ENSGALG": "chicken",
    "ENSXETG": "frog",
    "FBgn": "fruit fly",
    "WBGene": "nematode",
}
_IDENTIFIER = re.compile(r"([A-Za-z]+?)\d{5,}(\.\d+)?")
# Share of names that must agree for a statement about all of them.
_MOST = 0.6
_LETTERED = re.compile(r"[A-Za-z]{3}")
# Share of names that tells genes from cells, and how much larger it is than among the others.
_SOME, _MANY_TIMES = 0.03, 5
_BARCODE = re.compile(r"[ACGTN]{8,}")
_GENE = re.compile(
    r"^(?:(?:[A-Za-z]+\w*_+)?ENS[A-Z]{0,4}G\d{6,}(?:\.\d+)?|FBgn\d+|WBGene\d+"
    r"|MT-[A-Z0-9]+|RP[LS]\d[A-Z0-9]*|RP\d+-\d.*|HLA-[A-Z0-9]+|H2-[A-Z0-9]+|LINC\d+"
    r"|A[CLP]\d{6}\.\d+|C\d+orf\d+|Gm\d{3,}|\d+Rik"
    r"|(?:ZNF|Zfp|SLC\d+A|TMEM|FAM|KRT|CCDC|LRRC|KLR|GZM|CCL|CXC[LR]|CCR|IL)\d+[A-Z]{0,2}"
    r"|CD\d+[A-Z]{0,2}|MS4A\d+|S100A\d+|FCGR\d[A-Z]?|IG[HKL][A-Z]\d*|TR[ABGD][CVDJ]\d*"
    r"|ACTB|GAPDH|B2M|MALAT1|LYZ|NKG7|GNLY|CST3|PPBP|PTPRC|EPCAM|COL\d+A\d+)$",
    re.IGNORECASE,
)


def stable_id(name: str) -> str:
    """Return an Ensembl identifier without its version; any other name unchanged."""
    match = _ENSEMBL.fullmatch(name)
    return match.group(1) if match else name


def gene_naming(names: Iterable[str]) -> Naming:
    """Return the kind of name that most genes have."""
    names = list(names)
    if _are_positions(names):
        return "positions"
    kinds = Counter(_kind(name) for name in names)
    return kinds.most_common(1)[0][0] if kinds else "symbols"


def _are_positions(names: Sequence[str]) -> bool:
    """Tell whether names are the whole numbers from 0 or 1, in this order."""
    if not names or names[0] not in ("0", "1"):
        return False
    first = int(names[0])
    return all(name == str(number) for number, name in enumerate(names, start=first))


def _kind(name: str) -> Naming:
    match = _IDENTIFIER.fullmatch(name)
    if (match and match.group(1) in _IDENTIFIED_SPECIES) or _ENSEMBL.fullmatch(name):
        return "Ensembl identifiers"
    if name.isdecimal():
        return "Entrez identifiers"
    return "positions" if _POSITION.fullmatch(name) else "symbols"


def guess_species(genes: pd.DataFrame) -> str | None:
    """Guess the species from the names of its genes; None if they are ambiguous.

    Parameters
    ----------
    genes
        Indexed by identifier, or by symbol if there are no identifiers; with ``symbol``.
    """
    ids = list(map(str, genes.index))
    matches = (_IDENTIFIER.fullmatch(name) for name in ids)
    species = Counter(_IDENTIFIED_SPECIES.get(m.group(1), "") if m else "" for m in matches)
    for name, number in species.most_common(1):
        if name and number >= _MOST * len(ids):
            return name
    return _species_of_symbols([str(name) for name in genes["symbol"]])


def _species_of_symbols(symbols: list[str]) -> str | None:
    """Guess by the case of the letters, which differs between nomenclatures."""
    lettered = [name for name in symbols if _LETTERED.match(name) and _kind(name) == "symbols"]
    styles = {
        "human, or another species with symbols in capitals": str.isupper,
        "mouse or rat": lambda name: name[0].isupper() and name[1:] == name[1:].lower(),
        "zebrafish, or another species with symbols in small letters": str.islower,
    }
    for species, fits in styles.items():
        if lettered and sum(map(fits, lettered)) >= _MOST * len(lettered):
            return species
    return None


def are_genes_rows(rows: Collection[str], columns: Collection[str]) -> bool:
    """Tell from the names whether a table has genes in rows and cells in columns.

    Only names that are plain tell: identifiers and symbols of common families of genes, and
    barcodes. Otherwise the rows are cells.
    """
    among_columns = _share(_GENE, columns)
    if _MANY_TIMES * among_columns >= 1:
        return False  # Nothing can be so many times more.
    among_rows = _share(_GENE, rows)
    if max(among_rows, among_columns) >= _SOME:
        return among_rows > _MANY_TIMES * among_columns
    barcodes = [_share(_BARCODE, names) for names in (rows, columns)]
    return barcodes[1] > _MOST and barcodes[0] < _SOME


def _share(pattern: re.Pattern[str], names: Collection[str]) -> float:
    return sum(bool(pattern.search(name)) for name in names) / max(1, len(names))


@dataclass(frozen=True)
class GeneMatch:
    """Match of the genes of a query to the genes of a reference.

    Attributes
    ----------
    by
        Names that were matched, ``identifiers`` or ``symbols`` of the reference.
    target
        Column of the reference for each gene of the query, or -1.
    present
        Whether the query has each gene of the reference.
    """

    by: Literal["identifiers", "symbols"]
    target: NDArray[np.int64]
    present: NDArray[np.bool_]

    def arrange(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Arrange the counts of the query in the columns of the reference; missing genes are 0.

        Columns of the query that match the same gene are summed.
        """
        rows = np.flatnonzero(self.target >= 0)
        ones = np.ones(len(rows), dtype=counts.dtype)
        shape = (len(self.target), len(self.present))
        moved = sparse.csr_matrix((ones, (rows, self.target[rows])), shape=shape)
        arranged = sparse.csr_matrix(counts @ moved)
        arranged.sort_indices()
        return arranged


def match_genes(reference: pd.DataFrame, query: pd.DataFrame, source: str) -> GeneMatch:
    """Match the genes of a reference and a query by the names that fit best.

    Parameters
    ----------
    reference, query
        Genes indexed by identifier, or by symbol if there are no identifiers; with ``symbol``.
    source
        File of the query, for messages.

    Raises
    ------
    InputError
        If they have no gene in common, or positions of different numbers of genes.
    """
    if len(reference) != len(query) and _are_all_positions(reference, query):
        raise InputError(
            f"{source}: expected names of genes, found {len(query):,} positions, and "
            f"{len(reference):,} in the reference: store the names of the genes in both"
        )
    own = {"identifiers": _keys(reference.index), "symbols": _keys(reference["symbol"])}
    theirs = [_keys(query.index), _keys(query["symbol"])]
    best: GeneMatch | None = None
    for by, names in own.items():
        for keys in theirs:
            match = _match(by, names, keys)  # type: ignore[arg-type]
            if best is None or match.present.sum() > best.present.sum():
                best = match
    if best is None or not best.present.any():
        raise InputError(
            f"{source}: expected genes of the reference, such as {_examples(reference)}, found "
            f"none of them among {len(query):,} such as {_examples(query)}: {_advice(query)}"
        )
    return best


def _are_all_positions(*tables: pd.DataFrame) -> bool:
    return all(gene_naming(map(str, table.index)) == "positions" for table in tables)


def _advice(genes: pd.DataFrame) -> str:
    if gene_naming(map(str, genes.index)) == "positions":
        return "these are positions, not names: store the names of the genes as var_names"
    return "bring both files to the same species and naming"


def _keys(names: Iterable[object]) -> list[str]:
    return [stable_id(str(name).strip()) for name in names]


def _match(by: Literal["identifiers", "symbols"], own: list[str], theirs: list[str]) -> GeneMatch:
    columns: dict[str, int] = {}
    for column, name in enumerate(own):
        columns.setdefault(name, column)
    target = np.array([columns.get(name, -1) for name in theirs], dtype=np.int64)
    present = np.zeros(len(own), dtype=bool)
    present[target[target >= 0]] = True
    return GeneMatch(by, target, present)


def _examples(genes: pd.DataFrame) -> str:
    pairs = zip(map(str, genes.index[:3]), map(str, genes["symbol"][:3]), strict=True)
    return ", ".join(id if id == symbol else f"{id} ({symbol})" for id, symbol in pairs)
