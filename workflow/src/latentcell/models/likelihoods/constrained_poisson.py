"""The constrained Poisson distribution of scVAE."""

from latentcell.models.likelihoods.poisson import Poisson

GOES_WITH = ()


class ConstrainedPoisson(Poisson):
    """Poisson whose mean is always the library size times a softmax over the genes."""

    def __init__(self) -> None:
        super().__init__(size_factor=True)
