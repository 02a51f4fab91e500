"""The negative binomial distribution with added zeros."""

from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.likelihoods.zero_inflated import ZeroInflated

GOES_WITH = ("k_max", "size_factor", "dispersion: gene")


class ZeroInflatedNegativeBinomial(ZeroInflated):
    """See `ZeroInflated` and `NegativeBinomial`."""

    def __init__(self, size_factor: bool = False) -> None:
        super().__init__(NegativeBinomial(size_factor))
