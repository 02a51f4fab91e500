r"""Distributions of a count given the decoder's outputs.

A new likelihood is one file with one class, whose `Likelihood.log_prob` is enough to train with
(`latentcell.config.likelihoods` describes the file). Derivatives written by hand replace autograd
where speed pays. Most counts are zero, so they come in two parts: :math:`\log P(0)`, cheap and
needed for every cell and gene, and the excess :math:`\log P(x) - \log P(0)`, needed at the non-zero
counts alone. Terms of x alone (:math:`\log x!`) are constants of the data, computed once. On a GPU
no part waits for the device.
"""

from importlib import import_module

from latentcell.config.likelihoods import check_options
from latentcell.models.likelihoods.base import Likelihood
from latentcell.models.likelihoods.piecewise_categorical import PiecewiseCategorical

__all__ = ["Likelihood", "make_likelihood"]


def make_likelihood(name: str, k_max: int = 0, size_factor: bool = False) -> Likelihood:
    """Make the likelihood of a name.

    Parameters
    ----------
    name : str
        A key of `latentcell.config.likelihoods.LIKELIHOODS`.
    k_max : int
        Number of smallest counts with a class of their own (`PiecewiseCategorical`); 0: none.
    size_factor : bool
        Whether one output is the log mean, log(library size x fraction), given by the model.

    Raises
    ------
    InputError
        If the name is unknown, or does not go with the options.
    """
    check_options(name, k_max, size_factor)
    stem = name.replace("-", "_")
    module = import_module(f"{__name__}.{stem}")
    kind = getattr(module, stem.title().replace("_", ""))
    likelihood: Likelihood = kind(size_factor=True) if size_factor else kind()
    return PiecewiseCategorical(likelihood, k_max) if k_max else likelihood
