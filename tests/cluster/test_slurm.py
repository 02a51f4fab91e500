"""The workflow on a real Slurm of one node: `make test-cluster`."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

import forked
from repository import TINY, copy_workflow

# Hidden units of a model: its job is cancelled, runs out of time, is preempted.
KILLED, SLOW, PREEMPTED = UNITS = ("6", "8", "10")
SMALL = TINY | {
    "subset": {"sizes": [150], "seed": 5},
    "grid": {
        "representations": ["raw", "pca-k2"],
        "models": [{"latent_dim": 2, "hidden_units": list(map(int, UNITS))}],
    },
    "vae": {"epochs": 300, "learning_rate": 0.01},
}
CELLS = "results/tiny/pbmc68k-sample/n150/r1"
TABLES = [f"results/tiny/tables/{name}.csv" for name in ("table3", "table5")]
# The first try of the slow model has a minute, and takes longer.
SLEEP = f"""
import os, pathlib, time

units = snakemake.wildcards.hidden_units
pathlib.Path(f"gpu-{{units}}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
if units == "{SLOW}" and not pathlib.Path("slept").exists():
    pathlib.Path("slept").touch()
    time.sleep(300)
"""
SHORT = f"train_vae:runtime=1 if wildcards.hidden_units == '{SLOW}' and attempt == 1 else 5"
# This Slurm keeps no accounts, by which jobs are followed elsewhere.
NO_ACCOUNTING = [
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"),
    *("--slurm-status-command", "squeue"),
]

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(
        "LATENTCELL_SLURM" not in os.environ, reason="starts a Slurm: make test-cluster"
    ),
]


@pytest.fixture(scope="module")
def slurm():
    # Not below pytest's folder, which no user but its own may enter.
    folder = Path(tempfile.mkdtemp(prefix="latentcell-slurm-"))
    folder.chmod(0o755)
    script = Path(__file__).with_name("slurm.sh")
    started = subprocess.run([script, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode == 3:
        shutil.rmtree(folder)
        pytest.skip(started.stdout.strip())
    assert started.returncode == 0, started.stdout + started.stderr
    yield
    subprocess.run([script, "stop", folder], check=True)
    shutil.rmtree(folder)


def clone(folder):
    copy_workflow(folder, SMALL)
    # A checkpoint after each epoch, as these take no half a minute.
    module = folder / "workflow/src/latentcell/models/checkpoint.py"
    text = module.read_text()
    assert "seconds: float = 30.0" in text
    module.write_text(text.replace("seconds: float = 30.0", "seconds: float = 0.0"))
    return folder


def started(folder, *arguments, python=sys.executable):
    command = [python, "-m", "snakemake", *TABLES, *arguments]
    command += ["--configfile", "tiny.yaml"]
    log = (folder / "snakemake.log").open("w")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)


def jobs():
    """Everything that Slurm knows of its jobs, the oldest first."""
    said = subprocess.run(
        ["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=False
    ).stdout
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in said.splitlines()]
    return sorted((job for job in found if "JobId" in job), key=lambda job: int(job["JobId"]))


def told(job):
    """Rule of a job, as Slurm was told."""
    return re.sub("^rule_|_wildcards_.*", "", job["Comment"])


def of_model(units, known):
    """Jobs that train the model of so many hidden units, the oldest first."""
    # Wildcards without a value, such as the preset, leave a dash at the end.
    name = f"rule_train_vae_wildcards_.*_gmvae_2_{units}_*$"
    return [job for job in known if re.match(name, job["Comment"])]


def interrupt_once_they_have_checkpoints(folder, run):
    """Cancel one training that is on its way, and have another requeued, as preemption does."""
    commands = {KILLED: ["scancel"], PREEMPTED: ["scontrol", "requeue"]}
    until = time.monotonic() + 1200
    while commands and time.monotonic() < until and run.poll() is None:
        for units in list(commands):
            model = folder / CELLS / f"gmvae-z2-h{units}"
            if list(model.glob("unfinished-*/checkpoint.safetensors")):
                (job,) = of_model(units, jobs())
                subprocess.run([*commands.pop(units), job["JobId"]], check=True)
        time.sleep(0.2)
    assert not commands, (folder / "snakemake.log").read_text()


@pytest.fixture(scope="module")
def finished(slurm, tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("slurm"))
    script = folder / "workflow/scripts/train_vae.py"
    script.write_text(SLEEP + script.read_text())
    run = started(
        folder,
        *("--profile", "profiles/slurm", "--workflow-profile", "profiles/gpu"),
        *("--set-resources", SHORT, *NO_ACCOUNTING),
    )
    here = clone(tmp_path_factory.mktemp("here"))
    beside = started(here, "--cores", "1", python=forked.python())
    try:
        interrupt_once_they_have_checkpoints(folder, run)
        codes = [process.wait(timeout=2400) for process in (run, beside)]
        # Slurm sees the end of a job a little later than Snakemake.
        time.sleep(1)
    finally:
        for process in (run, beside):
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)
    said = "".join((where / "snakemake.log").read_text() for where in (folder, here))
    assert codes == [0, 0], said
    return folder, here, jobs()


@pytest.mark.skipif(
    "LATENTCELL_FAULTS" not in os.environ, reason="takes minutes: LATENTCELL_FAULTS=1"
)
def test_the_default_run_has_the_same_tables(slurm, tmp_path):
    options = {
        "there": ["--profile", "profiles/slurm", *NO_ACCOUNTING],
        "here": ["--cores", "2"],
    }
    tables = {}
    for name, option in options.items():
        folder = copy_workflow(tmp_path / name, {})
        command = [sys.executable, "-m", "snakemake", *option]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        found = (folder / "results/sample/tables").iterdir()
        tables[name] = {path.name: path.read_bytes() for path in found}
    assert len(tables["here"]) >= 12
    assert tables["there"] == tables["here"]


def test_tables_are_the_same_bytes_as_on_one_machine(finished):
    there, here = (
        {path.name: path.read_bytes() for path in (folder / "results/tiny/tables").iterdir()}
        for folder in finished[:2]
    )
    assert len(here) == 2 * 4
    assert there == here


def test_the_grid_has_the_same_bytes_as_on_one_machine(finished):
    there, here = (
        {
            str(path.relative_to(folder / CELLS)): path.read_bytes()
            for path in (folder / CELLS).rglob("*")
            if path.is_file() and path.name != "cost.json"
        }
        for folder in finished[:2]
    )
    # Cells, three models, two representations, a classifier on these and on the chosen model.
    assert len(here) == 1 + 3 * 4 + 2 * 2 + 3 * 5
    assert there == here


def went_on_after(folder, units):
    """Epoch after which the last try of a training went on; None where it began anew."""
    log = folder / f"results/tiny/logs/pbmc68k-sample/n150/r1/gmvae-z2-h{units}.log"
    found = re.search(rf"gmvae-z2-h{units}: goes on after epoch (\d+)", log.read_text())
    return int(found[1]) if found else None


def test_a_cancelled_training_goes_on_from_its_checkpoint(finished):
    folder, here, known = finished
    killed, again = of_model(KILLED, known)
    assert (killed["JobState"], again["JobState"]) == ("CANCELLED", "COMPLETED")
    assert 1 <= went_on_after(folder, KILLED) < SMALL["vae"]["epochs"]
    assert went_on_after(here, KILLED) is None
    assert megabytes(again) > megabytes(killed) > 1000


def test_a_preempted_training_goes_on_under_its_own_number(finished):
    folder, _, known = finished
    (job,) = of_model(PREEMPTED, known)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert 1 <= went_on_after(folder, PREEMPTED) < SMALL["vae"]["epochs"]


def test_a_job_out_of_time_is_sent_again_with_more(finished):
    first, again = of_model(SLOW, finished[2])
    assert (first["JobState"], again["JobState"]) == ("TIMEOUT", "COMPLETED")
    assert (first["TimeLimit"], again["TimeLimit"]) == ("00:01:00", "00:05:00")
    assert megabytes(again) > megabytes(first)


def megabytes(job):
    number, unit = re.fullmatch(r"([\d.]+)([MG])", job["MinMemoryNode"]).groups()
    return float(number) * (1024 if unit == "G" else 1)


def test_those_that_train_models_ask_for_a_gpu_and_no_others(finished):
    folder, _, known = finished
    asking = [
        job["JobId"] for job in known if "gres/gpu" in job.get("TresPerJob", "").replace(":", "/")
    ]
    assert asking == [job["JobId"] for job in known if told(job) == "train_vae"]
    assert len(asking) == 3 + 2
    assert {(folder / f"gpu-{units}").read_text() for units in UNITS} <= {"0", "1", "2"}


def test_nothing_else_is_sent_and_nothing_twice(finished):
    assert Counter(map(told, finished[2])) == {
        "import_dataset": 1,
        "subsample": 1,
        "train_vae": 3 + 2,
        "represent": 2,
        "classify": 3,
        "collect_records": 2,
        "write_table": 2,
    }


def test_neither_locks_nor_halves_are_left(finished):
    folder = finished[0]
    assert not list((folder / "results").rglob("unfinished-*"))
    hidden = {path.name for path in (folder / "results").rglob(".*")}
    assert hidden == {".reuse", ".locks"}
    assert not list((folder / ".snakemake").glob("locks/*"))
    assert not [path for path in folder.rglob("*") if path.suffix in (".lock", ".lck")]
