"""What a configuration of few labels has to hold."""

import pytest

from latentcell.errors import InputError
from latentcell.settings import parse_settings

SHARES = {"shares": [0.1]}


def test_by_default_nothing_is_done():
    settings = parse_settings({})
    assert settings.few_labels.shares == []
    assert settings.vae.labelled_share == 0
    assert parse_settings({"few_labels": SHARES}).few_labels.shares == [0.1]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"few_labels": {"shares": [0.0]}}, r"few_labels\.shares\.0: .*greater than 0, found 0"),
        ({"few_labels": {"shares": [1.2]}}, r"less than or equal to 1, found 1\.2"),
        ({"few_labels": {"shares": [0.1, 0.1]}}, "shares must differ"),
        ({"few_labels": {"share": [0.1]}}, r"few_labels\.share is no known key"),
        ({"few_labels": SHARES | {"model": "gmvae-z3-h1"}}, "a GMVAE of the grid, .*gmvae-z3-h1"),
        (
            {
                "grid": [{"kind": "vae", "latent_dim": 2, "hidden_units": 3}],
                "few_labels": SHARES | {"model": "vae-z2-h3"},
            },
            "a GMVAE of the grid, found vae-z2-h3",
        ),
        ({"few_labels": SHARES | {"replicates": 2}}, "at most replicates, 1, found 2"),
        ({"few_labels": SHARES, "vae": {"components": 4}}, "found 4 and 0"),
        ({"few_labels": SHARES, "vae": {"labelled_share": 0.2}}, r"found labels and 0\.2"),
        ({"few_labels": SHARES, "latents": {"cells": "own"}}, "a section latents that says"),
    ],
)
def test_what_cannot_be_compared_is_refused(config, said):
    with pytest.raises(InputError, match=said):
        parse_settings(config)
