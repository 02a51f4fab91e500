"""The models of `bench/shorter_training.py` are those of the package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import shorter_training

from latentcell.config.settings import VaeSettings, parse_settings


def test_the_controlled_model_is_that_of_the_protocol():
    found = VaeSettings(**shorter_training.MODELS["controlled"])
    assert found == parse_settings({"protocol": "controlled"}).vae
