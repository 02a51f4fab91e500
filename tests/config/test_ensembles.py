"""Ensembles of seeds: names, grid points, classifiers and demands."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from latentcell.config.methods import fitting_classifiers, gives
from latentcell.config.names import ModelName, input_title, is_model, member_seeds
from latentcell.config.resources import Size, classifying, training
from latentcell.config.settings import FfnnSettings, VaeSettings, parse_settings
from latentcell.runtime.errors import InputError

NAMES = {
    "gmvae-z50-h100-s5": ModelName("gmvae", 50, 100, seeds=5),
    "gmvae-z50-h100-recommended-s12": ModelName("gmvae", 50, 100, "recommended", 12),
    "vae-z2-h3-scvae": ModelName("vae", 2, 3, "scvae"),
}
SIZE = Size(1300, 32_738, 720_000, 11)


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_the_number_of_seeds_ends_a_name(text, name):
    assert ModelName.parse(text) == name
    assert str(name) == text
    kind, latent_dim, hidden_units, *ending = text.split("-")
    seeds = ending.pop() if ending and ending[-1][1:].isdigit() else ""
    wildcards = SimpleNamespace(
        kind=kind,
        latent_dim=latent_dim[1:],
        hidden_units=hidden_units[1:],
        preset="".join(f"-{one}" for one in ending),
        seeds=f"-{seeds}" if seeds else "",
    )
    assert ModelName.of(wildcards) == name


@pytest.mark.parametrize("text", ["gmvae-z5-h1-s1", "gmvae-z5-h1-s0", "gmvae-z5-h1-s", "s5"])
def test_one_seed_has_no_such_ending(text):
    assert not is_model(text) or ModelName.parse(text).seeds == 1
    assert not is_model(text) or ModelName.parse(text).preset == "s"


def test_seeds_of_members_begin_with_that_of_a_single_model_and_meet_those_of_no_replicate():
    members = [member_seeds(seed, 5) for seed in range(101, 201)]
    assert [seeds[0] for seeds in members] == list(range(101, 201))
    assert len({seed for seeds in members for seed in seeds}) == 500
    assert all(0 <= seed < 2**31 for seed in member_seeds(2**31 - 1, 5))


def test_an_axis_of_the_grid():
    point = {"latent_dim": 50, "hidden_units": 100, "preset": "recommended", "seeds": [1, 5]}
    settings = parse_settings({"grid": {"models": [point]}})
    names = [str(model) for model in settings.models()]
    assert names == ["gmvae-z50-h100-recommended", "gmvae-z50-h100-recommended-s5"]
    assert input_title(names[1]) == "GMVAE Z = 50, H = 100, recommended, 5 seeds"


def test_a_semi_supervised_model_has_one_seed():
    point = {"kind": "semi-gmvae", "latent_dim": 5, "hidden_units": 3, "seeds": 2}
    with pytest.raises(InputError, match="seeds: expected 1 for a semi-gmvae"):
        parse_settings({"grid": {"models": [point]}, "vae": {"labelled_share": 0.5}})


def test_members_are_for_ensembles_alone():
    asked = ["ffnn", "averaged-logistic", "naive-bayes"]
    assert gives("gmvae-z2-h3-s5") == "scores"
    assert fitting_classifiers("gmvae-z2-h3-s5", asked) == ["ffnn", "averaged-logistic"]
    assert fitting_classifiers("gmvae-z2-h3", asked) == ["ffnn"]
    assert fitting_classifiers("hvg-pca-k5", asked) == ["ffnn"]


def test_more_seeds_demand_more():
    names = ["gmvae-z50-h100", "gmvae-z50-h100-s2", "gmvae-z50-h100-s5"]
    for cuda in (False, True):
        demands = [training([name], SIZE, VaeSettings(), 1, cuda) for name in names]
        assert all(few.seconds < many.seconds for few, many in pairwise(demands))
        assert all(few.mb < many.mb for few, many in pairwise(demands))
    wider = [classifying([name], SIZE, FfnnSettings(), 1).mb for name in names]
    assert wider == sorted(set(wider))
