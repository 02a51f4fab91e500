"""Names of genes: identifiers or symbols, their species, and matching of two sets of genes."""

import re
from collections import Counter
from collections.abc import Iterable
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


def stable_id(name: str) -> str:
    """Return an Ensembl identifier without its version; any other name unchanged."""
    match = _ENSEMBL.fullmatch(name)
    return match.group(1) if match else name


def gene_naming(names: Iterable[str]) -> Naming:
    """Return the kind of name that most genes have."""
    kinds = Counter(_kind(name) for name in names)
    return kinds.most_common(1)[0][0] if kinds else "symbols"


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
        If they have no gene in common.
    """
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
            f"none of them among {len(query):,} such as {_examples(query)}: bring both files to "
            "the same species and naming"
        )
    return best


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
