"""Variants: which there are, what they share, how they are grouped into jobs."""

import pytest

from latentcell.grouping import classifier_groups, model_groups
from latentcell.protocols.confounders import CONFOUNDERS
from latentcell.settings import parse_settings
from latentcell.variants import comparison, is_latent, latent_draw, touches

CONFIG = {
    "run": "x",
    "protocol": "controlled",
    "replicates": 4,
    "grid": [{"latent_dim": [10, 50], "hidden_units": 100}],
    "pca": {"components": [10, 50]},
    "comparison": {
        "protocols": ["as-run"],
        "protocol_replicates": 1,
        "ablations": ["as-run", "controlled"],
        "ablation_replicates": 3,
        "training_cells": [100],
    },
}


@pytest.fixture(scope="module")
def found():
    return comparison(parse_settings(CONFIG))


def variant(found, name):
    return next(one for one in found.variants if one.name == name)


def test_a_run_without_comparison_is_its_own_only_variant():
    found = comparison(parse_settings({"run": "x"}))
    assert [one.name for one in found.variants] == ["run"]
    assert found.folder(found.variants[0]) == "x"


def test_every_confounder_is_switched_in_both_directions(found):
    names = {one.name for one in found.variants}
    wanted = {"controlled", "as-run", "controlled-train100"}
    for confounder in CONFOUNDERS:
        wanted |= {f"as-run-without-{confounder.name}", f"controlled-with-{confounder.name}"}
    assert names == wanted


def test_replicates_are_as_many_as_each_purpose_needs(found):
    assert set(variant(found, "controlled").replicates.values()) == {4}
    as_run = variant(found, "as-run").replicates
    assert as_run["gmvae-z50-h100"] == as_run["pca-k10"] == 1
    assert as_run["raw"] == as_run["pca-k50"] == as_run["gmvae-z10-h100"] == 3
    assert dict(variant(found, "as-run-without-leaky-pca").replicates) == {"pca-k50": 3}
    assert dict(variant(found, "controlled-with-slow-averages").replicates) == {"gmvae-z10-h100": 3}


def test_what_the_run_sets_itself_holds_in_every_variant():
    config = CONFIG | {"ffnn": {"epochs": 7}, "split": {"seed": 9}}
    for one in comparison(parse_settings(config)).variants:
        assert one.settings.ffnn.epochs == 7
        assert one.settings.split.seed == 9


def test_a_classifiers_confounder_trains_no_representation_again(found):
    for name in ("controlled-with-double-softmax", "controlled-with-test-latents"):
        one = variant(found, name)
        assert found.home(one, "vae", "gmvae-z10-h100", "r1") == "x"
        own = found.home(one, "ffnn", "gmvae-z10-h100", "r1")
        assert own == f"x/variants/{name}"


def test_a_models_confounder_trains_it_again(found):
    one = variant(found, "controlled-with-zero-biases")
    assert found.home(one, "vae", "gmvae-z10-h100", "r1") == f"x/variants/{one.name}"
    assert found.home(one, "cells", "gmvae-z10-h100", "r1") == "x"


def test_nothing_is_shared_that_follows_from_other_settings(found):
    folders = {}
    for one in found.variants:
        for input, replicate in one.files():
            where = found.home(one, "ffnn", input, replicate), input, replicate
            settings = one.settings
            relevant = [settings.split, settings.ffnn]
            if is_latent(input):
                relevant += [*latent_draw(settings), settings.vae, settings.latents.classified]
            else:
                relevant += [settings.subset, settings.pca if input != "raw" else None]
            assert folders.setdefault(where, relevant) == relevant


def test_own_cells_and_scvaes_split():
    settings = parse_settings({"protocol": "as-run"})
    subset, split = latent_draw(settings)
    assert subset.method == "random"
    assert subset.seed != settings.subset.seed
    assert split.method == "scvae"
    shared = parse_settings({"protocol": "controlled"})
    assert latent_draw(shared) == (shared.subset, shared.split)


def test_confounders_touch_what_they_can():
    by_name = {one.name: one for one in CONFOUNDERS}
    assert touches(by_name["leaky-pca"], "pca-k10")
    assert not touches(by_name["leaky-pca"], "raw")
    assert not touches(by_name["zero-biases"], "pca-k10")
    assert touches(by_name["zero-biases"], "vae-z2-h3")
    assert touches(by_name["double-softmax"], "raw")


def test_every_training_is_in_one_group_of_its_variant(found):
    for groups, stage in ((model_groups, "vae"), (classifier_groups, "ffnn")):
        seen = [(g.variant.name, *pair) for g in groups(found) for pair in g.pairs]
        wanted = {
            (one.name, input, replicate)
            for one in (found.variants if stage == "vae" else found.variants[1:])
            for input, replicate in found.made_in(one, stage)
            if stage == "ffnn" or is_latent(input)
        }
        assert len(seen) == len(set(seen))
        assert set(seen) == wanted


def test_groups_are_no_larger_than_configured_and_put_replicates_together(found):
    groups = list(model_groups(found))
    assert max(len(group.pairs) for group in groups) <= 4
    zero = [g.pairs for g in groups if g.variant.name == "controlled-with-zero-biases"]
    assert zero == [[("gmvae-z10-h100", f"r{n}") for n in (1, 2, 3)]]
    main = [g.pairs for g in groups if g.variant.name == "controlled"]
    assert [{replicate for _, replicate in pairs} for pairs in main] == [{"r1", "r2"}, {"r3", "r4"}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ablation_model": "gmvae-z3-h3"}, "ablation_model names gmvae-z3-h3"),
        ({"ablation_components": 7}, "ablation_components is 7"),
        ({"training_cells": [50]}, "expected more than the 50 principal components, found 50"),
        ({"protocols": ["as-wished"]}, "comparison.protocols.0: .*found 'as-wished'"),
    ],
)
def test_contradictions_are_refused(changes, said):
    from latentcell.errors import InputError

    with pytest.raises(InputError, match=said):
        parse_settings(CONFIG | {"comparison": CONFIG["comparison"] | changes})
