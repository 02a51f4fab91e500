"""Latent dimension and number of seeds of a GMVAE, by rules that were learnt on other data.

`bench/latent_choice.py` measured accuracies of validation cells and seconds on three data sets with
125 to 3,470 training cells (docs/results/latent_choice.csv), and `bench/latent_rule.py` learnt the
rules from them (docs/methods.md, "Latent dimension and number of seeds").
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

from latentcell.runtime.errors import InputError

# The smallest of 5, 10, 25 and 50 latent dimensions whose accuracy is at most a standard error
# behind the best.
LATENT_DIM, HIDDEN_UNITS = 25, 100
# Numbers of seeds, and most training cells, that were measured.
SEEDS, MOST_CELLS = (1, 3, 5), 3470
# Seconds of one core for a model: a power of the number of training cells, but at least those of
# the epochs that early stopping needs.
_SECONDS, _POWER = 0.5, 0.5
_LEAST_EPOCHS, _EPOCH_SECONDS = 16, 3e-4


@dataclass(frozen=True)
class Recommendation:
    """A model of `grid.models`, with the preset `recommended`.

    Attributes
    ----------
    latent_dim : int
        Latent dimensions Z.
    hidden_units : int
        Units per hidden layer H.
    seeds : int
        Models of different seeds, whose latents stand side by side.
    minutes : float
        Estimated minutes of one core that their training takes.
    reason : str
        Where the numbers come from, in a few sentences.
    """

    latent_dim: int
    hidden_units: int
    seeds: int
    minutes: float
    reason: str

    def point(self) -> dict[str, Any]:
        """Return the entry of `grid.models`."""
        point = {"latent_dim": self.latent_dim, "hidden_units": self.hidden_units}
        return {"kind": "gmvae"} | point | ({"seeds": self.seeds} if self.seeds > 1 else {})


def recommend_model(
    training_cells: int, budget: float | None = None, replicates: int = 1
) -> Recommendation:
    """Recommend latent dimension and number of seeds of a GMVAE with the preset `recommended`.

    Parameters
    ----------
    training_cells : int
        Number of training cells.
    budget : float, optional
        Minutes of one core to train the models of all replicates. By default one seed is
        recommended.
    replicates : int, default 1
        Number of replicates.

    Returns
    -------
    Recommendation
        With the most seeds that the budget has time for.

    Raises
    ------
    InputError
        If the budget has no time for one seed.
    """
    each = replicates * model_seconds(training_cells) / 60
    if budget is not None and not budget >= each:
        raise InputError(
            f"budget: expected at least {ceil(10 * each) / 10:.1f} minutes of one core, which a "
            f"model takes in {_times(replicates)} on {training_cells:,} training cells, found "
            f"{budget:g}"
        )
    seeds = max(number for number in SEEDS if number == 1 or number * each <= (budget or 0))
    reason = f"{_of_dimension(training_cells)} {_of_seeds(seeds, each, budget, replicates)}"
    return Recommendation(LATENT_DIM, HIDDEN_UNITS, seeds, seeds * each, reason)


def _of_dimension(training_cells: int) -> str:
    said = (
        f"Z = {LATENT_DIM} is the smallest dimension of 5 to 50 whose accuracy on other data was "
        "at most a standard error behind the best"
    )
    more = f", with up to {MOST_CELLS:,} training cells (here {training_cells:,})"
    return f"{said}{more if training_cells > MOST_CELLS else ''}; docs/methods.md."


def _of_seeds(seeds: int, each: float, budget: float | None, replicates: int) -> str:
    models = "One seed" if seeds == 1 else f"{seeds} seeds"
    said = f"{models}: about {seeds * each:.1f} minutes of one core in {_times(replicates)}"
    if budget is None:
        return f"{said}; more with --budget."
    return f"{said}, within the budget of {budget:g}."


def _times(replicates: int) -> str:
    return "one replicate" if replicates == 1 else f"{replicates} replicates"


def model_seconds(training_cells: int) -> float:
    """Estimate the seconds of one core to train a model."""
    usual: float = _SECONDS * training_cells**_POWER
    return max(usual, _LEAST_EPOCHS * _EPOCH_SECONDS * training_cells)
