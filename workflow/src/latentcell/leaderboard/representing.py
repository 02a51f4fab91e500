"""A representation: learnt from training cells, given of all cells."""

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.errors import InputError
from latentcell.fitting import Features, Options
from latentcell.job import limit_threads
from latentcell.leaderboard.cells import labelled
from latentcell.leaderboard.cost import Cost, measured
from latentcell.methods import Method


def represent(cells: ad.AnnData, method: Method, options: Options) -> tuple[ad.AnnData, Cost]:
    """Learn a representation and apply it.

    Parameters
    ----------
    cells : AnnData
        Counts with ``obs["cell_type"]`` and ``obs["split"]``.
    method : Method
        Of the stage ``represent``.
    options : Options

    Returns
    -------
    AnnData
        Features of all cells, with the same ``obs``.
    Cost
        Of learning.

    Raises
    ------
    InputError
        If a library is missing, or the features are not finite.
    """
    fit = method.load()
    limit_threads(1)
    training = labelled(cells, cells.X, "training")
    transform, cost = measured(lambda: fit(training, method.size, options))
    features = transform(cells.X)
    _check(features, cells.n_obs, method.name)
    names = [f"{method.name}-{index + 1}" for index in range(features.shape[1])]
    columns = cells.var_names if len(names) == cells.n_vars else names
    return ad.AnnData(features, obs=cells.obs, var=pd.DataFrame(index=columns)), cost


def _check(features: Features, cells: int, name: str) -> None:
    values = features if isinstance(features, np.ndarray) else features.data
    if features.shape[0] != cells or not np.isfinite(values).all():
        found = "values that are not finite" if features.shape[0] == cells else features.shape[0]
        raise InputError(f"{name}: expected finite features of {cells} cells, found {found}")
