"""Protocols differ in the study's confounders and in nothing else."""

import pytest

from latentcell.config.protocols import PROTOCOLS, merge, protocol
from latentcell.config.protocols.confounders import (
    CONFOUNDERS,
    REPORTED,
    confounding,
    with_confounder,
    without_confounder,
)
from latentcell.config.settings import Settings, parse_settings


def flat(config):
    return {
        f"{section}.{key}": value for section, keys in config.items() for key, value in keys.items()
    }


def differing(first, second):
    first, second = flat(first), flat(second)
    return {key for key in first | second if first.get(key) != second.get(key)}


def test_as_run_and_controlled_differ_in_the_confounders_alone():
    keys = [key for confounder in CONFOUNDERS for key in confounder.keys]
    assert len(keys) == len(set(keys)), "a key belongs to two confounders"
    assert differing(protocol("as-run"), protocol("controlled")) == {*keys, *REPORTED}


@pytest.mark.parametrize("confounder", CONFOUNDERS, ids=lambda one: one.name)
def test_a_switch_changes_its_own_keys_alone(confounder):
    for base, switch in (
        ("controlled", with_confounder),
        ("as-run", without_confounder),
    ):
        before = protocol(base)
        after = switch(confounder, before)
        assert differing(before, after) == set(confounder.keys)
        assert before == protocol(base), "the protocol itself was changed"


def test_all_switches_together_lead_from_one_protocol_to_the_other():
    config = protocol("controlled")
    for confounder in CONFOUNDERS:
        config = with_confounder(confounder, config)
    assert differing(config, protocol("as-run")) == set(REPORTED)
    for confounder in CONFOUNDERS:
        config = without_confounder(confounder, config)
    assert differing(config, protocol("controlled")) == set()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_a_valid_configuration_that_says_all_that_it_differs_in(name):
    settings = parse_settings({"protocol": name})
    sections = settings.model_dump(mode="json")
    for full, value in flat(protocol(name)).items():
        section, key = full.split(".")
        assert sections[section][key] == value, full
    missing = set(flat(confounding(name))) - set(flat(protocol(name)))
    # A key that is left out has its default, null.
    assert missing <= {"vae.early_stopping"}


def test_as_run_is_what_the_study_did():
    settings = parse_settings({"protocol": "as-run"})
    assert settings.subset.method == "first"
    assert (settings.latents.cells, settings.latents.split) == ("own", "scvae")
    assert settings.latents.classified == "test"
    assert (settings.split.method, settings.ffnn.split) == ("study", "own")
    assert settings.pca.fit_on == "all"
    assert settings.ffnn.loss == "double-softmax"
    assert (settings.ffnn.shuffle, settings.ffnn.drop_last) == (False, True)
    assert settings.ffnn.keep == "last"
    assert (settings.choice.by, settings.choice.split) == ("ari_clusters", "test")
    preset = Settings.model_validate({"vae": {"preset": "scvae"}}).vae
    assert settings.vae.model_dump(exclude={"preset"}) == preset.model_dump(exclude={"preset"})


def test_what_the_configuration_says_wins():
    grid = {"representations": ["pca-k3"]}
    config = {"protocol": "as-run", "ffnn": {"epochs": 7}, "grid": grid}
    settings = parse_settings(config)
    assert settings.ffnn.epochs == 7
    assert settings.ffnn.loss == "double-softmax"
    assert settings.pca.fit_on == "all"
    assert settings.pca_components() == [3]
    assert config["ffnn"] == {"epochs": 7}


def test_lists_are_replaced_and_neither_side_is_changed():
    base, changes = {"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [3]}, "d": None}
    assert merge(base, changes) == {"a": {"b": [3], "c": 1}, "d": None}
    assert base == {"a": {"b": [1, 2], "c": 1}}
    assert changes == {"a": {"b": [3]}, "d": None}


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="'as-wished' is not a protocol"):
        protocol("as-wished")
