"""``latentcell verify``: changed files are listed, and moved aside on request."""

import shlex
from pathlib import Path

import pytest

from latentcell.cli import clone as places
from latentcell.cli import main
from latentcell.runtime.checksums import record

CELLS = "results/mine/pbmc68k/n10/r1/cells.h5ad"
TABLE = "results/mine/tables/table3.csv"
CONFIG = "results/mine/config.yaml"
SETTINGS = "run: mine\ndatasets: [pbmc68k]\nsubset: {sizes: [10]}\n"
FOUND = "expected the bytes that its job wrote, found others"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = {CELLS: "some cells", TABLE: "some,table\n", CONFIG: SETTINGS}
    for name, content in contents.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    record(contents)
    Path("mine.yaml").write_text(SETTINGS)
    Path("Snakefile").write_text("")


def verify(capsys, *arguments):
    status = main(["verify", *arguments])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


@pytest.mark.parametrize("name", ["mine", "mine.yaml"])
@pytest.mark.parametrize("repair", [[], ["--repair"]])
def test_a_run_that_is_whole_has_one_line(capsys, name, repair):
    before = sorted(Path().rglob("*"))
    said = verify(capsys, name, *repair)
    assert said == (0, ["results/mine: all 3 files are unchanged"], "")
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", ["mine", "mine.yaml"])
def test_changed_files_are_named_and_left_alone(capsys, name):
    Path(TABLE).write_text("another table")
    Path(CELLS).write_text("other cells")
    status, lines, _ = verify(capsys, name)
    assert status == 1
    assert lines[:-1] == [f"{CELLS}: {FOUND}", f"{TABLE}: {FOUND}"]
    assert f"latentcell verify --repair {name} " in lines[-1]
    assert Path(TABLE).read_text() == "another table"
    assert not Path("results/mine/changed").exists()


def test_repaired_they_lie_aside_and_the_command_makes_them_anew(capsys):
    Path(CELLS).write_text("other cells")
    status, lines, _ = verify(capsys, "mine.yaml", "--repair")
    aside = "results/mine/changed/pbmc68k/n10/r1/cells.h5ad"
    assert status == 0
    assert lines == [
        f"{CELLS}: {FOUND}: moved to {aside}",
        f"next        snakemake --cores all --configfile mine.yaml --forcerun {CELLS}",
    ]
    assert Path(aside).read_text() == "other cells"
    assert not Path(CELLS).exists()
    assert verify(capsys, "mine")[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        "pbmc68k-sample/dataset.h5ad",
        "pbmc68k/n20/r1/raw/cost.json",
        "pbmc68k/n10/r9/cells.h5ad",
        "pbmc68k/n10/r1/nmf-k5/cost.json",
        "pbmc68k/n10/r1/raw/knn/metrics.json",
        "variants/as-run/pbmc68k/n10/r1/cells.h5ad",
        "figures/pbmc68k-sample/figure2.pdf",
    ],
)
def test_what_the_configuration_no_longer_names_is_not_made_anew(capsys, name):
    file = f"results/mine/{name}"
    Path(file).parent.mkdir(parents=True)
    Path(file).write_text("of an earlier configuration")
    record([file])
    for path in (CELLS, file):
        Path(path).write_text("another content")
    status, lines, _ = verify(capsys, "mine.yaml", "--repair")
    assert status == 0
    assert lines[-1] == f"{file}: not of mine.yaml, which does not make it again"
    assert shlex.split(lines[-2])[-2:] == ["--forcerun", CELLS]
    assert Path(f"results/mine/changed/{name}").exists()
    Path(file).write_text("another content")
    record([file])
    Path(file).write_text("one more content")
    _, lines, _ = verify(capsys, "mine.yaml", "--repair")
    assert not any(line.startswith("next") for line in lines)


def test_a_renamed_run_is_not_made_anew_with_the_settings_of_another_name(capsys):
    Path("results/mine").rename("results/old")
    path = Path(CELLS.replace("mine", "old"))
    path.write_text("other cells")
    assert verify(capsys, "old")[0] == 1
    status, lines, error = verify(capsys, "old", "--repair")
    assert (status, lines) == (1, [])
    assert "config.yaml: expected the configuration of the run old, found that of mine" in error
    assert path.exists()


def test_a_second_repair_overwrites_nothing(capsys):
    for content in ("first", "second", "third"):
        Path(CELLS).write_text("made anew")
        record([CELLS])
        Path(CELLS).write_text(content)
        assert verify(capsys, "mine", "--repair")[0] == 0
    folder = Path("results/mine/changed/pbmc68k/n10/r1")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "cells.h5ad": "first",
        "cells.h5ad.2": "second",
        "cells.h5ad.3": "third",
    }


def test_in_a_folder_without_a_snakefile_the_command_names_that_of_the_clone(capsys):
    Path("Snakefile").unlink()
    Path(CELLS).write_text("other cells")
    words = shlex.split(verify(capsys, "mine", "--repair")[1][-1])
    assert words[1:4] == ["snakemake", "--snakefile", str(places.clone() / "Snakefile")]
    assert Path(words[3]).is_file()


def test_by_its_name_a_run_is_made_anew_with_the_stored_configuration(capsys):
    Path(CELLS).write_text("other cells")
    _, lines, _ = verify(capsys, "mine", "--repair")
    words = shlex.split(lines[-1])
    assert words[words.index("--configfile") + 1] == CONFIG


def test_a_configuration_that_has_changed_itself_is_not_the_one_to_run(capsys):
    Path(CONFIG).write_text("run: mine\nreplicates: 9\n")
    Path(CELLS).write_text("other cells")
    assert verify(capsys, "mine")[0] == 1
    status, lines, error = verify(capsys, "mine", "--repair")
    assert (status, lines) == (1, [])
    assert f"{CONFIG}: {FOUND}: name your own configuration" in error
    assert Path(CELLS).exists()
    status, lines, _ = verify(capsys, "mine.yaml", "--repair")
    assert status == 0
    assert shlex.split(lines[-1])[-2:] == [CONFIG, CELLS]
    Path(CELLS).write_text("made anew")
    record([CELLS])
    said = verify(capsys, "mine", "--repair")
    assert (said[0], said[1]) == (1, [])
    assert "expected the configuration of the run, found none" in said[2]


def test_elsewhere_it_is_the_clone_that_is_looked_at(capsys, tmp_path, monkeypatch):
    Path(CELLS).write_text("other cells")
    elsewhere = tmp_path / "a folder"
    elsewhere.mkdir()
    (elsewhere / "mine.yaml").write_text(SETTINGS)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(places, "clone", lambda: tmp_path)
    assert verify(capsys, "mine")[0] == 1
    status, lines, _ = verify(capsys, "mine.yaml", "--repair")
    assert status == 0
    words = shlex.split(lines[-1].removeprefix("next"))
    assert words[:3] == ["cd", str(tmp_path), "&&"]
    assert words[words.index("--configfile") + 1] == "a folder/mine.yaml"
    assert Path.cwd() == elsewhere


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other", "results/other: expected the results of a run, found none"),
        ("../results", "expected the results of a run, found none"),
        ("other.yaml", "other.yaml: expected a configuration, a YAML file, found none"),
        ("broken.yaml", "broken.yaml: dataset was replaced by datasets, a list"),
        ("unrun.yaml", "results/unrun: expected the results of a run, found none"),
    ],
)
def test_what_is_no_run_is_refused(capsys, name, said):
    Path("broken.yaml").write_text("dataset: {}\n")
    Path("unrun.yaml").write_text("run: unrun\n")
    status, lines, error = verify(capsys, name)
    assert (status, lines) == (1, [])
    assert said in error
    assert error.count("\n") == 1
