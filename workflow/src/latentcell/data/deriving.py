"""Data sets that are derived from others of the run: other shares, test cells, or genes."""

from collections.abc import Sequence

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.settings import DatasetSettings
from latentcell.data.identity import cell_digests
from latentcell.runtime.errors import InputError
from latentcell.runtime.progress import say

# Separates the random stream of shares from those of subsets and splits.
_STREAM = 4


def derive_dataset(
    settings: DatasetSettings, cells: anndata.AnnData, *others: anndata.AnnData
) -> anndata.AnnData:
    """Derive a data set.

    Parameters
    ----------
    settings
        Section of the data set, with `derived_from`.
    cells
        Data set whose cells are taken.
    *others
        Data set whose class shares or whose cells are taken, too, or data sets without types;
        none for equal shares.
    """
    if settings.test_on is not None:
        sources = (str(settings.derived_from), settings.test_on)
        return with_test_cells(cells, others[0], settings.name, sources)
    if settings.with_unlabelled:
        return with_common_genes(cells, others, settings.name, settings.sources())
    like = others[0] if others else None
    return with_shares(cells, like, settings.seed, settings.name)


def with_shares(
    cells: anndata.AnnData, like: anndata.AnnData | None, seed: int, name: str
) -> anndata.AnnData:
    """Draw as many cells as possible with given class shares.

    Parameters
    ----------
    cells
        Cells with ``obs["cell_type"]``.
    like
        Cells whose class shares are taken, of the types that both have; None: equal shares.
    seed
        Seed of the draw.
    name
        Name of the data set that is made.

    Raises
    ------
    InputError
        If fewer than two types are in both.
    """
    there = cells.obs["cell_type"].value_counts()
    wanted = pd.Series(1.0, there.index) if like is None else like.obs["cell_type"].value_counts()
    types = _common(there.index[there > 0], wanted.index[wanted > 0], name)
    shares = wanted[types] / wanted[types].sum()
    total = float((there[types] / shares).min())
    # A billionth more, so that the type that limits the total loses no cell to rounding.
    numbers = np.floor(total * shares * (1 + 1e-9)).astype(int).clip(lower=1)
    rows = _draw(cells.obs["cell_type"].to_numpy(str), numbers.to_dict(), seed)
    return _named(cells[rows].copy(), name)


def with_test_cells(
    cells: anndata.AnnData, test: anndata.AnnData, name: str, sources: tuple[str, str]
) -> anndata.AnnData:
    """Join two data sets, the second as test cells, on the types and genes that both have.

    A cell of the second with the same counts as one of the first is left out, so that no cell is
    tested that a method was fitted on.

    Parameters
    ----------
    cells, test
        Data sets with ``obs["cell_type"]`` and genes by identifier.
    name
        Name of the data set that is made.
    sources
        Names of both, which are appended to the barcodes.

    Returns
    -------
    anndata.AnnData
        Genes in the order of `cells`; ``obs["held_out"]`` is true for the cells of `test`.

    Raises
    ------
    InputError
        If fewer than two types, or no genes, are in both, or all cells of `test` are in `cells`.
    """
    types = _common(cells.obs["cell_type"].unique(), test.obs["cell_type"].unique(), name)
    genes = cells.var_names[cells.var_names.isin(test.var_names)]
    if not len(genes):
        raise InputError(
            f"{name}: expected genes that {sources[0]} and {sources[1]} both have, found none: "
            f"they begin with {cells.var_names[0]} and {test.var_names[0]}"
        )
    parts = []
    for held_out, (part, source) in enumerate(zip((cells, test), sources, strict=True)):
        kept = part[part.obs["cell_type"].isin(types).to_numpy(), genes].copy()
        kept.obs = kept.obs[["cell_type"]].assign(held_out=bool(held_out))
        kept.obs_names = [f"{barcode}|{source}" for barcode in kept.obs_names]
        parts.append(kept)
    parts[1] = _others(parts[0], parts[1], name, sources)
    joined = anndata.concat(parts, merge="first")
    joined.obs["cell_type"] = pd.Categorical(joined.obs["cell_type"].astype(str))
    joined.uns = dict(cells.uns) | dict(test.uns)
    return _named(joined, name)


def _others(
    cells: anndata.AnnData, test: anndata.AnnData, name: str, sources: tuple[str, str]
) -> anndata.AnnData:
    """Cells of `test` whose counts no cell of `cells` has."""
    known = set(cell_digests(cells.X))
    kept = np.array([digest not in known for digest in cell_digests(test.X)], bool)
    if not kept.any():
        raise InputError(
            f"{name}: expected cells of {sources[1]} that {sources[0]} lacks, found none: all "
            f"{len(kept):,} have the counts of one of its cells"
        )
    if not kept.all():
        say(f"{name}: {(~kept).sum():,} test cells have the counts of training cells: left out")
    return test[kept].copy()


def with_common_genes(
    cells: anndata.AnnData, others: Sequence[anndata.AnnData], name: str, sources: Sequence[str]
) -> anndata.AnnData:
    """Restrict a data set to the genes that others have, too.

    Parameters
    ----------
    cells
        Cells with ``obs["cell_type"]``.
    others
        Cells of other data sets, which representations learn from.
    name
        Name of the data set that is made.
    sources
        Names of all, in this order.

    Raises
    ------
    InputError
        If no gene is in all.
    """
    common = np.ones(cells.n_vars, bool)
    for other in others:
        common &= cells.var_names.isin(other.var_names)
    if not common.any():
        raise InputError(
            f"{name}: expected genes that {', '.join(sources)} have, found none: they begin with "
            f"{', '.join(str(one.var_names[0]) for one in (cells, *others))}"
        )
    kept = cells[:, common].copy()
    for other in others:
        kept.uns |= {key: value for key, value in other.uns.items() if key not in kept.uns}
    return _named(kept, name)


def _common(first: pd.Index, second: pd.Index, name: str) -> list[str]:
    types = sorted(set(map(str, first)) & set(map(str, second)))
    if len(types) < 2:
        raise InputError(
            f"{name}: expected at least two cell types that both data sets have, found "
            f"{', '.join(types) or 'none'} of {', '.join(sorted(map(str, first)))} and "
            f"{', '.join(sorted(map(str, second)))}"
        )
    return types


def _draw(types: NDArray[np.str_], numbers: dict[str, int], seed: int) -> NDArray[np.int64]:
    generator = np.random.default_rng([_STREAM, seed])
    drawn = [
        generator.choice(np.flatnonzero(types == name), number, replace=False)
        for name, number in sorted(numbers.items())
    ]
    return np.sort(np.concatenate(drawn))


def _named(cells: anndata.AnnData, name: str) -> anndata.AnnData:
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.remove_unused_categories()
    cells.uns["dataset"] = name
    return cells
