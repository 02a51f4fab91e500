"""Captions of the report: one for every table and figure, valid once filled in."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_doctree
from jinja2 import Environment, StrictUndefined

from latentcell.compare.render import TITLES as COMPARED
from latentcell.figures.catalogue import FIGURES
from latentcell.mark import SIMULATION_NOTE
from latentcell.tables.render import TITLES

REPORT = Path(__file__).parents[2] / "workflow" / "report"
NOTE = {"simulated": SIMULATION_NOTE}
CAPTIONS = ["workflow", *TITLES, *FIGURES, *COMPARED, "claims", "few_labels", "leaderboard"]


def test_every_caption_belongs_to_something() -> None:
    assert sorted(path.stem for path in REPORT.glob("*.rst")) == sorted(CAPTIONS)


@pytest.mark.parametrize("name", CAPTIONS)
@pytest.mark.parametrize("config", [{}, {"run": "mine", "replicates": 7}], ids=["default", "own"])
def test_captions_are_valid_whatever_the_config_leaves_out(
    name: str, config: dict[str, object]
) -> None:
    source = (REPORT / f"{name}.rst").read_text(encoding="utf-8")
    template = Environment(undefined=StrictUndefined).from_string(source)
    text = template.render(snakemake=SimpleNamespace(config=config, wildcards={}))
    # halt_level 2: warnings are errors.
    document = publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})
    assert len(document.astext()) > 50
    marked = template.render(snakemake=SimpleNamespace(config=config | NOTE, wildcards={}))
    assert marked.replace(SIMULATION_NOTE, "") == text
    assert marked.startswith(f"{SIMULATION_NOTE}\n\n")
    if "replicates" in config and "replicate(s)" in text:
        assert "7 replicate(s)" in " ".join(text.split())
