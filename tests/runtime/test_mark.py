"""The mark of simulated cells: jobs copy it from inputs to outputs; other files do not have it."""

import json
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.figures.style import in_style, new_figure, save
from latentcell.runtime.io import write_csv, write_h5ad, write_json, write_text
from latentcell.runtime.job import job
from latentcell.runtime.mark import SIMULATION_NOTE, any_bears_mark, bears_mark, is_marking, marking

FRAME = pd.DataFrame({"k": [1, 2], "share": [0.5, 0.25]})
SUFFIXES = ["csv", "json", "h5ad"]


def cells():
    table = ad.AnnData(np.eye(3, 2, dtype=np.float32), uns={"dataset": "mine"})
    table.obs_names, table.var_names = list("abc"), list("xy")
    return table


def write_all(folder, simulated):
    with marking(simulated):
        write_csv(folder / "a.csv", FRAME)
        write_csv(folder / "empty.csv", FRAME.iloc[:0])
        write_json(folder / "a.json", {"splits": {}})
        write_h5ad(folder / "a.h5ad", cells())
        write_text(folder / "a.md", "# Title\n")
        write_text(folder / "a.tex", "\\begin{table}\n\\centering\n\\end{table}\n")
        write_text(folder / "a.yaml", "run: mine\n")
        with in_style():
            figure = new_figure(3.5, 6)
            figure.subplots().plot(range(3))
        save(figure, folder / "a")
    return folder


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("marked"), True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("plain"), False)


@pytest.mark.parametrize("name", ["a.csv", "empty.csv", "a.json", "a.h5ad"])
def test_files_that_bear_the_mark_are_known_by_themselves(marked, plain, name):
    assert bears_mark(marked / name)
    assert not bears_mark(plain / name)
    assert any_bears_mark([plain / name, marked / name])


def test_files_of_other_cells_are_what_they_were(plain):
    assert (plain / "a.csv").read_text() == "k,share\n1,0.5\n2,0.25\n"
    assert json.loads((plain / "a.json").read_text()) == {"splits": {}}
    assert list(ad.read_h5ad(plain / "a.h5ad").uns) == ["dataset"]
    assert (plain / "a.md").read_text() == "# Title\n"
    assert (plain / "a.tex").read_text() == "\\begin{table}\n\\centering\n\\end{table}\n"
    assert not [path for path in plain.iterdir() if b"SIMULATED" in path.read_bytes()]


def test_tables_say_so_and_can_be_read_as_ever(marked):
    table = pd.read_csv(marked / "a.csv")
    assert list(table) == ["k", "share", "simulated"]
    pd.testing.assert_frame_equal(table[["k", "share"]], FRAME)
    assert set(table["simulated"]) == {SIMULATION_NOTE}
    assert json.loads((marked / "a.json").read_text()) == {
        "simulated": SIMULATION_NOTE,
        "splits": {},
    }
    assert (marked / "a.md").read_text() == f"**{SIMULATION_NOTE}**\n\n# Title\n"
    begin, line, *_ = (marked / "a.tex").read_text().splitlines()
    assert begin == r"\begin{table}"
    assert SIMULATION_NOTE in line


def test_cells_bear_it_beside_what_they_had(marked):
    found = ad.read_h5ad(marked / "a.h5ad")
    assert dict(found.uns) == {"dataset": "mine", "simulated": SIMULATION_NOTE}
    np.testing.assert_array_equal(found.X, cells().X)


def test_figures_bear_it_across_and_in_their_titles(marked, plain):
    svg = (marked / "a.svg").read_text()
    assert svg.count('id="SIMULATED-') == 2
    for suffix in ("pdf", "png", "svg"):
        assert SIMULATION_NOTE.encode() in (marked / f"a.{suffix}").read_bytes()
    from matplotlib.image import imread

    with_it, without = imread(marked / "a.png"), imread(plain / "a.png")
    assert with_it.shape == without.shape
    # Seen in either half of the figure.
    half = len(without) // 2
    for part in (slice(half), slice(half, None)):
        assert (with_it[part] != without[part]).any(-1).mean() > 0.01


def test_a_figure_does_not_keep_it(tmp_path, plain):
    with in_style():
        figure = new_figure(3.5, 6)
        figure.subplots().plot(range(3))
    with marking(True):
        save(figure, tmp_path / "first")
    save(figure, tmp_path / "second")
    assert (tmp_path / "second.png").read_bytes() == (plain / "a.png").read_bytes()


def test_a_table_that_is_read_and_written_again_has_it_once_and_last(marked, tmp_path):
    again = pd.read_csv(marked / "a.csv").assign(more=1)
    with marking(True):
        write_csv(tmp_path / "again.csv", again)
    assert (tmp_path / "again.csv").read_text().splitlines()[0] == "k,share,more,simulated"
    assert bears_mark(tmp_path / "again.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", "barcode,simulated\na,yes\n"),
        ("labels.csv", "simulated,barcode\nSIMULATED,a\n"),
        ("empty.csv", ""),
        ("latin.csv", b"barcode,type\na,M\xfcller\n"),
        ("list.json", "[1]"),
        ("other.json", '{"simulated": true}'),
        ("broken.h5ad", "no HDF5"),
        ("notes.txt", SIMULATION_NOTE),
    ],
)
def test_other_files_do_not_pass_for_marked_ones(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert not bears_mark(path)
    assert not bears_mark(tmp_path / "absent.h5ad")


@pytest.mark.parametrize("value", [True, {"by": "splatter"}, np.array(["SIMULATED"] * 2), "no"])
def test_what_others_call_simulated_is_not_ours(tmp_path, value):
    table = cells()
    table.uns["simulated"] = value
    write_h5ad(tmp_path / "a.h5ad", table)
    assert not bears_mark(tmp_path / "a.h5ad")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_job_hands_the_mark_of_any_input_on(marked, plain, tmp_path, suffix):
    def run(inputs: list[Path], name: str) -> Path:
        log = str(tmp_path / "rule.log")
        with job(SimpleNamespace(log=[log], threads=1, input=list(map(str, inputs)), output=[])):
            write_csv(tmp_path / name, FRAME)
        return tmp_path / name

    of_both = run([plain / "a.csv", marked / f"a.{suffix}"], "both.csv")
    of_real = run([plain / f"a.{suffix}", marked / "a.yaml"], "real.csv")
    assert bears_mark(of_both)
    assert of_real.read_bytes() == (plain / "a.csv").read_bytes()
    assert not is_marking()
