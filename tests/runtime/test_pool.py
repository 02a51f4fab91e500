import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_text
from latentcell.runtime.pool import Part, run_parts
from latentcell.runtime.progress import say
from latentcell.runtime.reuse import Store

AT_ONCE = [1, 2]


def make_parts(folder, fails=None, names="abc"):
    def part(name):
        file = folder / name / "result.txt"

        def work(part):
            folder.mkdir(exist_ok=True)
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


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_work_that_is_not_published_is_found_by_the_next_job(tmp_path, at_once):
    run_parts(make_parts(tmp_path), at_once, publish=False)
    assert begun(tmp_path) == ["a", "b", "c"]
    assert not list(tmp_path.glob("*/result.txt"))
    parts = make_parts(tmp_path)
    assert all(part.is_done() for part in parts)
    # A job of each, as the models of a pool have.
    for part in parts:
        assert part.at(part.files[0]).read_text() == f"result of {part.name}"
        run_parts([part], 1)
    assert begun(tmp_path) == ["a", "b", "c"]
    assert results(tmp_path) == {f"{name}/result.txt": f"result of {name}" for name in "abc"}
    assert not list(tmp_path.rglob("unfinished-*"))


def test_parts_that_another_job_has_made_are_taken_from_the_store(tmp_path, capfd):
    store = Store(tmp_path / "kept")
    run_parts(make_parts(tmp_path / "one"), 1, store, publish=False)
    run_parts(make_parts(tmp_path / "two"), 1, store)
    assert begun(tmp_path / "one") == ["a", "b", "c"]
    assert not (tmp_path / "two/begun").exists()
    assert "b | taken from an earlier job with the same inputs" in capfd.readouterr().err
    for name in "abc":
        (file,) = (tmp_path / "two" / name).iterdir()
        assert file.read_text() == f"result of {name}"


def test_parts_that_were_done_before_the_store_are_kept_there_too(tmp_path):
    run_parts(make_parts(tmp_path / "one"), 1, publish=False)
    store = Store(tmp_path / "kept")
    run_parts(make_parts(tmp_path / "one"), 1, store)
    run_parts(make_parts(tmp_path / "two"), 1, store)
    assert begun(tmp_path / "one") == ["a", "b", "c"]
    assert not (tmp_path / "two/begun").exists()


def test_parts_of_other_tries_are_discarded(tmp_path):
    (part,) = make_parts(tmp_path, names="a")
    run_parts([part], 1, publish=False)
    other = Part("a", part.files, "another identity", part.work)
    run_parts([other], 1, publish=False)
    assert len(list(tmp_path.glob("a/unfinished-*"))) == 2
    part.discard()
    assert list((tmp_path / "a").iterdir()) == []
    assert not part.is_done()


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


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_a_full_disk_is_no_fault_of_ours(tmp_path, at_once):
    def full(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results/model")

    expected = (
        "^b: results/model: expected to .*, found: No space left on device: make room .*kept$"
    )
    with pytest.raises(InputError, match=expected):
        run_parts(make_parts(tmp_path, {"b": full}), at_once)


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
        from latentcell.runtime.pool import Part, run_parts

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
