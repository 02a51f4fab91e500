"""The default run on 1, 2 and 4 cores: the same bytes."""

import os
import shutil
import subprocess
import sys

import pytest
from lasting import lasting

from repository import copy_workflow

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        "LATENTCELL_FAULTS" not in os.environ, reason="takes minutes: make test-faults"
    ),
]


def default_run(folder, cores):
    """Digests of all results, by name."""
    copy_workflow(folder, {})
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = lasting(folder / "results/sample")
    shutil.rmtree(folder / "results")
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return default_run(tmp_path_factory.mktemp("default") / "one", 1)


@pytest.mark.parametrize("cores", [2, 4])
def test_the_default_is_the_same_whatever_the_cores(alone, tmp_path, cores):
    found = default_run(tmp_path / "clone", cores)
    assert sum(name.startswith("tables/") for name in found) >= 12
    assert sum(name.startswith("checksums/") for name in found) > 100
    assert found == alone
