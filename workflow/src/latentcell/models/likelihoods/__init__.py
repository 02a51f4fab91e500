r"""Distributions of a count given the decoder's outputs, split into zeros and the rest.

Most counts are zero, so each likelihood is written as :math:`\log P(0)`, cheap and needed for
every cell and gene, and the excess :math:`\log P(x) - \log P(0)`, needed at the non-zero counts
alone. Both come with their derivatives, so that the blocked decoder pass (`engine`) needs no
automatic differentiation. Terms of x alone (:math:`\log x!`) are constants of the data
(`constant`), computed once. On a GPU neither waits for the device.
"""

from collections.abc import Callable
from functools import partial

from latentcell.errors import InputError
from latentcell.models.likelihoods.base import Likelihood
from latentcell.models.likelihoods.bernoulli import Bernoulli
from latentcell.models.likelihoods.categorised import PiecewiseCategorical
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.likelihoods.normal import Gaussian, LogNormal
from latentcell.models.likelihoods.poisson import Poisson
from latentcell.models.likelihoods.zero_inflated import ZeroInflated

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Gaussian",
    "Likelihood",
    "LogNormal",
    "NegativeBinomial",
    "PiecewiseCategorical",
    "Poisson",
    "ZeroInflated",
    "make_likelihood",
]

# Those of counts, which take classes for small counts or a size factor, by whether it is theirs.
_COUNTS: dict[str, Callable[[bool], Likelihood]] = {
    "poisson": Poisson,
    "negative-binomial": NegativeBinomial,
    "zero-inflated-poisson": lambda size_factor: ZeroInflated(Poisson(size_factor)),
    "zero-inflated-negative-binomial": lambda size_factor: ZeroInflated(
        NegativeBinomial(size_factor)
    ),
}
_OTHERS: dict[str, Callable[[], Likelihood]] = {
    "constrained-poisson": partial(Poisson, size_factor=True),
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "log-normal": LogNormal,
}


def make_likelihood(name: str, k_max: int = 0, size_factor: bool = False) -> Likelihood:
    """Make the likelihood of a name.

    Parameters
    ----------
    name : str
        A key of `LIKELIHOODS`.
    k_max : int
        Number of smallest counts that have a class of their own (`PiecewiseCategorical`); 0 for
        none.
    size_factor : bool
        Whether one output is the log mean, log(library size x fraction), given by the model. It
        always is for `constrained-poisson`.

    Raises
    ------
    InputError
        Where the name is unknown, or does not go with the other two.
    """
    if name not in LIKELIHOODS:
        raise InputError(
            f"likelihood {name!r} is unknown, it must be one of {', '.join(LIKELIHOODS)}"
        )
    if k_max < 0:
        raise InputError(f"k_max must be 0 or more, and is {k_max}")
    if k_max and name not in _COUNTS:
        raise InputError(
            f"k_max is {k_max}, but only {', '.join(_COUNTS)} take classes for small counts, "
            f"and the likelihood is {name}"
        )
    if k_max and size_factor:
        raise InputError(
            f"k_max is {k_max}, but classes for small counts do not go with size factors"
        )
    if size_factor and name not in (*_COUNTS, "constrained-poisson"):
        raise InputError(
            f"only {', '.join(_COUNTS)} take size factors, and the likelihood is {name}"
        )
    if name not in _COUNTS:
        return _OTHERS[name]()
    likelihood = _COUNTS[name](size_factor)
    return PiecewiseCategorical(likelihood, k_max) if k_max else likelihood


LIKELIHOODS: dict[str, Callable[[], Likelihood]] = {
    name: partial(make_likelihood, name) for name in (*_COUNTS, *_OTHERS)
}
