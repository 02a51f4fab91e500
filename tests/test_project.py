"""The house: pins, sizes of files, and what the repository says of itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}


def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def test_every_requirement_is_pinned_exactly_and_without_hashes():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert len(wanted) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line) for line in wanted)


def test_every_dependency_of_the_package_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {name.lower().replace("_", "-") for name in names} <= set(pins())


def test_conda_environment_matches_the_pins():
    environment = yaml.safe_load((ROOT / "envs/latentcell.yaml").read_text())
    found = dict(line.split("=") for line in environment["dependencies"])
    assert found.pop("python") == "3.11"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {CONDA_NAMES.get(name, name): version for name, version in found.items()}
    assert set(named) == {name.lower() for name in project["dependencies"]}
    assert named == {name: pins()[name] for name in named}


def test_no_large_file_is_tracked():
    sizes = {path: path.stat().st_size for path in tracked()}
    assert sizes
    assert not {path for path, size in sizes.items() if size > 1_000_000}


def test_scripts_are_thin():
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 70, path.name


def test_no_lower_module_imports_a_higher_one():
    order = ["data", "models", "represent", "classify", "evaluate", "tables", "figures"]
    package = ROOT / "workflow/src/latentcell"
    for rank, name in enumerate(order):
        for path in (package / name).glob("*.py"):
            used = re.findall(r"from latentcell\.(\w+)", path.read_text())
            assert not set(used) & set(order[rank + 1 :]), path
