"""Class probabilities of a pair of the grid, and the consensus of several pairs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.fitting import Probabilities
from latentcell.config.methods import Method
from latentcell.runtime.cost import Cost, measured
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json, write_h5ad, write_json
from latentcell.runtime.tensors import read_tensors, write_arrays

_FORMAT = "latentcell-probabilities-1"
_CONSENSUS = "latentcell-consensus-1"
# Layers of a consensus begin so; a number follows.
_EXPERT = "expert"


def write_probabilities(
    path: str | Path, names: tuple[str, str], types: Sequence[str], probabilities: Probabilities
) -> None:
    """Write the class probabilities of all cells.

    Parameters
    ----------
    path : path
        Safetensors file; its array ``probabilities`` is float32 (cells x types), with the cells in
        the order of ``predictions.csv``. The description has the names of the types.
    names : (str, str)
        Representation and classifier.
    types : sequence of str
        Name of each column.
    probabilities : ndarray of shape (n, types)
    """
    about = {
        "format": _FORMAT,
        "representation": names[0],
        "classifier": names[1],
        "types": list(types),
    }
    write_arrays(path, {"probabilities": np.asarray(probabilities, np.float32)}, about)


def read_probabilities(path: str | Path, cells: ad.AnnData) -> Probabilities:
    """Read class probabilities (n x types) of `write_probabilities`.

    Raises
    ------
    InputError
        If the file is another one, or has another number of cells or other types than `cells`.
    """
    tensors, about = read_tensors(path, "probabilities", _FORMAT)
    found: Probabilities = tensors["probabilities"]
    types = list(cells.obs["cell_type"].cat.categories.astype(str))
    if len(found) != cells.n_obs or about["types"] != types:
        raise InputError(
            f"{path}: expected probabilities of {cells.n_obs:,} cells and the types "
            f"{', '.join(types)}, found {len(found):,} cells and {', '.join(about['types'])}"
        )
    return found


def write_consensus(
    files: Sequence[str | Path],
    cells: ad.AnnData,
    method: Method,
    experts: Sequence[str | Path],
    costs: Sequence[str | Path],
) -> None:
    """Combine the probabilities of experts; write features, description and cost, in this order.

    The features have a layer for the probabilities of each expert: ``expert01``, ``expert02``, ...

    Parameters
    ----------
    files : sequence of path
        Paths of ``features.h5ad``, ``model.safetensors`` and ``cost.json``.
    cells : AnnData
        Cells with ``obs["cell_type"]``, in the order of the probabilities.
    method : Method
        Representation that combines.
    experts : sequence of path
        Files of `write_probabilities`.
    costs : sequence of path
        ``cost.json`` of each expert's classifier, and of each of their representations once. The
        consensus costs as much as all of them, and the mean.
    """
    combine = method.load()
    parts = [read_probabilities(path, cells) for path in experts]
    combined, own = measured(lambda: combine(parts))
    columns = pd.DataFrame(index=cells.obs["cell_type"].cat.categories.astype(str))
    names = ["/".join(Path(path).parts[-3:-1]) for path in experts]
    layers = {f"{_EXPERT}{number:02d}": part for number, part in enumerate(parts, 1)}
    mean = np.asarray(combined, np.float32)
    write_h5ad(files[0], ad.AnnData(mean, obs=cells.obs, var=columns, layers=layers))
    about = {"format": _CONSENSUS, "representation": method.name, "experts": names}
    write_arrays(files[1], {}, about)
    write_json(files[2], asdict(_total([own, *(Cost(**read_json(path)) for path in costs)])))


def expert_columns(consensus: ad.AnnData) -> tuple[Probabilities, NDArray[np.int64]]:
    """Return the probabilities of all experts (n x experts * types), and each column's expert."""
    names = sorted(name for name in consensus.layers if name.startswith(_EXPERT))
    parts = [np.asarray(consensus.layers[name]) for name in names]
    return np.hstack(parts), np.repeat(np.arange(len(parts)), consensus.n_vars)


def _total(costs: Sequence[Cost]) -> Cost:
    """Sum of the seconds, and the largest memory of a process."""
    return Cost(sum(one.seconds for one in costs), max(one.peak_mb for one in costs))
