"""The default run on 1, 2 and 4 cores: the same bytes."""

import os
import shutil
import subprocess
import sys

import pytest

from repository import copy_workflow

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        "LATENTCELL_FAULTS" not in os.environ, reason="takes minutes: make test-faults"
    ),
]
# These hold seconds and memory, or when they were made.
MEASURED = ("report.html", "answer.html")


def default_run(folder, cores):
    """Digests of all results, by name, as the jobs wrote them down."""
    copy_workflow(folder, {})
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [path.read_text().split() for path in folder.glob("results/*/checksums/**/*.sha256")]
    tables = {path: path.read_bytes() for path in folder.glob("results/*/tables/*")}
    shutil.rmtree(folder / "results")
    return {name: digest for digest, name in lines}, {path.name: tables[path] for path in tables}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return default_run(tmp_path_factory.mktemp("default") / "one", 1)


@pytest.mark.parametrize("cores", [2, 4])
def test_the_default_is_the_same_whatever_the_cores(alone, tmp_path, cores):
    digests, tables = default_run(tmp_path / "clone", cores)
    assert len(tables) >= 12
    assert tables == alone[1]
    assert len(digests) > 50
    assert digests.keys() == alone[0].keys()
    differ = {name for name in digests if digests[name] != alone[0][name]}
    assert {name for name in differ if not name.endswith(MEASURED)} == set()
