"""Known types: their shares, and methods that use them."""

import pytest

from latentcell.config.settings import parse_settings
from latentcell.runtime.errors import InputError

SEMI = {"kind": "semi-gmvae", "latent_dim": 2, "hidden_units": 3}
GUIDED = {"grid": {"models": [SEMI]}, "vae": {"labelled_share": 0.5}}


def test_by_default_all_types_are_known_and_guide_no_model():
    settings = parse_settings({})
    assert (settings.labels.share, settings.labels.seed) == (1, 1)
    assert settings.vae.labelled_share == 0
    assert settings.comparison.labelled_shares == []
    assert [model.kind for model in settings.models()] == ["gmvae"]


def test_shares_may_be_asked_for():
    shares = [0.01, 0.5]
    settings = parse_settings(GUIDED | {"comparison": {"labelled_shares": shares}})
    assert settings.comparison.labelled_shares == shares
    assert [str(model) for model in settings.models()] == ["semi-gmvae-z2-h3"]
    assert parse_settings({"labels": {"share": 0.05}}).labels.share == 0.05


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"labels": {"share": 0.0}}, r"labels\.share: .*greater than 0, found 0"),
        ({"labels": {"share": 1.2}}, r"labels\.share: .*less than or equal to 1, found 1\.2"),
        ({"labels": {"shares": [0.1]}}, r"labels\.shares is not a known key"),
        ({"comparison": {"labelled_shares": [0.0]}}, r"labelled_shares\.0: .*greater than 0, fo"),
        ({"comparison": {"labelled_shares": [1.0]}}, r"labelled_shares\.0: .*less than 1, found 1"),
        ({"comparison": {"labelled_shares": [0.1, 0.1]}}, "labelled_shares must differ"),
        (
            {"comparison": {"labelled_shares": [0.5, 0.1]}, "labels": {"share": 0.1}},
            r"labelled_shares: expected shares other than labels\.share, .* found 0\.1",
        ),
        (
            {"comparison": {"labelled_shares": [0.1]}, "latents": {"cells": "own"}},
            "comparison.labelled_shares: expected .* found other values in section latents",
        ),
        (
            {"grid": {"models": [SEMI]}},
            "semi-gmvae-z2-h3 needs vae.components: labels and vae.labe",
        ),
        (
            GUIDED | {"vae": {"components": 4}},
            "semi-gmvae-z2-h3 needs .* found 4 and 0",
        ),
        (
            {"vae": {"components": 4, "labelled_share": 0.5}},
            "vae: labelled_share needs components: labels",
        ),
        (
            {"labels": {"share": 0.5}, "grid": {"representations": ["scanvi-z10"]}},
            "labels.share: expected every type to be known to scanvi-z10",
        ),
        (
            {
                "comparison": {"labelled_shares": [0.5]},
                "grid": {"representations": ["raw", "scanvi-z10"]},
            },
            "comparison.labelled_shares: expected every type to be known to scanvi-z10",
        ),
    ],
)
def test_shares_that_cannot_be_had_are_refused(config, said):
    with pytest.raises(InputError, match=said):
        parse_settings(config)
