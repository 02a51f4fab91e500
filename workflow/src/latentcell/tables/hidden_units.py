"""Differences between generative models that differ in their number of hidden units alone."""

import pandas as pd

from latentcell.config.settings import Settings
from latentcell.evaluate.statistics import CORRELATION, SHARE, Bounds, paired_difference
from latentcell.study.evidence import replicate_table, share_tested, smallest_subset
from latentcell.tables.comparison import estimate_columns, typed_table
from latentcell.tables.entry import hidden_unit_pairs

# Measures of the models, with the bounds of their values; the ELBO has none.
MEASURES: dict[str, Bounds | None] = {
    "elbo": None,
    "ari_clusters": CORRELATION,
    "accuracy": SHARE,
}


def hidden_units_table(models: pd.DataFrame, settings: Settings, variant: str) -> pd.DataFrame:
    """Compute paired differences to the models with the fewest hidden units.

    Parameters
    ----------
    models : DataFrame
        Record ``models`` of `latentcell.grid.records` for one data set.
    settings : Settings
        Settings of the run.
    variant : str
        Name of the variant.

    Returns
    -------
    DataFrame
        latent_dim, hidden_units, against; mean, low and high of the differences ``elbo`` (test
        cells, nats per cell), ``ari_clusters`` and ``accuracy`` (of clusters with the types);
        replicates. Intervals are corrected resampled t intervals at 95 %
        (`latentcell.evaluate.statistics`).
    """
    columns = ["latent_dim", "hidden_units", "against"]
    columns += [f"{measure}_{end}" for measure in MEASURES for end in ("mean", "low", "high")]
    own = models[models["variant"] == variant]
    if own.empty:
        return typed_table([], [*columns, "replicates"])
    own = smallest_subset(own)
    share = share_tested(own)
    wide = {measure: replicate_table(own, "model", measure) for measure in MEASURES}
    rows = []
    for few, many in hidden_unit_pairs(settings):
        row = {"latent_dim": many.latent_dim, "hidden_units": many.hidden_units}
        row |= {"against": few.hidden_units, "replicates": len(wide["elbo"])}
        for measure, bounds in MEASURES.items():
            pair = wide[measure][str(many)], wide[measure][str(few)]
            limits = bounds and (bounds[0] - bounds[1], bounds[1] - bounds[0])
            row |= estimate_columns(paired_difference(*pair, share, bounds=limits), f"{measure}_")
        rows.append(row)
    return typed_table(rows, [*columns, "replicates"])
