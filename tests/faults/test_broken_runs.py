"""Runs that are killed, doubled or have no room: the same bytes in the end, or a sentence."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
from lasting import lasting

from repository import TINY, copy_workflow

SMALL = TINY | {
    "subset": {"sizes": [150], "seed": 5},
    "grid": {
        "representations": ["raw", "pca-k2", "pca-k4"],
        "models": [{"latent_dim": 2, "hidden_units": [6, 8]}],
    },
    "vae": {"epochs": 30, "learning_rate": 0.01},
}
SAMPLE = "pbmc68k-sample"
# A script dies once, at a moment of its own, in whatever it is just doing.
DYING = """
import os, pathlib, random, signal, threading


def _die(mark=pathlib.Path(f"killed-{snakemake.rule}")):
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)


try:
    pathlib.Path(f"tried-{snakemake.rule}").touch(exist_ok=False)
    _moment = threading.Timer(random.Random(snakemake.rule).uniform(0, 0.3), _die)
    _moment.daemon = True
    _moment.start()
except FileExistsError:
    pass
"""
KILLS = int(os.environ.get("LATENTCELL_KILLS", "20"))

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        "LATENTCELL_FAULTS" not in os.environ, reason="takes minutes: make test-faults"
    ),
]


def clone(folder):
    return copy_workflow(folder, SMALL)


def command(*targets, cores=2):
    start = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    return [*start, "--rerun-incomplete", "--configfile", "tiny.yaml"]


def run(folder, *targets, cores=2):
    return subprocess.run(
        command(*targets, cores=cores), cwd=folder, capture_output=True, text=True, check=False
    )


def started(folder, log):
    with (folder / log).open("w") as file:
        return subprocess.Popen(
            command(), cwd=folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def kill(process):
    """End a run with all its jobs, as a power cut does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def unlocked(folder):
    """What Snakemake asks for after such an end: run once with --unlock."""
    assert run(folder, "--unlock").returncode == 0
    return folder


def results(folder):
    return lasting(folder / "results/tiny")


def left_over(folder):
    """Unfinished files, but for those that are kept for other runs."""
    found = (folder / "results/tiny").rglob("*")
    return [path for path in found if path.name.startswith((".", "unfinished-"))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("undisturbed"))
    begun = time.monotonic()
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return results(folder), time.monotonic() - begun


def test_killed_at_random_moments(undisturbed, tmp_path):
    folder = clone(tmp_path / "killed")
    moments, killed = random.Random(7), 0
    while killed < KILLS:
        process = started(folder, "log")
        try:
            process.wait(moments.uniform(2, undisturbed[1] / 2))
        except subprocess.TimeoutExpired:
            kill(process)
            killed += 1
            unlocked(folder)
        else:
            assert process.returncode == 0, (folder / "log").read_text()
            shutil.rmtree(folder / "results")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(folder) == undisturbed[0]
    assert not left_over(folder)


def test_every_rule_is_killed_once(undisturbed, tmp_path):
    folder = clone(tmp_path / "dying")
    for script in (folder / "workflow/scripts").glob("*.py"):
        # Once its imports are done, which take longer than most of the work.
        text = script.read_text()
        assert text.count("\nwith job(snakemake") == 1, script
        script.write_text(text.replace("\nwith job(snakemake", f"\n{DYING}\nwith job(snakemake"))
    for _ in range(30):
        done = run(folder, "--keep-going")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    killed = {path.name.removeprefix("killed-") for path in folder.glob("killed-*")}
    tried = {path.name.removeprefix("tried-") for path in folder.glob("tried-*")}
    assert {"import_dataset", "subsample", "represent", "classify", "write_table"} <= tried
    assert len(tried) == 14
    assert len(killed) >= 7, killed
    assert results(folder) == undisturbed[0]
    assert not left_over(folder)


def test_two_runs_in_one_folder(undisturbed, tmp_path):
    folder = clone(tmp_path / "two")
    both = [started(folder, log) for log in ("first", "second")]
    codes = [process.wait(timeout=600) for process in both]
    said = [(folder / log).read_text() for log in ("first", "second")]
    assert 0 in codes, said
    for code, text in zip(codes, said, strict=True):
        assert code == 0 or "Directory cannot be locked" in text, text
    assert results(folder) == undisturbed[0]


@pytest.fixture
def small_disk(tmp_path):
    """A function that puts a disk of so many MB under a folder."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = []

    def mount(folder, megabytes):
        folder.mkdir(parents=True)
        options = f"size={megabytes}m"
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", folder],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip("no small disk can be mounted here")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("megabytes", [1, 2, 3, 4, 5])
def test_a_full_disk_is_named_and_then_room_is_made(undisturbed, tmp_path, small_disk, megabytes):
    folder = clone(tmp_path / "full")
    small_disk(folder / "results", megabytes)
    done = run(folder)
    if done.returncode == 0:
        pytest.fail(f"{megabytes} MB were enough, so that nothing was tried")
    said = done.stdout + done.stderr
    assert "No space left on device" in said, said
    subprocess.run(["mount", "-o", "remount,size=400m", folder / "results"], check=True)
    again = run(folder)
    assert again.returncode == 0, again.stdout + again.stderr
    assert results(folder) == undisturbed[0]
    assert not left_over(folder)


def test_a_disk_that_is_only_read(undisturbed, tmp_path, small_disk):
    folder = clone(tmp_path / "closed")
    small_disk(folder / "results", 400)
    subprocess.run(["mount", "-o", "remount,ro", folder / "results"], check=True)
    done = run(folder)
    assert done.returncode != 0
    assert "Read-only file system" in done.stdout + done.stderr
    subprocess.run(["mount", "-o", "remount,rw", folder / "results"], check=True)
    assert run(folder).returncode == 0
    assert results(folder) == undisturbed[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("finished"))
    assert run(folder).returncode == 0
    return folder


def spoil(path, moments):
    """Flip a bit or cut the end off, and let the time be as it was."""
    content, times = bytearray(path.read_bytes()), path.stat()
    place = moments.randrange(len(content))
    if moments.random() < 0.5:
        content[place] ^= 1 << moments.randrange(8)
    else:
        del content[place:]
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def verify(folder, *arguments):
    command = [sys.executable, "-m", "latentcell.cli", "verify", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def repaired(folder, spoilt):
    """Have changed files named and set aside, and run the command that makes them anew."""
    names = {str(path.relative_to(folder)) for path in spoilt}
    done = verify(folder, "tiny.yaml", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    found = r"(\S+): expected the bytes that its job wrote, found others: moved to \S+"
    assert set(re.findall(found, done.stdout)) == names
    assert not any(path.exists() for path in spoilt)
    last = done.stdout.splitlines()[-1].removeprefix("next")
    again = subprocess.run(
        [sys.executable, "-m", *shlex.split(last)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(path.exists() for path in spoilt)


def test_spoilt_results_are_named_and_made_anew(undisturbed, tmp_path):
    """A file of each name a round; at first, as between steps, the tables are not yet there."""
    folder = clone(tmp_path / "spoilt")
    assert run(folder, f"results/tiny/{SAMPLE}/choice.json").returncode == 0
    moments = random.Random(11)
    for _ in range(2):
        lines = sorted((folder / "results/tiny/checksums").rglob("*.sha256"))
        made = [folder / line.read_text().split("  ")[1].strip() for line in lines]
        kinds = {}
        for path in moments.sample(made, len(made)):
            kinds.setdefault(path.name, path)
        for path in kinds.values():
            spoil(path, moments)
        repaired(folder, list(kinds.values()))
        assert results(folder) == undisturbed[0]
        said = verify(folder, "tiny.yaml")
        assert said.returncode == 0
        assert "files are unchanged" in said.stdout
        again = run(folder, "--dry-run")
        assert "Nothing to be done" in again.stdout + again.stderr


def test_a_job_refuses_a_spoilt_input(finished):
    path = finished / f"results/tiny/{SAMPLE}/n150/r1/pca-k4/features.h5ad"
    before, times = path.read_bytes(), path.stat()
    spoil(path, random.Random(5))
    # No longer found when the workflow is read, only by the job that reads it.
    said = run(finished, "--dry-run")
    assert "Nothing to be done" in said.stdout + said.stderr
    target = f"results/tiny/{SAMPLE}/n150/r1/pca-k4/ffnn/metrics.json"
    done = run(finished, target, "--forcerun", target)
    assert done.returncode != 0
    assert (
        "pca-k4/features.h5ad: expected the bytes that its job wrote" in done.stdout + done.stderr
    )
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = run(finished)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("config.yaml", f"{SAMPLE}/choice.json", f"{SAMPLE}/n150/r1/gmvae-z2-h8/history.csv"),
        *(f"{SAMPLE}/n150/r1/raw/ffnn/model.safetensors", "tables/table3.tex", "answer.html"),
    ],
)
def test_a_spoilt_file_alone_is_made_anew(finished, undisturbed, name):
    """Though all that was made from it is there, or nothing is made from it."""
    path = finished / "results/tiny" / name
    spoil(path, random.Random(name))
    repaired(finished, [path])
    assert results(finished) == undisturbed[0]
    again = run(finished)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_files_from_the_future_and_the_past_change_nothing(undisturbed, tmp_path):
    folder = clone(tmp_path / "clock")
    assert run(folder).returncode == 0
    moments = random.Random(3)
    for path in (folder / "results").rglob("*"):
        if path.is_file():
            when = time.time() + moments.choice([-1, 1]) * moments.uniform(0, 30 * 86400)
            os.utime(path, (when, when))
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(folder) == undisturbed[0]
