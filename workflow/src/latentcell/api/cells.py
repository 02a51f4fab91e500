"""The cells of an AnnData as models take them: checked counts, types, batches and a split.

Nothing here changes the AnnData.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from latentcell.config.settings import Section, parse_section
from latentcell.data.checks import check_counts, missing_labels, plain_labels
from latentcell.data.genes import Features, genes_of
from latentcell.data.split import SPLITS
from latentcell.runtime.errors import InputError

_Section = TypeVar("_Section", bound=Section)
Texts = NDArray[np.str_]
# Random stream of the split among those with the same seed.
_STREAM = 12


def require_cells(argument: str, adata: Any) -> None:
    """Raise `InputError` if an argument is no AnnData."""
    if not isinstance(adata, ad.AnnData):
        raise InputError(
            f"{argument}: expected an AnnData, found {type(adata).__name__}: read a file by "
            "anndata.read_h5ad"
        )


def whole_number(argument: str, value: Any) -> int:
    """Check an argument that is a number of things; raises `InputError` if it is not."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1:
        raise InputError(f"{argument}: expected a whole number of at least 1, found {value!r}")
    return int(value)


def is_number(value: Any) -> bool:
    """Whether a value is a real number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def read_counts(
    adata: ad.AnnData, layer: str | None = None, *, empty_cells: bool = False
) -> sp.csr_matrix:
    """Check the counts and copy them as CSR matrix of int32 (n x G).

    Parameters
    ----------
    adata
        Cells x genes, in memory or backed, also a view.
    layer
        Layer of the counts; None: ``X``.
    empty_cells
        Whether cells without counts are accepted.

    Raises
    ------
    InputError
        If there is no such layer, or its values are not counts.
    """
    if adata.isbacked:
        adata = adata.to_memory()
    layers = ", ".join(map(repr, adata.layers))
    if layer is not None and layer not in list(adata.layers):
        raise InputError(f"layer: expected one of {layers or 'no layers'}, found {layer!r}")
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    source = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    # A copy, since sparse counts are sorted in place.
    own = sp.csr_matrix(matrix, copy=True) if hasattr(matrix, "tocsr") else matrix
    obs, var = (pd.DataFrame(index=names) for names in (adata.obs_names, adata.var_names))
    try:
        return check_counts(ad.AnnData(own, obs, var), source, empty_cells=empty_cells)
    except InputError as error:
        hint = f"; layer= takes the counts from one of {layers}" if layers else ""
        raise InputError(f"{error}{hint}") from None


def read_genes(adata: ad.AnnData, source: str) -> pd.DataFrame:
    """Index genes by identifier, or by symbol without identifiers, with the column ``symbol``.

    Raises
    ------
    InputError
        If an identifier occurs twice, or other features than genes are among them.
    """
    found = genes_of(Features.of_table(adata.var), source)
    if found.kept is not None and not found.kept.all():
        raise InputError(
            f"{source}: expected genes alone, found {int((~found.kept).sum()):,} other features, "
            f"such as {adata.var_names[~found.kept][0]}: take adata[:, "
            "adata.var['feature_types'] == 'Gene Expression']"
        )
    return found.table


def read_types(adata: ad.AnnData, labels_key: str) -> Texts:
    """Read the type of each cell; raises `InputError` if a cell has none."""
    types = read_column(adata, "labels_key", labels_key)
    missing = int(missing_labels(types).sum())
    if missing:
        raise InputError(
            f"labels_key: expected a type for every cell in obs[{labels_key!r}], found none for "
            f"{missing:,} of {len(types):,} cells: leave these out, or give components= instead"
        )
    return plain_labels(types).to_numpy(str)


def read_batches(adata: ad.AnnData, batch_key: str) -> Texts:
    """Read the batch of each cell; raises `InputError` if a cell has none."""
    batches = read_column(adata, "batch_key", batch_key)
    missing = int(missing_labels(batches).sum())
    if missing:
        raise InputError(
            f"batch_key: expected a batch for every cell in obs[{batch_key!r}], found none for "
            f"{missing:,} of {len(batches):,} cells"
        )
    return batches.astype(str).to_numpy(str)


def read_split(adata: ad.AnnData, split: str | ArrayLike) -> Texts:
    """Read the part of each cell: ``training``, ``validation`` or ``test``.

    Parameters
    ----------
    adata
        Cells.
    split
        Column of ``obs``, or the parts themselves.

    Raises
    ------
    InputError
        If there are other parts, no training or validation cells, or cells in another order.
    """
    values = read_column(adata, "split", split) if isinstance(split, str) else split
    names = values.index if isinstance(values, pd.Series) else adata.obs_names
    if not names.equals(adata.obs_names) and set(names) == set(adata.obs_names):
        raise InputError(
            "split: expected the parts in the order of the cells, found a Series with the same "
            "cells in another order: give split.loc[adata.obs_names]"
        )
    parts = np.asarray(values, dtype=object).astype(str)
    if parts.shape != (adata.n_obs,):
        raise InputError(f"split: expected a part for each of {adata.n_obs:,} cells, found others")
    found = set(parts.tolist())
    if not {"training", "validation"} <= found <= set(SPLITS):
        raise InputError(
            "split: expected training and validation cells, and test cells if any, found "
            f"{', '.join(sorted(found)) or 'no cells'}"
        )
    return parts


def draw_split(cells: int, share: float, seed: int) -> Texts:
    """Draw validation cells at random; the others are for training.

    Parameters
    ----------
    cells
        Number of cells.
    share
        Share of validation cells, of which there is at least one.
    seed
        Seed of the draw.

    Raises
    ------
    InputError
        If the share is not between 0 and 1, or no cell would be left for training.
    """
    if not (is_number(share) and 0 < share < 1):
        raise InputError(f"validation_share: expected a share between 0 and 1, found {share!r}")
    number = max(1, round(share * cells))
    if number >= cells:
        raise InputError(
            f"validation_share: expected to leave cells for training, found {share:g} of {cells:,}"
        )
    parts = np.full(cells, "training", dtype="<U10")
    parts[np.random.default_rng([_STREAM, seed]).permutation(cells)[:number]] = "validation"
    return parts


def read_settings(
    section: type[_Section], values: dict[str, Any], source: str, unused: set[str]
) -> _Section:
    """Check keyword arguments as the values of a section of the settings.

    Parameters
    ----------
    section
        Class of the section.
    values
        Values by key.
    source
        Name of the function, for messages.
    unused
        Keys with an effect in the workflow alone, which are refused.
    """
    if useless := sorted(unused & set(values)):
        raise InputError(
            f"{source}: {useless[0]} has an effect in the workflow alone: leave it out"
        )
    return parse_section(section, values, source)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit the threads of the numeric libraries for a while.

    One thread is the workflow's number: more may change the last bits of the results.
    """
    # What is loaded within would keep the limit afterwards, as the OpenMP of scikit-learn.
    import sklearn  # noqa: F401
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def read_column(adata: ad.AnnData, argument: str, name: str) -> "pd.Series[Any]":
    """Read a column of ``obs`` that an argument names; raises `InputError` if there is none."""
    if name not in list(adata.obs):
        there = ", ".join(map(repr, adata.obs.columns)) or "no columns of obs"
        raise InputError(f"{argument}: expected one of {there}, found {name!r}")
    column: pd.Series[Any] = adata.obs[name].astype(object)
    return column
