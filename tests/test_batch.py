import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from latentcell.batch import Part, run_parts
from latentcell.errors import InputError
from latentcell.io import write_text
from latentcell.progress import say

AT_ONCE = [1, 2]


def make_parts(folder, fails=None, names="abc"):
    def part(name):
        file = folder / name / "result.txt"

        def work(part):
            with (folder / "begun").open("a") as log:
                log.write(name)
            say(f"first\nof {name}")
            if fails and name in fails:
                fails[name](part)
            write_text(part.at(file), f"result of {name}")

        return Part(name, (file,), f"identity of {name}", work)

    return [part(name) for name in names]


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.txt"))
    }


def begun(folder):
    return sorted((folder / "begun").read_text())


def refuse(part):
    raise InputError("expected more, found less")


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_every_part_is_done_and_named_in_the_log(tmp_path, capfd, at_once):
    run_parts(make_parts(tmp_path), at_once)
    assert results(tmp_path) == {f"{name}/result.txt": f"result of {name}" for name in "abc"}
    lines = capfd.readouterr().err.splitlines()
    for name in "abc":
        assert f"{name} | first" in lines
        assert f"{name} | of {name}" in lines
    assert any(line.startswith("3 models: 3 of 3") for line in lines)


def test_a_single_part_has_a_plain_log(tmp_path, capfd):
    run_parts(make_parts(tmp_path, names="a"), 2)
    assert capfd.readouterr().err.splitlines() == ["first", "of a"]


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_a_failing_part_is_named_and_the_others_survive(tmp_path, at_once):
    with pytest.raises(InputError, match=r"^a: expected more, found less$"):
        run_parts(make_parts(tmp_path, {"a": refuse}), at_once)
    assert begun(tmp_path) == ["a", "b", "c"]
    assert not list(tmp_path.glob("*/result.txt"))
    assert len(list(tmp_path.glob("*/unfinished-*/result.txt"))) == 2
    run_parts(make_parts(tmp_path), at_once)
    assert begun(tmp_path) == ["a", "a", "b", "c"]
    assert results(tmp_path) == {f"{name}/result.txt": f"result of {name}" for name in "abc"}


def test_each_is_in_a_process_of_its_own_if_they_are_to_be_kept_apart(tmp_path):
    def work(part):
        write_text(part.at(part.files[0]), str(os.getpid()))

    for apart in (False, True):
        files = [tmp_path / f"{apart}{number}/result.txt" for number in (1, 2)]
        run_parts([Part(str(file), (file,), "same", work) for file in files], 1, apart=apart)
        processes = {int(file.read_text()) for file in files} | {os.getpid()}
        assert len(processes) == (3 if apart else 1)


def test_all_that_failed_are_named(tmp_path):
    with pytest.raises(InputError) as caught:
        run_parts(make_parts(tmp_path, {"a": refuse, "c": refuse}), 1)
    assert str(caught.value) == "a: expected more, found less; c: expected more, found less"


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_a_fault_of_ours_keeps_its_traceback(tmp_path, capfd, at_once):
    def fault(part):
        raise KeyError("cells")

    with pytest.raises(RuntimeError, match=r"^b: KeyError: 'cells'$"):
        run_parts(make_parts(tmp_path, {"b": fault}), at_once)
    assert "b | Traceback (most recent call last):" in capfd.readouterr().err


def test_a_killed_process_is_a_failure_of_its_part_alone(tmp_path):
    def killed(part):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match=r"^b: its process was killed"):
        run_parts(make_parts(tmp_path, {"b": killed}), 2)
    assert len(list(tmp_path.glob("*/unfinished-*/result.txt"))) == 2


def test_what_depends_on_something_else_is_made_anew(tmp_path):
    with pytest.raises(InputError):
        run_parts(make_parts(tmp_path, {"c": refuse}), 1)
    others = [
        Part(part.name, part.files, f"other {part.name}", part.work)
        for part in make_parts(tmp_path)
    ]
    run_parts(others, 1)
    assert begun(tmp_path) == ["a", "a", "b", "b", "c", "c"]
    assert not list(tmp_path.rglob("unfinished-*"))


def test_processes_end_when_their_parent_is_killed(tmp_path):
    script = textwrap.dedent(
        f"""
        import os, time
        from pathlib import Path
        from latentcell.batch import Part, run_parts

        folder = Path({str(tmp_path)!r})

        def work(part):
            (folder / f"{{part.name}}.pid").write_text(str(os.getpid()))
            time.sleep(600)

        run_parts([Part(name, (folder / name,), name, work) for name in "ab"], 2)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pids = [int(wait_for(tmp_path / f"{name}.pid")) for name in "ab"]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.05)


def wait_for(path: Path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return path.read_text()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
