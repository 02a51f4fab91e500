"""Digests of results: written after a job, checked before it; changed files are moved aside."""

import errno
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from latentcell.runtime.checksums import (
    forget,
    name_changed,
    record,
    recorded,
    require_intact,
    set_changed_aside,
)
from latentcell.runtime.errors import InputError
from latentcell.runtime.job import job

CELLS = "results/mine/n10/r1/cells.h5ad"
LINE = Path("results/mine/checksums/n10/r1/cells.h5ad.sha256")
TABLE = "results/mine/tables/table3.csv"


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in [(CELLS, b"some cells"), (TABLE, b"some,table\n")]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    record([CELLS, TABLE])


def flip(name, position=3):
    """Flip one bit and keep the time stamp."""
    path = Path(name)
    content, times = bytearray(path.read_bytes()), path.stat()
    content[position] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_line_is_what_sha256sum_reads():
    assert LINE.read_text() == f"{hashlib.sha256(b'some cells').hexdigest()}  {CELLS}\n"
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum here")
    check = ["sha256sum", "--check", "--quiet", LINE]
    assert subprocess.run(check, check=False).returncode == 0
    flip(CELLS)
    assert subprocess.run(check, check=False, capture_output=True).returncode == 1


def test_what_is_intact_unknown_or_absent_passes():
    other = Path("results/mine/other.csv")
    other.write_text("no digest")
    own = Path("own.h5ad")
    own.write_text("outside")
    record([own, "results/README.md", "results/mine/never-made.csv"])
    require_intact([CELLS, TABLE, other, own, "results/README.md", "results/mine/never-made.csv"])
    assert set_changed_aside("mine") == {}
    assert set_changed_aside("never-run") == {}
    assert (recorded("mine"), recorded("never-run")) == (2, 0)
    assert sorted(Path().rglob("*.sha256")) == [LINE, LINE.parents[2] / "tables/table3.csv.sha256"]


@pytest.mark.parametrize(
    "spoil", [flip, lambda name: os.truncate(name, 4), lambda name: os.truncate(name, 0)]
)
def test_what_was_changed_is_named_then_set_aside(spoil):
    spoil(CELLS)
    spoilt = Path(CELLS).read_bytes()
    with pytest.raises(InputError, match=rf"{CELLS}: expected the bytes .* verify --repair \w+`$"):
        require_intact([TABLE, CELLS])
    assert name_changed("mine") == [CELLS]
    assert set_changed_aside("mine") == {CELLS: "results/mine/changed/n10/r1/cells.h5ad"}
    assert Path("results/mine/changed/n10/r1/cells.h5ad").read_bytes() == spoilt
    assert not Path(CELLS).exists()
    assert Path(TABLE).exists()
    assert set_changed_aside("mine") == {}
    assert name_changed("mine") == []
    assert recorded("mine") == 1
    Path(TABLE).unlink()
    assert recorded("mine") == 0


def test_nothing_that_was_set_aside_is_overwritten():
    contents = ["first", "second", "third"]
    places = []
    for content in contents:
        Path(CELLS).write_text(content)
        places += set_changed_aside("mine").values()
        Path(CELLS).write_text("made anew")
        record([CELLS])
    assert [Path(place).read_text() for place in places] == contents
    assert len(set(places)) == 3
    assert name_changed("mine") == []
    assert len(list(LINE.parent.iterdir())) == 1


def test_a_file_is_set_aside_on_another_disk(monkeypatch):
    def rename(source, _):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))

    monkeypatch.setattr(os, "rename", rename)
    flip(CELLS)
    ((_, aside),) = set_changed_aside("mine").items()
    assert Path(aside).read_bytes() != b"some cells"
    assert not Path(CELLS).exists()


def test_a_line_that_was_changed_makes_its_file_anew():
    LINE.write_bytes(b"\xff\xfe")
    assert list(set_changed_aside("mine")) == [CELLS]


def test_a_file_that_is_being_written_is_left_alone():
    """Its job has deleted the digest, whatever file has the name."""
    forget([CELLS])
    flip(CELLS)
    require_intact([CELLS])
    assert set_changed_aside("mine") == {}


def a_job(tmp_path):
    return SimpleNamespace(
        log=[str(tmp_path / "log")], threads=1, input=[CELLS], output=["results/mine/made.csv"]
    )


def test_a_job_writes_digests_down_when_it_has_ended_well(tmp_path):
    line = Path("results/mine/checksums/made.csv.sha256")
    for content in ("one", "two"):
        with job(a_job(tmp_path)):
            assert not line.exists()
            Path("results/mine/made.csv").write_text(content)
        assert line.read_text().startswith(hashlib.sha256(content.encode()).hexdigest())
    with pytest.raises(ZeroDivisionError), job(a_job(tmp_path)):
        1 / 0  # noqa: B018
    assert not line.exists()


def test_a_job_refuses_an_input_that_was_changed(tmp_path, capfd):
    flip(CELLS)
    worked = []
    with pytest.raises(SystemExit) as ended, job(a_job(tmp_path)):
        worked.append(True)
    assert ended.value.code == 1
    assert not worked
    assert f"latentcell: {CELLS}: expected the bytes" in (tmp_path / "log").read_text()
