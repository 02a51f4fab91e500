"""Images on the pages are those of the kept records."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import docs_figures

# Further fonts, for other scripts, are named where they are installed. The ids of clipping regions
# are digests of their sizes, whose last bits depend on the processor.
VARYING = re.compile(r"font(-family)?: [^;\"]*|\bp[0-9a-f]{10}\b")


@pytest.mark.parametrize("name", docs_figures.FIGURES)
def test_the_image_on_the_page_is_drawn_from_the_kept_record(name: str, tmp_path: Path) -> None:
    kept = (docs_figures.DOCS / f"images/{name}.svg").read_text()
    path = docs_figures.draw(name, tmp_path)
    assert VARYING.sub("", path.read_text()) == VARYING.sub("", kept)
