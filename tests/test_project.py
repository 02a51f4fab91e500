"""The house: pins, sizes of files, and what the repository says of itself."""

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}


def pins(file="requirements.txt"):
    lines = (ROOT / file).read_text().splitlines()
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


def test_the_optional_methods_are_pinned_beside_the_others_and_not_anew():
    first, second, *lines = (ROOT / "requirements-methods.txt").read_text().splitlines()
    assert (first[0], second) == ("#", "-r requirements.txt")
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line) for line in lines)
    added = pins("requirements-methods.txt")
    assert len(added) == len(lines)
    assert not set(added) & set(pins())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]["methods"]) <= set(added)


def test_what_the_optional_methods_require_is_what_is_pinned():
    pinned = pins() | pins("requirements-methods.txt")
    checked = 0
    for name in ("celltypist", "lightgbm", "scvi-tools"):
        try:
            required = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed (requirements-methods.txt)")
        assert metadata.version(name) == pinned[name]
        for one in required:
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                version = pinned[one.name.lower().replace("_", "-")]
                assert one.specifier.contains(version, prereleases=True), (name, str(one), version)
                checked += 1
    assert checked > 20


def test_conda_environment_of_the_methods_has_what_the_other_has_and_their_libraries():
    base, more = (
        yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
        for name in ("latentcell", "methods")
    )
    assert more["channels"] == base["channels"]
    added = more["dependencies"][len(base["dependencies"]) :]
    assert more["dependencies"] == base["dependencies"] + added
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["optional-dependencies"]["methods"]
    versions = pins("requirements-methods.txt")
    assert added == [f"{name}={versions[name]}" for name in wanted]


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
    order = [
        *("protocols", "settings", "variants", "data", "models", "represent", "classify"),
        *(
            "evaluate",
            "trainings",
            "annotate",
            "tables",
            "compare",
            "leaderboard",
            "few_labels",
            "figures",
            "report",
            "cli",
        ),
    ]
    package = ROOT / "workflow/src/latentcell"
    for rank, name in enumerate(order):
        for path in [*(package / name).rglob("*.py"), *package.glob(f"{name}.py")]:
            used = re.findall(r"from latentcell\.(\w+)", path.read_text())
            assert not set(used) & set(order[rank + 1 :]), path


@pytest.mark.xdist_group("grouped")
def test_groups_of_tests_stay_on_one_worker(request):
    """With pytest 9.2.0 pytest-xdist 3.8.0 drops the groups: each worker builds every fixture."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests are not distributed by group (--dist loadgroup)")
    assert request.node.nodeid.endswith("@grouped")
