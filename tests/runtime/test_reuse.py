"""Finished files are reused unchanged or not at all."""

import errno
import multiprocessing
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from latentcell.runtime import reuse
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_text
from latentcell.runtime.job import job
from latentcell.runtime.pool import Part, run_parts
from latentcell.runtime.reuse import Store, export_reuse, made_once, shared_store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "kept")


def written(folder, text="as it was"):
    # Names that occur twice, as those of several replicates do.
    files = [folder / replicate / "metrics.json" for replicate in ("r1", "r2")]
    for number, file in enumerate(files):
        write_text(file, f"{text} {number}")
    return files


def entry_of(store):
    (entry,) = entries(store)
    return entry


def entries(store):
    """Return the finished entries, without locks and unfinished ones."""
    return [path for path in store.folder.iterdir() if not path.name.startswith(".")]


def test_what_was_kept_is_taken_with_the_same_bytes(store, tmp_path):
    files = written(tmp_path / "one")
    assert not store.take("identity", written(tmp_path / "none", "mine"))
    store.keep("identity", files)
    taken = [tmp_path / "two" / file.parent.name / file.name for file in files]
    assert store.take("identity", taken)
    assert [file.read_text() for file in taken] == ["as it was 0", "as it was 1"]
    assert not store.take("other identity", taken)


def test_it_takes_no_room_beside_the_run_that_made_it_but_others_get_copies(store, tmp_path):
    files = written(tmp_path / "one")
    store.keep("identity", files)
    for number, file in enumerate(files):
        assert file.samefile(entry_of(store) / f"{number}-metrics.json")
    taken = [tmp_path / "two" / file.parent.name / file.name for file in files]
    store.take("identity", taken)
    # Neither a touch nor an edit of one run reaches the other.
    before = files[0].stat().st_mtime_ns
    os.utime(taken[0], (1, 1))
    taken[0].write_text("edited")
    assert files[0].stat().st_mtime_ns == before
    assert files[0].read_text() == "as it was 0"


def test_what_was_edited_through_its_link_is_not_handed_on(store, tmp_path, capsys):
    files = written(tmp_path / "one")
    store.keep("identity", files)
    files[1].write_text("edited")  # in place: the kept file is the same
    taken = [tmp_path / "two" / file.parent.name / file.name for file in files]
    assert not store.take("identity", taken)
    assert "found 1-metrics.json with another content: computed again" in capsys.readouterr().err
    assert not taken[1].exists()
    # The entry is gone, and the next run creates it again.
    assert list(store.folder.iterdir()) == []
    store.keep("identity", written(tmp_path / "three"))
    assert store.take("identity", taken)


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"files": {}}', '{"files": 3}'])
def test_damaged_digests_are_not_trusted(store, tmp_path, damage):
    files = written(tmp_path / "one")
    store.keep("identity", files)
    (entry_of(store) / "sha256.json").write_text(damage)
    assert not store.take("identity", files)
    assert list(store.folder.iterdir()) == []
    assert [file.read_text() for file in files] == ["as it was 0", "as it was 1"]


@pytest.mark.parametrize("gone", ["1-metrics.json", "sha256.json"])
def test_an_entry_without_a_file_is_computed_and_kept_again(store, tmp_path, gone):
    files = written(tmp_path / "one")
    store.keep("identity", files)
    (entry_of(store) / gone).unlink()
    assert not store.take("identity", files)
    store.keep("identity", files)
    assert store.take("identity", files)


def test_where_links_are_refused_copies_are_kept(store, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr(reuse.os, "link", refuse)
    files = written(tmp_path / "one")
    store.keep("identity", files)
    assert not files[0].samefile(entry_of(store) / "0-metrics.json")
    assert store.take("identity", files)


@pytest.mark.parametrize("name", ["kept", "no name of a file, too long" * 20])
def test_a_store_that_cannot_be_written_fails_no_run(tmp_path, capsys, name):
    blocked = tmp_path / name
    if name == "kept":
        blocked.write_text("a file where the folder should be")
    files = written(tmp_path / "one")
    Store(blocked).keep("identity", files)
    assert "not kept for other runs" in capsys.readouterr().err
    assert not Store(blocked).take("identity", files)


def test_a_full_disk_leaves_no_part_of_an_entry(store, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reuse, "write_json", full)
    store.keep("identity", written(tmp_path / "one"))
    assert "No space left on device" in capsys.readouterr().err
    assert list(store.folder.iterdir()) == []


def test_runs_at_the_same_time_leave_one_whole_entry(store, tmp_path):
    files = [written(tmp_path / str(number)) for number in range(8)]
    start = threading.Barrier(len(files))

    def keep(own):
        start.wait()
        store.keep("identity", own)

    threads = [threading.Thread(target=keep, args=(own,)) for own in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in store.folder.iterdir()] == [entry_of(store).name]
    assert store.take("identity", files[0])


def test_other_libraries_other_entries(store, tmp_path, monkeypatch):
    files = written(tmp_path / "one")
    store.keep("identity", files)
    monkeypatch.setattr(reuse, "_software", lambda: "another torch")
    assert not store.take("identity", files)


@pytest.mark.parametrize("wanted", [True, False])
def test_jobs_are_told_where_it_is(monkeypatch, wanted):
    monkeypatch.setenv("LATENTCELL_REUSE", "")
    reuse.export_reuse(wanted)
    found = shared_store()
    assert (found is not None) == wanted
    assert found is None or str(found.folder) == "results/.reuse"


def test_files_are_made_once(store, tmp_path):
    made = []

    def make_in(folder):
        def make():
            made.append(folder.name)
            written(folder)

        files = [folder / "r1" / "metrics.json", folder / "r2" / "metrics.json"]
        return files, make

    for name, where in (("one", store), ("two", store), ("three", None)):
        files, make = make_in(tmp_path / name)
        made_once("identity", list(map(str, files)), make, where)
        assert [file.read_text() for file in files] == ["as it was 0", "as it was 1"]
    assert made == ["one", "three"]


def parts(folder, letters, begun):
    def part(name):
        file = folder / name / "result.txt"

        def work(part):
            with begun.open("a") as log:
                log.write(name)
            if name == "z":
                raise InputError("expected more, found less")
            write_text(part.at(file), f"result of {name}")

        return Part(name, (file,), f"identity of {name}", work)

    return [part(name) for name in letters]


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_second_run_does_only_what_is_new(store, tmp_path, capfd, at_once):
    begun = tmp_path / "begun"
    run_parts(parts(tmp_path / "one", "abc", begun), at_once, store)
    run_parts(parts(tmp_path / "two", "bcd", begun), at_once, store)
    assert sorted(begun.read_text()) == ["a", "b", "c", "d"]
    said = capfd.readouterr().err
    assert "b | taken from an earlier job" in said
    assert "d | taken" not in said
    for run, letters in (("one", "abc"), ("two", "bcd")):
        for name in letters:
            folder = tmp_path / run / name
            assert [path.name for path in folder.iterdir()] == ["result.txt"]
            assert (folder / "result.txt").read_text() == f"result of {name}"


# Jobs at the same time ---------------------------------------------------------------------------


def need(folder, own, made, entered):
    """A job that needs files another job may be computing; `made` records the job that did."""
    file = folder / own / "result.txt"

    def make():
        with made.open("a") as log:
            log.write(own)
        entered.touch()
        time.sleep(0.5)
        write_text(file, "result")

    made_once("identity", [file], make, Store(folder / "kept"))


def start(work, *arguments):
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def wait_until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_jobs_that_need_the_same_make_it_once(tmp_path):
    made = tmp_path / "made"
    jobs = [start(need, tmp_path, own, made, tmp_path / "entered") for own in "ab"]
    for one in jobs:
        one.join(60)
        assert one.exitcode == 0
    assert made.read_text() in ("a", "b")
    for own in "ab":
        assert (tmp_path / own / "result.txt").read_text() == "result"
    assert len(entries(Store(tmp_path / "kept"))) == 1


def test_one_that_waits_says_so_and_others_do_not_wait(tmp_path, capsys):
    store, release = Store(tmp_path / "kept"), tmp_path / "release"

    def hold():
        with store.turn("identity"):
            (tmp_path / "held").touch()
            wait_until(release.exists)

    holder = start(hold)
    wait_until((tmp_path / "held").exists)
    with store.turn("another identity"):
        assert "waits" not in capsys.readouterr().err
    timer = threading.Timer(0.2, release.touch)
    timer.start()
    with store.turn("identity"):
        assert release.exists()
    assert "waiting for another job that computes the same files" in capsys.readouterr().err
    holder.join(30)
    assert holder.exitcode == 0


def test_a_killed_job_keeps_nobody_waiting(tmp_path):
    made, entered = tmp_path / "made", tmp_path / "entered"
    store = Store(tmp_path / "kept")

    def die_in_turn():
        with store.turn("identity"):
            entered.touch()
            time.sleep(600)

    holder = start(die_in_turn)
    wait_until(entered.exists)
    other = start(need, tmp_path, "b", made, tmp_path / "of b")
    time.sleep(0.3)
    assert not made.exists()  # it is not its turn
    os.kill(holder.pid, signal.SIGKILL)
    other.join(30)
    assert other.exitcode == 0
    assert made.read_text() == "b"
    holder.join()


def test_a_job_that_outlives_its_killed_run_does_not_replace_files_of_the_next(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTCELL_REUSE", "")
    export_reuse(True)
    log, release = tmp_path / "logs/model.log", tmp_path / "release"
    rule = SimpleNamespace(log=["logs/model.log"], threads=1, input=[], output=["history.csv"])

    def outlive():
        with job(rule):
            reuse.say("100 epochs")
            wait_until(release.exists)
            write_text("history.csv", "100 epochs")

    former = start(outlive)
    wait_until(lambda: log.exists() and log.read_text() == "100 epochs\n")
    log.unlink()  # as Snakemake does before it starts a job
    threading.Timer(0.2, release.touch).start()
    with job(rule):
        assert release.exists()
        reuse.say("5 epochs")
        write_text("history.csv", "5 epochs")
    former.join(30)
    assert former.exitcode == 0
    assert capsys.readouterr().err == "waiting for another job that computes the same files\n"
    assert (tmp_path / "history.csv").read_text() == "5 epochs"
    assert log.read_text() == "5 epochs\n"


def test_a_job_that_fails_leaves_its_turn_to_the_next(tmp_path, store):
    def fail():
        raise InputError("expected more, found less")

    with pytest.raises(InputError):
        made_once("identity", [tmp_path / "a/result.txt"], fail, store)
    assert entries(store) == []
    need(tmp_path, "b", tmp_path / "made", tmp_path / "entered")
    assert (tmp_path / "made").read_text() == "b"


def test_locks_that_cannot_be_made_stop_no_job(tmp_path):
    blocked = tmp_path / "kept"
    blocked.write_text("a file where the folder should be")
    with Store(blocked).turn("identity"):
        pass
    need(tmp_path, "a", tmp_path / "made", tmp_path / "entered")
    assert (tmp_path / "a/result.txt").read_text() == "result"


def test_without_a_store_everything_is_done(store, tmp_path):
    begun = tmp_path / "begun"
    run_parts(parts(tmp_path / "one", "ab", begun), 1, store)
    run_parts(parts(tmp_path / "two", "ab", begun), 1)
    assert sorted(begun.read_text()) == ["a", "a", "b", "b"]


def test_what_was_taken_survives_the_failure_of_others(store, tmp_path):
    begun = tmp_path / "begun"
    run_parts(parts(tmp_path / "one", "a", begun), 1, store)
    with pytest.raises(InputError, match=r"^z: expected more"):
        run_parts(parts(tmp_path / "two", "az", begun), 1, store)
    assert list((tmp_path / "two").glob("a/unfinished-*/result.txt"))
    assert sorted(begun.read_text()) == ["a", "z"]
