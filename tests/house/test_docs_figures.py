"""Images on the pages are those of the kept records."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import docs_figures

# Further fonts, for other scripts, are named where they are installed.
FONT = re.compile(r"font(-family)?: [^;\"]*")
# Ids of clipping regions are digests of their sizes, whose last bits depend on the processor.
REGION = re.compile(r"\bp[0-9a-f]{10}\b")


def comparable(svg: str) -> str:
    """Text of an image without fonts, and with its regions numbered."""
    places: dict[str, str] = {}
    text = FONT.sub("", svg)
    return REGION.sub(lambda found: places.setdefault(found[0], f"region {len(places)}"), text)


@pytest.mark.parametrize("name", docs_figures.FIGURES)
def test_the_image_on_the_page_is_drawn_from_the_kept_record(name: str, tmp_path: Path) -> None:
    kept = (docs_figures.DOCS / f"images/{name}.svg").read_text()
    path = docs_figures.draw(name, tmp_path)
    assert comparable(path.read_text()) == comparable(kept)
