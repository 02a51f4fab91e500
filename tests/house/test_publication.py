"""Files that other sites read: GitHub's workflow, CITATION.cff, the catalog of workflows."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from latentcell import __version__

ROOT = Path(__file__).parents[2]
# Required and allowed keys of the Citation File Format 1.2.0.
REQUIRED = {"cff-version", "message", "title", "authors"}
ALLOWED = REQUIRED | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "preferred-citation", "references", "repository"),
    *("repository-artifact", "repository-code", "type", "url", "version"),
}


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_github_runs_what_is_checked_here():
    workflow = read(".github/workflows/ci.yml")
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML reads `on` as true.
    (job,) = workflow["jobs"].values()
    assert job["runs-on"] == "ubuntu-latest"
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert len(used) == 2
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action) for action in used)


def test_the_python_of_github_is_the_one_of_the_environment():
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    (version,) = (step["with"]["python-version"] for step in job["steps"] if "with" in step)
    environment = read("envs/latentcell.yaml")["dependencies"]
    assert f"python={version}" in environment
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={version}"


def is_author(author):
    return bool(author.get("name") or author.get("family-names"))


def test_the_citation_is_of_format_1_2():
    citation = read("CITATION.cff")
    assert set(citation) >= REQUIRED
    assert set(citation) <= ALLOWED
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert citation["authors"]
    assert all(map(is_author, citation["authors"]))
    assert all(isinstance(citation[key], str) for key in ("message", "title", "version"))
    for reference in citation["references"]:
        assert set(reference) >= {"authors", "title", "type"}
        assert reference["authors"]
        assert all(map(is_author, reference["authors"]))
        assert isinstance(reference.get("year", 0), int)
        # The study itself is not dated.
        assert "year" in reference or "repository-code" in reference


def test_the_citation_is_of_this_version_and_licence():
    citation = read("CITATION.cff")
    assert citation["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])


def test_the_catalog_of_snakemake_workflows_finds_what_it_asks_for():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert usage["software-stack-deployment"] == {"conda": True, "report": True}
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml", "LICENSE"):
        assert (ROOT / name).is_file(), name
    text = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in text
    assert "workflow" in text


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda p: p.name
)
def test_every_rule_with_a_script_has_an_environment(path):
    """With `--sdm conda`, which the catalog shows, each job finds its libraries."""
    rules = re.split(r"^(?:rule|checkpoint) ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for rule in rules[1:]:
        if re.search(r"^    script:", rule, re.MULTILINE):
            assert re.search(r"^    conda:", rule, re.MULTILINE), rule.split(":")[0]
