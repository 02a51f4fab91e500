"""The recommended model: values at the borders of the rules, and budgets that are refused."""

import pytest

from latentcell.config.recommending import SEEDS, model_seconds, recommend_model
from latentcell.config.settings import parse_settings
from latentcell.runtime.errors import InputError


def minutes(seeds, cells=1040, replicates=1):
    return seeds * replicates * model_seconds(cells) / 60


def test_without_a_budget_there_is_one_seed():
    model = recommend_model(1040)
    assert model.seeds == 1
    assert model.minutes == minutes(1)
    assert "One seed" in model.reason
    assert "more with --budget" in model.reason


def test_the_reason_says_where_the_measurements_end():
    assert "3,470" not in recommend_model(3470).reason
    assert "up to 3,470 training cells (here 3,471)" in recommend_model(3471).reason


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize(("seeds", "before"), [(3, 1), (5, 3)])
def test_a_budget_buys_the_seeds_that_it_has_time_for(seeds, before, replicates):
    needed = minutes(seeds, replicates=replicates)
    assert recommend_model(1040, needed * 1.001, replicates).seeds == seeds
    assert recommend_model(1040, needed * 0.999, replicates).seeds == before


def test_no_budget_buys_more_seeds_than_were_measured():
    model = recommend_model(1040, 1e9)
    assert model.seeds == max(SEEDS)
    assert model.minutes == minutes(max(SEEDS))


@pytest.mark.parametrize("budget", [0, -1, float("nan"), minutes(1) * 0.99])
def test_a_budget_without_time_for_one_seed_is_refused(budget):
    with pytest.raises(InputError, match=r"budget: expected at least \S+ minutes of one core"):
        recommend_model(1040, budget)


def test_the_budget_that_a_refusal_names_is_enough():
    for cells in (2, 125, 3470, 16_000, 10**6):
        with pytest.raises(InputError) as refused:
            recommend_model(cells, 1e-9, 3)
        named = str(refused.value).split("at least ")[1].split()[0]
        assert recommend_model(cells, float(named), 3).seeds >= 1


def test_more_cells_take_longer():
    seconds = [model_seconds(cells) for cells in (1, 125, 1040, 3470, 16_000, 10**6)]
    assert seconds == sorted(set(seconds))


@pytest.mark.parametrize("budget", [None, 1e9])
def test_the_entry_of_the_grid_is_valid(budget):
    model = recommend_model(1040, budget)
    (name,) = parse_settings({"grid": {"models": [model.point()]}}).models()
    assert (name.latent_dim, name.hidden_units, name.seeds) == (
        model.latent_dim,
        model.hidden_units,
        model.seeds,
    )
