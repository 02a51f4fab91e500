"""Genes of a file: their identifiers and symbols, and the features that are no genes."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.data.checks import MISSING_LABELS, gene_frame
from latentcell.data.naming import gene_naming
from latentcell.runtime.errors import InputError

# Columns of var in AnnData files of scanpy, 10x, CELLxGENE, Seurat and Monocle.
_ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id")
_SYMBOL_COLUMNS = (
    *("symbol", "feature_name", "gene_symbol", "gene_symbols", "gene_name", "gene_names"),
    "gene_short_name",
)
_KIND_COLUMNS = ("feature_types", "feature_type")
_GENOME_COLUMNS = ("genome",)
# Types of features, in small letters, as 10x, muon and Seurat name them. CELLxGENE has the biotypes
# of genes in their place, such as protein_coding.
_EXPRESSION = ("gene expression", "gene", "genes", "rna", "gex", "mrna")
_NO_GENES = re.compile(
    r"antibody|antigen|protein(?!.?coding)|adt|hto|hash|peak|atac|chromatin|crispr|guide|multiplex|custom|vdj",
    re.IGNORECASE,
)
# Genome before the names of genes in matrices of two species: GRCh38_ENSG..., mm10___Cd3d.
_PREFIXED = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9.-]*?)_+(?=ENS[A-Z]*G\d{6})"
    r"|((?:GRC[a-z]+|hg|mm|rn|mRatBN|danRer|dm|sacCer)\d[A-Za-z0-9.-]*?)_+(?=.))"
)
_MISSING = (*MISSING_LABELS, "-", "null")
# Reads without a gene, which HTSeq, STAR and CITE-seq-Count count beside the genes.
_READS = re.compile(
    r"__(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)"
    r"|N_(unmapped|multimapping|noFeature|ambiguous)|no_match|unmapped",
    re.IGNORECASE,
)
# Antibodies by name, where no column tells: HTO_A-ACCCACCAGTAAGAC, ADT_CD3, TotalSeqB-CD4.
_TAG = re.compile(r"(HTO|ADT|hash(tag)?|TotalSeq[A-D]?)[-_ ]?.*|.+[-_][ACGT]{10,15}", re.IGNORECASE)
# Identifier and symbol in one name: ENSG00000141510_TP53, ENSG00000141510.12|TP53, TP53_ENSG....
_ENSEMBL = r"ENS[A-Z]{0,4}G\d{6,}(?:\.\d+)?"
_JOINED = re.compile(rf"({_ENSEMBL})(?:[_|;:-]+)(.+)|(.+?)(?:[_|;:-]+)({_ENSEMBL})")
# Share of the names that have to be such.
_MOST_JOINED = 0.9
# What spreadsheets make of MARCH1 or SEPT2.
_DATE = re.compile(r"\d{1,2}-(Mar|Sep|Dec|Oct)|(Mar|Sep|Dec|Oct)-\d{2}")


@dataclass(frozen=True)
class Features:
    """Features of a matrix, as a file names them.

    Attributes
    ----------
    ids
        Columns of identifiers by name, the first one first; may have gaps.
    index
        Names that every feature has.
    symbols
        Symbols; None if the index holds them, or if there are none.
    kinds, genomes
        Type (``Gene Expression``, ``Antibody Capture``, ...) and genome of each feature, or None.
    identified
        Whether the index holds identifiers for certain.
    """

    index: Any
    ids: dict[str, Any]
    symbols: Any = None
    kinds: Any = None
    genomes: Any = None
    identified: bool = False

    @classmethod
    def of_table(cls, var: pd.DataFrame, main: pd.DataFrame | None = None) -> "Features":
        """Take the features from ``var``; types that ``raw.var`` lacks, from `main`."""
        kinds = _first(var, _KIND_COLUMNS)
        if kinds is None and main is not None and main.index.is_unique:
            known = _first(main, _KIND_COLUMNS)
            if known is not None and var.index.isin(main.index).all():
                kinds = known.astype(object).reindex(var.index)
        return cls(
            index=var.index,
            ids={name: var[name] for name in _ID_COLUMNS if name in var},
            symbols=_first(var, _SYMBOL_COLUMNS),
            kinds=kinds,
            genomes=_first(var, _GENOME_COLUMNS),
        )


@dataclass(frozen=True)
class Genes:
    """Genes among the features of a matrix.

    Attributes
    ----------
    table
        Genes indexed by identifier, or by symbol if there are no identifiers; with ``symbol``.
    kept
        Whether each feature is one of the genes; None: all are.
    repeated
        Number of repeated names.
    notes
        Remarks on names that were not taken or are repeated.
    """

    table: pd.DataFrame
    kept: NDArray[np.bool_] | None
    repeated: int
    notes: tuple[str, ...] = ()


def genes_of(features: Features, source: str, genome: str | None = None) -> Genes:
    """Name the genes and leave out other features.

    Parameters
    ----------
    features
        Features as the file names them.
    source
        File, for messages.
    genome
        Genome whose genes are kept, in a matrix of several.

    Raises
    ------
    InputError
        If no feature is a gene, an identifier occurs twice, or the genome is not plain.
    """
    features = _parted(features)
    kept = _kept(features, source, genome)
    index = _texts(features.index, kept)
    symbols = None if features.symbols is None else _texts(features.symbols, kept)
    columns = {name: _texts(ids, kept) for name, ids in features.ids.items()}
    faults = {name: _fault(ids) for name, ids in columns.items()}
    ids = next((columns[name] for name, fault in faults.items() if not fault), None)
    if ids is None and symbols is not None and (features.identified or _identifies(index)):
        ids = index
    if symbols is None:
        symbols = index
    elif ids is not None or len(set(index)) == len(index):
        named = index if ids is None else ids
        symbols = [name if _is_missing(s) else s for s, name in zip(symbols, named, strict=True)]
    if (prefix := _common_genome(symbols if ids is None else ids)) is not None:
        start = re.compile(rf"{re.escape(prefix)}_+(?=.)")
        ids = None if ids is None else [start.sub("", name, count=1) for name in ids]
        symbols = [start.sub("", name, count=1) for name in symbols]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = gene_frame(ids, symbols, source)
    notes = [
        f"{source}: var[{name!r}] {fault}, so genes are not named by it"
        for name, fault in faults.items()
        if fault
    ]
    notes += [str(warning.message) for warning in caught]
    notes += _dates(symbols, source)
    names = pd.Index(symbols if ids is None else ids)
    return Genes(table, kept, int(names.duplicated().sum()), tuple(notes))


def _parted(features: Features) -> Features:
    """Part names that join identifier and symbol, if most do, and there is nothing else."""
    if features.symbols is not None or features.ids:
        return features
    names = [str(name) for name in features.index]
    found = [_JOINED.fullmatch(name) for name in names]
    if sum(map(bool, found)) < max(1.0, _MOST_JOINED * len(names)):
        return features
    pairs = [
        (one[1] or one[4], one[2] or one[3]) if one else (name, name)
        for one, name in zip(found, names, strict=True)
    ]
    ids, symbols = (list(part) for part in zip(*pairs, strict=True))
    # A genome before each identifier is no symbol.
    if len(set(ids)) < len(ids) or 2 * len(set(symbols)) < len(symbols):
        return features
    return replace(features, ids={"gene_id": ids}, symbols=symbols)


def _dates(names: list[str], source: str) -> list[str]:
    """Return a note on genes that became dates, if there are any."""
    dates = [name for name in names if _DATE.fullmatch(name)]
    if not dates:
        return []
    return [
        f"{source}: {len(dates):,} genes are dates, such as {dates[0]}, which spreadsheets make of "
        "names such as MARCH1 and SEPT2: they match no gene of another file"
    ]


def _first(var: pd.DataFrame, names: Sequence[str]) -> Any:
    return next((var[name] for name in names if name in var), None)


def _texts(values: Any, kept: NDArray[np.bool_] | None) -> list[str]:
    texts = np.asarray(values, dtype=object)
    chosen = texts if kept is None else texts[kept]
    gone = pd.isna(chosen)
    return ["" if is_gone else str(value) for value, is_gone in zip(chosen, gone, strict=True)]


def _is_missing(name: str) -> bool:
    return name.strip() in _MISSING


def _fault(ids: list[str]) -> str:
    """Say why a column of identifiers is not taken; empty if it is."""
    missing = sum(map(_is_missing, ids))
    repeated = int(pd.Index([one for one in ids if not _is_missing(one)]).duplicated().sum())
    if not missing and not repeated:
        return ""
    faults = [f"lacks {missing:,} genes"] * bool(missing)
    faults += [f"repeats {repeated:,} identifiers"] * bool(repeated)
    return " and ".join(faults)


def _identifies(index: list[str]) -> bool:
    """Tell whether the index, beside a column of symbols, holds identifiers.

    Repeated Ensembl identifiers are refused later; other repeated names are no identifiers.
    """
    return len(set(index)) == len(index) or gene_naming(index) == "Ensembl identifiers"


def _kept(features: Features, source: str, genome: str | None) -> NDArray[np.bool_] | None:
    kept = _expressed(features.kinds, source)
    if kept is None:
        kept = _named_genes(features.index, source)
    chosen = _of_genome(features, kept, source, genome)
    if kept is not None and chosen is not None:
        chosen = kept & chosen
    kept = kept if chosen is None else chosen
    return None if kept is None or kept.all() else kept


def _expressed(kinds: Any, source: str) -> NDArray[np.bool_] | None:
    """Tell genes from antibodies, guides and peaks; None without types of features."""
    if kinds is None:
        return None
    names = [str(kind).strip() for kind in kinds]
    expressed = np.array([name.lower() in _EXPRESSION for name in names])
    if expressed.any():
        return expressed
    if names and all(map(_NO_GENES.search, names)):
        there = ", ".join(dict.fromkeys(names))
        raise InputError(
            f"{source}: expected features of the type Gene Expression, found only {there}: take "
            "the matrix with the genes"
        )
    return None


def _named_genes(names: Any, source: str) -> NDArray[np.bool_] | None:
    """Tell genes from reads without a gene by the names; None if all are genes."""
    texts = list(map(str, names))
    kept = np.array([not _READS.fullmatch(name) for name in texts], dtype=np.bool_)
    tags = [name for name, is_kept in zip(texts, kept, strict=True) if is_kept]
    if tags and all(map(_TAG.fullmatch, tags)):
        raise InputError(
            f"{source}: expected genes, found antibodies or hashtags alone, such as {tags[0]}: "
            "take the matrix with the genes"
        )
    return None if kept.all() else kept


def _of_genome(
    features: Features, kept: NDArray[np.bool_] | None, source: str, genome: str | None
) -> NDArray[np.bool_] | None:
    """Return the features of a genome; None if there is one genome at most."""
    names = _genomes(features)
    among = names if kept is None else names[kept]
    there = [name for name, _ in Counter(among).most_common() if name]
    if genome is not None:
        if genome not in there:
            raise InputError(
                f"{source}: expected the genome {genome!r} (--genome, datasets.genome), found "
                f"{' and '.join(there) or 'none named'}"
            )
        return np.asarray(names == genome, dtype=np.bool_)
    if len(there) > 1:
        raise InputError(several_genomes(source, there))
    return None


def several_genomes(source: str, genomes: Sequence[str]) -> str:
    """Return the question for a matrix of several genomes."""
    return (
        f"{source}: expected a 10x matrix of one genome, found {' and '.join(genomes)}: choose one "
        f"with --genome {genomes[0]} (datasets.genome)"
    )


def _genomes(features: Features) -> NDArray[Any]:
    """Return the genome of each feature, from its column or from the names; may be empty."""
    if features.genomes is not None:
        named = _texts(features.genomes, None)
        if any(named):
            return np.array(named, dtype=object)
    names = next(iter(features.ids.values()), features.index)
    return np.array([_genome_of(str(name)) for name in names], dtype=object)


def _genome_of(name: str) -> str:
    match = _PREFIXED.match(name)
    return (match.group(1) or match.group(2)) if match else ""


def _common_genome(names: list[str]) -> str | None:
    """Return the genome that all names begin with, if there is one."""
    first = _genome_of(names[0]) if names else ""
    return first if first and all(_genome_of(name) == first for name in names) else None
