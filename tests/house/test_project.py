"""The house: pins, sizes of files, and what the repository says of itself."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

from latentcell.config.likelihoods import likelihood_path
from latentcell.config.settings import AnnotateSettings, VaeSettings, density_settings
from latentcell.runtime.provenance import _reachable
from repository import ROOT, TINY, copy_workflow, environment

CONDA_NAMES = {"pytorch": "torch", "python-igraph": "igraph"}


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
    wanted = [Requirement(name) for name in names]
    pinned = pins()
    assert {one.name.lower().replace("_", "-") for one in wanted} <= set(pinned)
    for one in wanted:
        assert one.specifier.contains(pinned[one.name.lower().replace("_", "-")]), one


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
    assert set(named) == {Requirement(one).name.lower() for one in project["dependencies"]}
    assert named == {name: pins()[name] for name in named}


def test_no_large_file_is_tracked():
    sizes = {path: path.stat().st_size for path in tracked()}
    assert sizes
    assert not {path for path, size in sizes.items() if size > 1_000_000}


def test_scripts_are_thin():
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        tree = ast.parse(path.read_text())
        assert len(path.read_text().splitlines()) <= 50, path.name
        # What there is to test is in the package.
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)), path.name


def test_no_lower_module_imports_a_higher_one():
    low_to_high = (
        "runtime config data models represent classify evaluate grid study annotate tables "
        "figures report api cli"
    )
    order = low_to_high.split()
    package = ROOT / "workflow/src/latentcell"
    for rank, name in enumerate(order):
        assert (package / name).is_dir(), name
        for path in (package / name).rglob("*.py"):
            used = re.findall(r"(?:from|import) latentcell\.(\w+)", path.read_text())
            assert not set(used) & set(order[rank + 1 :]), path


def imported_at_once(path):
    """Names of latentcell that a file imports when it is itself imported."""
    waiting = list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def test_no_modules_import_one_another_in_a_circle():
    source = ROOT / "workflow/src"
    files = {}
    for path in (source / "latentcell").rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    # A package that gives on what its files hold is imported before them, and is no circle.
    packages = {name for name, path in files.items() if path.name == "__init__.py"}
    graph = {
        name: {
            used
            for used in imported_at_once(path)
            if used in files and not (used in packages and name.startswith(f"{used}."))
        }
        for name, path in files.items()
    }
    assert len(graph["latentcell.grid.lookup"]) > 5
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def rule_files():
    return {path.name: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}


def test_rules_are_few_and_short():
    files = rule_files()
    lines = {name: len(text.splitlines()) for name, text in files.items()}
    assert sum(lines.values()) < 900
    assert max(lines.values()) < 200, lines
    assert lines["common.smk"] < 150
    text = "\n".join(files.values())
    text += (ROOT / "workflow/Snakefile").read_text()
    rules = re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)
    assert 15 < len(rules) < 25
    assert len(set(rules)) == len(rules)


def test_no_rule_is_made_in_a_loop():
    """A rule is read once, with wildcards: not found again under the names of a loop."""
    for name, text in rule_files().items():
        # A rule without a name, or one that stands below something else, is in a loop.
        assert not re.search(r"^[ \t]+(rule|checkpoint)\b.*:[ \t]*$", text, re.MULTILINE), name
        assert not re.search(r"^(rule|checkpoint)\s*:", text, re.MULTILINE), name
        assert not re.search(r"^[ \t]*use rule", text, re.MULTILINE), name


def test_every_script_is_of_a_rule_and_its_digest_a_parameter():
    text = "\n".join(rule_files().values())
    named = re.findall(r'"\.\./scripts/(\w+\.py)"', text)
    assert sorted(named) == sorted(path.name for path in (ROOT / "workflow/scripts").glob("*.py"))
    assert set(named) <= set(re.findall(r'code=code_of\("(\w+\.py)"\)', text))


@pytest.mark.parametrize("script", ["train_annotator.py", "annotate_query.py"])
def test_digests_of_annotation_hold_the_likelihoods_of_its_models(script):
    """A likelihood is imported by its name, which a digest does not see."""
    models = {density_settings(AnnotateSettings(), 1000).likelihood, VaeSettings().likelihood}
    assert set(map(likelihood_path, models)) <= _reachable(ROOT / "workflow/scripts" / script)


@pytest.mark.xdist_group("grouped")
def test_groups_of_tests_stay_on_one_worker(request):
    """With pytest 9.2.0 pytest-xdist 3.8.0 drops the groups: each worker builds every fixture."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests are not distributed by group (--dist loadgroup)")
    assert request.node.nodeid.endswith("@grouped")


@pytest.fixture(scope="module")
def made_once():
    return ROOT


def test_tests_that_share_a_fixture_stay_on_one_worker(request, made_once):
    assert made_once == ROOT
    assert request.node.get_closest_marker("xdist_group").args == ("test_project",)


def test_other_tests_go_to_any_worker(request, tmp_path_factory):
    assert request.node.get_closest_marker("xdist_group") is None


HITS = """
import numpy as np
from latentcell.models import kernels

zeros = np.zeros(3, np.int64)
kernels.sort_by_gene(zeros, zeros, np.zeros(3, np.float32), 2)
print(kernels.__file__, sum(kernels.sort_by_gene.stats.cache_hits.values()))
"""


def test_copies_of_the_workflow_need_not_compile(tmp_path):
    def called(source):
        place = environment() | {"PYTHONPATH": str(source / "workflow/src")}
        command = [sys.executable, "-c", HITS]
        done = subprocess.run(command, env=place, capture_output=True, text=True, check=True)
        return done.stdout.split()

    called(ROOT)
    path, hits = called(copy_workflow(tmp_path, TINY))
    assert path.startswith(str(tmp_path))
    assert hits == "1"
