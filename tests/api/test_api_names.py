"""The names of the package: found on first use, and unknown to the jobs of the workflow."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import latentcell as lc
from latentcell.runtime import provenance

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "scanpy", "sklearn", "anndata", "pandas", "scipy", "matplotlib", "numba"}


def loaded(code):
    """Names of heavy libraries that are loaded after some code."""
    code = f"{code}\nimport sys; print(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code", ["import latentcell", "import latentcell as lc; lc.tl; lc.pl; lc.datasets; dir(lc)"]
)
def test_importing_loads_no_library(code):
    assert loaded(code) == set()


def test_a_model_is_found_without_torch():
    assert "torch" not in loaded("import latentcell; latentcell.GMVAE")


def test_names_are_those_of_their_modules():
    assert set(lc._PLACES) | {"__version__"} == set(lc.__all__) <= set(dir(lc))
    assert lc.tl is import_module("latentcell.api.tl")
    assert lc.GMVAE is import_module("latentcell.api.model").GMVAE
    with pytest.raises(AttributeError, match="module 'latentcell' has no attribute 'tools'"):
        lc.tools  # noqa: B018


def test_the_stub_declares_every_name():
    stub = ast.parse((ROOT / "workflow/src/latentcell/__init__.pyi").read_text())
    imported = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    places = lc._PLACES
    assert set(imported) == set(places)
    assert all(places[name] in (module, f"{module}.{name}") for name, module in imported.items())


def test_no_job_runs_again_when_the_api_changes():
    api = ROOT / "workflow/src/latentcell/api"
    scripts = sorted((ROOT / "workflow/scripts").glob("*.py"))
    assert len(scripts) > 10
    for script in scripts:
        assert not [path for path in provenance._reachable(script) if api in path.parents], script
