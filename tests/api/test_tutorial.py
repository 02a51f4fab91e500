"""The tutorial runs as a script, and the page shows its lines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "notebooks/tutorial.py"


def test_the_tutorial_runs_as_a_script(tmp_path):
    # It takes about 20 s of one core; the limit is for machines with much else to do.
    done = subprocess.run(
        [sys.executable, str(TUTORIAL)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    *_, accuracy = done.stdout.split()
    assert 0.7 < float(accuracy) < 1
    assert "(700, 10)" in done.stdout
    assert "\nTrue\n" in done.stdout  # The loaded model gives the same latents.
    assert (tmp_path / "gmvae.safetensors").exists()


def blocks():
    page = (DOCS / "notebook.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def code_of_the_tutorial():
    lines = TUTORIAL.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith(("#", "print("))]
    return "\n".join(kept)


@pytest.mark.parametrize("block", blocks())
def test_the_page_shows_lines_of_the_tutorial(block):
    lines = [line for line in block.splitlines() if line]
    assert "\n".join(lines) in code_of_the_tutorial()


def test_the_page_leaves_no_line_out():
    shown = {line for block in blocks() for line in block.splitlines()}
    assert set(code_of_the_tutorial().splitlines()) <= shown
