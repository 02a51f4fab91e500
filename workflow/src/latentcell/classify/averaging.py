"""A classifier for each model of an ensemble, their probabilities averaged."""

from collections.abc import Callable

import numpy as np

from latentcell.config.fitting import Features, Fitted, Labelled, Options, Probabilities
from latentcell.runtime.errors import InputError

Fit = Callable[[Labelled, Labelled, Options], Fitted]


def averaged(fit: Fit, training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """Fit a classifier to the latents of each member, and average their probabilities.

    Parameters
    ----------
    fit
        Function ``fit`` of a classifier.
    training, validation
        Latents of all members side by side (n x d).
    options
        ``members`` has the member of each column.

    Returns
    -------
    Fitted
        ``chosen`` has a list for each hyperparameter, with the value of each member; names in
        ``arrays`` begin with ``member1.`` and so on.

    Raises
    ------
    InputError
        If `options` has no members.
    """
    if options.members is None:
        raise InputError("expected the latents of an ensemble, such as gmvae-z10-h100-s5")
    blocks = [np.flatnonzero(options.members == one) for one in np.unique(options.members)]
    fitted = [
        fit(_columns(training, block), _columns(validation, block), options) for block in blocks
    ]

    def predict(features: Features) -> Probabilities:
        parts = [one.predict(features[:, block]) for one, block in zip(fitted, blocks, strict=True)]
        mean: Probabilities = np.mean(parts, axis=0)
        return mean

    chosen = {name: [one.chosen[name] for one in fitted] for name in fitted[0].chosen}
    arrays = {
        f"member{number}.{name}": array
        for number, one in enumerate(fitted, 1)
        for name, array in one.arrays.items()
    }
    return Fitted(predict, chosen, arrays=arrays)


def _columns(cells: Labelled, block: Features) -> Labelled:
    return Labelled(cells.features[:, block], cells.codes, cells.types)
