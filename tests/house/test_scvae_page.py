"""The page for users of scVAE names keys that exist, and its examples are valid."""

import re
from pathlib import Path

import pytest
import yaml

from latentcell.config.settings import (
    DatasetSettings,
    GridPoint,
    Settings,
    VaeSettings,
    parse_settings,
)

PAGE = (Path(__file__).parents[2] / "docs/coming-from-scvae.md").read_text(encoding="utf-8")


def keys():
    return sorted(set(re.findall(r"`((?:datasets|grid|split|subset|vae)\.\w+)[:`]", PAGE)))


@pytest.mark.parametrize("key", keys())
def test_keys_exist(key):
    section, name = key.split(".")
    lists = {"datasets": DatasetSettings}
    kind = lists.get(section) or Settings.model_fields[section].annotation
    assert name in kind.model_fields


def test_the_axes_of_models_and_most_keys_are_named():
    assert len(keys()) > 25
    for name in set(GridPoint.model_fields) - {"preset", "seeds"}:
        assert f"`{name}`" in PAGE


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_configuration_and_the_call_ask_for_the_same_model():
    (text,) = blocks("yaml")
    settings = parse_settings(yaml.safe_load(text))
    assert [str(name) for name in settings.grid.model_names()] == ["gmvae-z10-h100"]
    (code,) = blocks("python")
    given = eval(code.replace("lc.tl.gmvae(adata, ", "dict("))
    assert (given.pop("latent_dim"), given.pop("hidden_units")) == (10, 100)
    assert VaeSettings.model_validate(given) == settings.vae
    assert settings.split.method == "scvae"
