"""Every command on the pages is understood by the program that it calls.

``make`` is run with -n, ``snakemake`` plans its jobs, ``latentcell`` reads its arguments, scripts
exist. What needs a cluster, or a file of the reader's, is read and not run.
"""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

import forked
from latentcell.cli import COMMANDS, parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("make", "latentcell", "snakemake", "python", "pip")
_START = rf"(?:{'|'.join(PROGRAMS)}) "
# Of the reader's own, or of a cluster.
ELSEWHERE = ("mine.yaml", "pbmc.yaml", "kubernetes", "slurm", "--unlock", "...")
# What a plan says where the data of a configuration are not on this machine.
NO_DATA = "expected the data of the config, found no file"


def commands(text: str) -> set[str]:
    """Commands in indented and fenced blocks and in code within sentences, without comments."""
    whole = re.sub(r"\\\n\s*", "", text)
    blocks = re.findall(rf"^(?:    +)?({_START}.*)$", whole, re.MULTILINE)
    fenced = "".join(re.findall(r"^```.*?\n(.*?)^```$", whole, re.DOTALL | re.MULTILINE))
    lines = {line for line in blocks if f"    {line}" in whole or line in fenced}
    spoken = re.findall(rf"(?<!`)`({_START}[^`]+)`", whole)
    return {" ".join(re.split(r"\s+#", one)[0].split()) for one in (*lines, *spoken)}


FOUND = sorted({command for page in PAGES for command in commands(page.read_text("utf-8"))})


@cache
def snakemake_help() -> str:
    """What `snakemake --help` prints."""
    return subprocess.run(
        [forked.python(), "-m", "snakemake", "--help"], capture_output=True, text=True, check=True
    ).stdout


def of(program: str) -> list[str]:
    return [command for command in FOUND if command.split()[0] == program]


def test_commands_are_found_in_blocks_and_sentences() -> None:
    text = "Call `make run`.\n\n    latentcell check a \\\n      --force    # why\n\n"
    text += "```\npip x\n```\nmake y\n"
    assert commands(text) == {"make run", "latentcell check a --force", "pip x"}
    assert "make run" in FOUND
    assert len(FOUND) > 60
    assert {command.split()[0] for command in FOUND} == set(PROGRAMS)


@pytest.mark.parametrize("command", of("make"))
def test_make_knows_its_target(command: str, tmp_path: Path) -> None:
    # Its own place for .venv, as -n runs no recipe but checks what they need.
    words = shlex.split(command)
    done = subprocess.run(
        [words[0], "-n", f"VENV={tmp_path}", *words[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in re.findall(r"config/\S+\.yaml", command):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("target", ["run", "study", "verify"])
def test_make_takes_a_configuration_with_a_space_in_its_name(target: str, tmp_path: Path) -> None:
    command = ["make", "-n", f"VENV={tmp_path}", target, "CONFIG=my cells.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "cells.yaml" in line]
    assert lines
    assert all("my cells.yaml" in shlex.split(line) for line in lines)


def test_make_clean_empties_a_results_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk/run/tables").mkdir(parents=True)
    (tmp_path / "disk/README.md").touch()
    (tmp_path / "results").symlink_to("disk")
    subprocess.run(["make", "-f", ROOT / "Makefile", "clean"], cwd=tmp_path, check=True)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["README.md"]


@pytest.mark.parametrize("command", of("latentcell"))
def test_latentcell_understands_its_arguments(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, *words = shlex.split(command)
    if words[0] in COMMANDS and len(words) == 1:
        return  # a name within a sentence
    if words[0].startswith("--"):
        with pytest.raises(SystemExit) as left:
            parser().parse_args(words)
        assert left.value.code == 0, capsys.readouterr().err
    else:
        parser().parse_args(words)
    for name in re.findall(r"config/\S+\.yaml", command):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("command", of("snakemake"))
def test_snakemake_plans_its_jobs(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    if any(name in command for name in ELSEWHERE):
        known = snakemake_help()
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        plugged = {one for one in options if one.startswith(("--kubernetes", "--slurm", "--s3"))}
        assert all(one in known for one in options - plugged)
        return
    for name in re.findall(r"config/\S+\.yaml", command):
        assert (ROOT / name).is_file()
    if "--cores" not in words:
        words += ["--cores", "1"]
    done = subprocess.run(
        [forked.python(), "-m", *words, "-n", "--quiet", "all", "--nolock"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    # Data that the page makes or fetches before may be missing here; all else was understood.
    said = done.stdout + done.stderr
    assert done.returncode == 0 or NO_DATA in said, said


@pytest.mark.parametrize("command", of("python"))
def test_scripts_exist(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).is_file() or words[1] == "-m"


@pytest.mark.parametrize("command", of("pip"))
def test_requirements_exist(command: str) -> None:
    words = shlex.split(command)
    for place, word in enumerate(words):
        if word in ("-r", "--requirement"):
            assert (ROOT / words[place + 1]).is_file()
    assert words[1] in ("install", "freeze")
