"""Which columns of the table of cells hold cell types and batches: by name, values and counts.

Types are taken without asking where the name of one column says so. Names that only suggest types
are held against the counts, and where several remain the user is asked.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentcell.data.checks import missing_labels, plain_labels
from latentcell.runtime.errors import InputError

# Agreement (Cohen's kappa) of a column with its prediction from the counts, for each column.
Agreement = Callable[[Sequence[str]], Mapping[str, float]]

# Usual names, without the characters between their words.
_TYPES = ("celltype", "celltypes")
_USUAL = (
    *("cellontologyclass", "bulklabels", "labels", "label", "annotation", "annotations"),
    *("authorcelltype", "freeannotation", "seuratannotations"),
)
_LABEL_WORDS = re.compile(
    r"cell.?type|annot|label|(sub)?class|subtype|population|phenotype|identity|^ident$|lineage|"
    r"cell.?(ident|name|state|subset)|louvain|leiden|cluster",
    re.IGNORECASE,
)
# Types that were predicted, and groups that were computed rather than annotated.
_PREDICTED = re.compile(
    r"predict|azimuth|scpred|transfer|projected|"
    r"_(first|second|before)$",
    re.IGNORECASE,
)
_PREDICTED_TYPES = re.compile(
    r"majority.?voting|singler|celltypist|^predicted.?(id|labels?)$", re.IGNORECASE
)
_CLUSTER_WORDS = re.compile(r"louvain|leiden|cluster|snn.?res|ontology.?term|_id$", re.IGNORECASE)
_CLUSTERS = ("leiden", "louvain", "seuratclusters")
# Names and values of what is measured on cells beside their type.
_OTHER_WORDS = re.compile(
    r"doublet|singlet|multiplet|dbl|hto|hash|demux|vireo|souporcell|freemuxlet|scrublet|"
    r"phase|cell.?cycle|quality|\bqc|qc\b|filter|outlier|disease|condition|treat|stim|sex|gender|"
    r"genotype|ethnic|species|organism|tissue|organ\b|stage|suspension|score|novel|barcode",
    re.IGNORECASE,
)
_OTHER_VALUES = (
    {"singlet", "doublet", "multiplet", "negative", "unassigned", "ambiguous", "unknown"},
    {"g1", "s", "g2m", "g2/m", "g2", "m", "g0"},
    {"true", "false", "yes", "no", "pass", "fail", "passed", "failed", "keep", "remove"},
    {"male", "female", "m", "f", "unknown", "other"},
    {"ctrl", "control", "stim", "stimulated", "unstimulated", "treated", "untreated", "healthy"}
    | {"normal", "disease", "diseased", "tumor", "tumour", "case", "covid", "covid-19", "infected"},
)
_BATCH_WORDS = re.compile(
    r"batch|sample|donor|patient|subject|individual|library|lane|channel|replicate|\brun\b|"
    r"assay|chemistry|tech|platform|dataset|orig.ident|plate|pool|animal|mouse_id|embryo",
    re.IGNORECASE,
)
# Largest numbers for which the measures and figures of a run stay readable.
MOST_TYPES, MOST_BATCHES = 500, 200
# Agreement below which a name that only suggests types is not believed: 0 is chance.
_AGREES = 0.2
_SHOWN = 8


@dataclass(frozen=True)
class Column:
    """A column of the table of cells that divides the cells into groups.

    Attributes
    ----------
    name
        Name of the column.
    sizes
        Number of cells of each group, the largest first.
    missing
        Number of cells without a group.
    """

    name: str
    sizes: "pd.Series[int]"
    missing: int

    @property
    def classes(self) -> int:
        """Number of groups."""
        return len(self.sizes)


def label_columns(obs: pd.DataFrame) -> list[Column]:
    """Return candidate columns of cell types, the likeliest first."""
    columns = [column for column in _groupings(obs, MOST_TYPES) if not _is_batch(column.name)]
    return sorted(columns, key=_label_rank)


def batch_columns(obs: pd.DataFrame) -> list[Column]:
    """Return the columns whose names suggest batches, the likeliest first."""
    found = [column for column in _groupings(obs, MOST_BATCHES) if _is_batch(column.name)]
    return sorted(found, key=_batch_rank)


def label_column(
    obs: pd.DataFrame, wanted: str | None, source: str, agreement: Agreement | None = None
) -> str:
    """Return the column of the cell types: the wanted one, or the one that is plainly meant.

    Parameters
    ----------
    obs
        Table of the cells.
    wanted
        Name of the column; None: chosen.
    source
        File, for messages.
    agreement
        Tells how well columns are predicted from the counts; None: unknown.

    Raises
    ------
    InputError
        If there is no such column, it has no groups, or it is not plain which one is meant.
    """
    if wanted is not None:
        named_column(obs, wanted, source)
        return wanted
    taken, question = choose_labels(label_columns(obs), obs, source, agreement)
    if taken is None:
        raise InputError(question)
    return taken.name


def named_column(obs: pd.DataFrame, wanted: str, source: str) -> Column:
    """Return the column with a name; raises `InputError` if it does not divide the cells."""
    if wanted not in obs:
        there = ", ".join(map(str, obs.columns)) or "none"
        raise InputError(
            f"{source}: expected the column {wanted!r} with cell types (--labels), found the "
            f"columns: {there}"
        )
    column = _grouping(obs, wanted)
    fault = _fault(column, obs[wanted])
    if fault:
        raise InputError(
            f"{source}: expected cell types in the column {wanted!r}, found {fault}: name another "
            "column with --labels (datasets.label_column)"
        )
    return column


def _fault(column: Column, values: "pd.Series[Any]") -> str:
    """Say why a column is none of cell types; empty if it may be one."""
    cells = len(values)
    if column.classes == 0:
        return f"no type: all {cells:,} values are missing"
    if _has_fractions(values):
        return "numbers with fractions"
    if column.classes == 1:
        return f"one type alone, {column.sizes.index[0]!r}, where at least two are needed"
    if column.classes > MOST_TYPES:
        return f"{column.classes:,} types, more than {MOST_TYPES}"
    if column.classes > max(2, cells // 2):
        return f"{column.classes:,} types among {cells:,} cells, where each needs several cells"
    return ""


def _has_fractions(values: "pd.Series[Any]") -> bool:
    if not pd.api.types.is_float_dtype(values):
        return False
    numbers = values.dropna().to_numpy(float)
    return bool((numbers != np.rint(numbers)).any())


def choose_labels(
    columns: Sequence[Column],
    obs: pd.DataFrame,
    source: str,
    agreement: Agreement | None = None,
) -> tuple[Column | None, str]:
    """Choose the column of the cell types, or say what to ask.

    Parameters
    ----------
    columns
        Candidates, the likeliest first.
    obs, source, agreement
        See `label_column`.
    """
    tiers: dict[int, list[Column]] = {}
    for column in columns:
        tiers.setdefault(_tier(column), []).append(column)
    exact = _distinct(tiers.get(0, []), obs)
    if exact:
        return (exact[0], "") if len(exact) == 1 else (None, _ask(exact, {}, source))
    for tier in (1, 2, 3):
        named = tiers.get(tier, [])
        found = dict(agreement([column.name for column in named])) if named and agreement else {}
        believed = [column for column in named if found.get(column.name, 1.0) >= _AGREES]
        distinct = _distinct(believed, obs)
        if len(distinct) == 1 or (distinct and tier == 1):
            return distinct[0], ""
        if distinct:
            return None, _ask(distinct, found, source)
    return None, _ask_any(columns, obs, source)


def _tier(column: Column) -> int:
    """Return 0 to 3 for names of types, 4 for clusters, 5 for others, 6 for what is no type."""
    name, bare = column.name, _bare(column.name)
    if bare in _TYPES:
        return 0
    if _OTHER_WORDS.search(name) or _has_other_values(column):
        return 6
    if bare in _USUAL:
        return 1
    if _PREDICTED_TYPES.search(name):
        return 3
    if _CLUSTER_WORDS.search(name):
        return 4
    if _LABEL_WORDS.search(name):
        return 3 if _PREDICTED.search(name) else 2
    return 5


def _has_other_values(column: Column) -> bool:
    values = {str(value).strip().lower() for value in column.sizes.index}
    return any(values <= known for known in _OTHER_VALUES)


def _label_rank(column: Column) -> tuple[int, int, str]:
    tier, bare = _tier(column), _bare(column.name)
    for names in (_TYPES, _USUAL, _CLUSTERS):
        if bare in names:
            return tier, names.index(bare), column.name
    return tier, len(_USUAL), column.name


def _batch_rank(column: Column) -> tuple[int, str]:
    words = _BATCH_WORDS.pattern.split("|")
    place = next(i for i, word in enumerate(words) if re.search(word, column.name, re.IGNORECASE))
    return place, column.name


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _distinct(columns: list[Column], obs: pd.DataFrame) -> list[Column]:
    """Leave out columns that divide the cells like one before."""
    kept: list[Column] = []
    for column in columns:
        if not any(_divide_alike(column, other, obs) for other in kept):
            kept.append(column)
    return kept


def _divide_alike(one: Column, other: Column, obs: pd.DataFrame) -> bool:
    if one.name not in obs or other.name not in obs:
        return False
    if (one.missing, one.sizes.tolist()) != (other.missing, other.sizes.tolist()):
        return False
    pairs = pd.DataFrame({"a": plain_labels(obs[one.name]), "b": plain_labels(obs[other.name])})
    return len(pairs.drop_duplicates()) == len(set(pairs["a"]))


def _ask(columns: list[Column], agreement: Mapping[str, float], source: str) -> str:
    there = ", ".join(
        f"{column.name} ({column.classes} groups"
        + (f", predicted from the counts with kappa {agreement[column.name]:.2f}" if known else "")
        + ")"
        for column in columns[:_SHOWN]
        for known in [np.isfinite(agreement.get(column.name, np.nan))]
    )
    return (
        f"{source}: expected one column of cell types, found several that may hold them: {there}: "
        f"name one of them, as in --labels {columns[0].name} (datasets.label_column)"
    )


def _ask_any(columns: Sequence[Column], obs: pd.DataFrame, source: str) -> str:
    there = ", ".join(map(str, obs.columns)) or "none"
    dividing = [*columns, *_numbered(obs, {column.name for column in columns})]
    divided = ", ".join(f"{column.name} ({column.classes})" for column in dividing[:_SHOWN])
    groups = f", of which these divide the cells into groups: {divided}" if divided else ""
    return (
        f"{source}: expected a column of cell types, found the columns: {there}{groups}"
        f"{faulty_types(obs)}: name it with --labels COLUMN (datasets.label_column)"
    )


def _numbered(obs: pd.DataFrame, known: Collection[str]) -> list[Column]:
    """Return columns of whole numbers, which may be codes of types."""
    names = [name for name in obs if isinstance(name, str) and name not in known]
    whole = [name for name in names if pd.api.types.is_integer_dtype(obs[name])]
    return [column for name in whole if not _fault(column := _grouping(obs, name), obs[name])]


def faulty_types(obs: pd.DataFrame) -> str:
    """Say what is wrong with columns that are named like cell types; may be empty."""
    odd = [name for name in map(str, obs.columns) if _bare(name) in _TYPES]
    return "".join(
        f"; {name!r} has {fault}"
        for name in odd
        if (fault := _fault(_grouping(obs, name), obs[name]))
    )


def _is_batch(name: str) -> bool:
    return bool(_BATCH_WORDS.search(name)) and _bare(name) not in _TYPES + _USUAL


def _groupings(obs: pd.DataFrame, most: int) -> list[Column]:
    """Return the columns with at least two groups and at most half as many as cells."""
    found = []
    for name in dict.fromkeys(map(str, obs.columns)):
        if name not in obs or isinstance(values := obs[name], pd.DataFrame):
            continue
        numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if numbers and not (_LABEL_WORDS.search(name) or _is_batch(name)):
            continue
        if numbers and _has_fractions(values):
            continue
        column = _grouping(obs, name)
        if 2 <= column.classes <= most and column.classes <= max(2, len(obs) // 2):
            found.append(column)
    return found


def _grouping(obs: pd.DataFrame, name: str) -> Column:
    values = obs[name]
    missing = missing_labels(values)
    sizes = plain_labels(values[~missing]).value_counts(sort=False)
    # Sorted by size and then by name, so that ties have a fixed order.
    sizes = sizes.sort_index().sort_values(ascending=False, kind="stable")
    return Column(name, sizes, int(missing.sum()))
