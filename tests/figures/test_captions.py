"""Captions of the report: plain text for every table and figure, and two valid templates."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_doctree
from jinja2 import Environment, StrictUndefined

from latentcell.figures.catalogue import FIGURES
from latentcell.runtime.mark import SIMULATION_NOTE
from latentcell.tables.catalogue import TABLES

REPORT = Path(__file__).parents[2] / "workflow" / "report"
NOTE = {"simulated": SIMULATION_NOTE}
CAPTIONS = [("figure", name, entry.caption) for name, entry in FIGURES.items()]
CAPTIONS += [("table", name, entry.caption) for name, entry in TABLES.items()]


def rendered(template: str, config: dict[str, object], caption: str = "") -> str:
    source = (REPORT / f"{template}.rst").read_text(encoding="utf-8")
    snakemake = SimpleNamespace(config=config, params=SimpleNamespace(caption=caption))
    return Environment(undefined=StrictUndefined).from_string(source).render(snakemake=snakemake)


def read(text: str) -> str:
    """The text of a document in reStructuredText, of which warnings are errors."""
    settings = {"halt_level": 2, "report_level": 2}
    return " ".join(publish_doctree(text, settings_overrides=settings).astext().split())


def test_there_are_two_templates() -> None:
    assert sorted(path.stem for path in REPORT.glob("*.rst")) == ["caption", "workflow"]


@pytest.mark.parametrize(("kind", "name", "caption"), CAPTIONS)
def test_captions_are_plain_text(kind: str, name: str, caption: str) -> None:
    assert len(caption) > 50
    assert caption.endswith(".")
    assert "  " not in caption
    assert not set("{}\n") & set(caption)
    # As it stands: nothing in it is markup.
    assert read(rendered("caption", {}, caption)) == caption


@pytest.mark.parametrize("template", ["caption", "workflow"])
@pytest.mark.parametrize(
    "config", [{}, {"run": "mine", "replicates": 7, "datasets": ["a", {"name": "b"}]}]
)
def test_templates_are_valid_and_bear_the_mark(template: str, config: dict[str, object]) -> None:
    text = rendered(template, config, "A caption.")
    assert read(text)
    marked = rendered(template, config | NOTE, "A caption.")
    assert marked.replace(SIMULATION_NOTE, "") == text
    assert marked.startswith(f"{SIMULATION_NOTE}\n\n")


def test_the_report_names_run_replicates_and_data_sets() -> None:
    assert "run sample with 1 replicate(s) of pbmc68k-sample." in read(rendered("workflow", {}))
    config = {"run": "mine", "replicates": 7, "datasets": ["a", {"name": "b"}, "c"]}
    assert "run mine with 7 replicate(s) of a, b, c." in read(rendered("workflow", config))


def test_every_figure_has_a_title_of_its_own() -> None:
    titles = [entry.title for entry in FIGURES.values()]
    assert len(set(titles)) == len(titles)
    assert all(titles)
