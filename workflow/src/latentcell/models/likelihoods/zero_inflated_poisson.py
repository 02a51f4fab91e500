"""The Poisson distribution with added zeros."""

from latentcell.models.likelihoods.poisson import Poisson
from latentcell.models.likelihoods.zero_inflated import ZeroInflated

GOES_WITH = ("k_max", "size_factor")


class ZeroInflatedPoisson(ZeroInflated):
    """See `ZeroInflated` and `Poisson`."""

    def __init__(self, size_factor: bool = False) -> None:
        super().__init__(Poisson(size_factor))
