"""The workflow on a real Slurm of one node: `make test-cluster`."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from repository import copy_workflow

TINY = {
    "run": "tiny",
    "subset": {"sizes": [150], "seed": 5},
    "grid": [{"latent_dim": 2, "hidden_units": [6, 8, 10]}],
    "vae": {"epochs": 300, "learning_rate": 0.01},
    "pca": {"components": [2, 4]},
    "ffnn": {"epochs": 2, "hidden_units": 16},
    "jobs": {"models_per_job": 1},
}
KILLED, SLOW, PREEMPTED = (f"train_vae_batch{number}" for number in (1, 2, 3))
UNITS = {KILLED: 6, SLOW: 8, PREEMPTED: 10}
# The first try of the slow rule has a minute, and takes longer.
SLEEP = f"""
import os, pathlib, time

pathlib.Path(f"gpu-{{snakemake.rule}}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
if snakemake.rule == "{SLOW}" and not pathlib.Path("slept").exists():
    pathlib.Path("slept").touch()
    time.sleep(300)
"""
# This Slurm keeps no accounts, by which jobs are followed elsewhere.
NO_ACCOUNTING = [
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"),
    *("--slurm-status-command", "squeue"),
]
SHORT = f"{SLOW}:runtime=1 if attempt == 1 else 5"

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
    copy_workflow(folder, TINY)
    # A checkpoint after each epoch, as these take no half a minute.
    module = folder / "workflow/src/latentcell/models/checkpoint.py"
    text = module.read_text()
    assert "seconds: float = 30.0" in text
    module.write_text(text.replace("seconds: float = 30.0", "seconds: float = 0.0"))
    return folder


def started(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "tables", *arguments]
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


def of_rule(rule):
    return [job for job in jobs() if re.match(f"rule_{rule}(_wildcards.*)?$", job["Comment"])]


def interrupt_once_they_have_checkpoints(folder, run):
    """Cancel one training that is on its way, and have another requeued, as preemption does."""
    commands = {KILLED: ["scancel"], PREEMPTED: ["scontrol", "requeue"]}
    until = time.monotonic() + 180
    while commands and time.monotonic() < until and run.poll() is None:
        for rule in list(commands):
            model = folder / f"results/tiny/n150/r1/vae/gmvae-z2-h{UNITS[rule]}"
            if list(model.glob("unfinished-*/checkpoint.safetensors")):
                (job,) = of_rule(rule)
                subprocess.run([*commands.pop(rule), job["JobId"]], check=True)
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
    beside = started(here, "--cores", "1")
    try:
        interrupt_once_they_have_checkpoints(folder, run)
        codes = [process.wait(timeout=400) for process in (run, beside)]
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


def told(job):
    return re.sub("^rule_", "", job["Comment"])


def test_tables_are_the_same_bytes_as_on_one_machine(finished):
    there, here = (
        {path.name: path.read_bytes() for path in (folder / "results/tiny/tables").iterdir()}
        for folder in finished[:2]
    )
    assert len(here) == 12
    assert there == here


def test_models_are_the_same_bytes_as_on_one_machine(finished):
    there, here = (
        {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.glob("results/tiny/n150/r1/vae/*/*")
        }
        for folder in finished[:2]
    )
    assert len(here) == 3 * 4
    assert there == here


def went_on_after(folder, rule):
    """Epoch after which the last try of a training went on; None where it began anew."""
    log = folder / f"results/tiny/logs/n150/train_vae/{rule.removeprefix('train_vae_')}.log"
    found = re.search(rf"gmvae-z2-h{UNITS[rule]}: goes on after epoch (\d+)", log.read_text())
    return int(found[1]) if found else None


def test_a_cancelled_training_goes_on_from_its_checkpoint(finished):
    folder, here, known = finished
    killed, again = (job for job in known if told(job) == KILLED)
    assert (killed["JobState"], again["JobState"]) == ("CANCELLED", "COMPLETED")
    assert 1 <= went_on_after(folder, KILLED) < TINY["vae"]["epochs"]
    assert went_on_after(here, KILLED) is None
    assert megabytes(again) > megabytes(killed) > 1000


def test_a_preempted_training_goes_on_under_its_own_number(finished):
    folder, _, known = finished
    (job,) = (job for job in known if told(job) == PREEMPTED)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert 1 <= went_on_after(folder, PREEMPTED) < TINY["vae"]["epochs"]


def test_a_job_out_of_time_is_sent_again_with_more(finished):
    first, again = (job for job in finished[2] if told(job) == SLOW)
    assert (first["JobState"], again["JobState"]) == ("TIMEOUT", "COMPLETED")
    assert (first["TimeLimit"], again["TimeLimit"]) == ("00:01:00", "00:05:00")
    assert megabytes(again) > megabytes(first)


def megabytes(job):
    number, unit = re.fullmatch(r"([\d.]+)([MG])", job["MinMemoryNode"]).groups()
    return float(number) * (1024 if unit == "G" else 1)


def test_those_that_train_models_ask_for_a_gpu_and_no_others(finished):
    asking = [
        told(job)
        for job in finished[2]
        if "gres/gpu" in job.get("TresPerJob", "").replace(":", "/")
    ]
    assert sorted(asking) == [KILLED, KILLED, SLOW, SLOW, PREEMPTED]
    seen = [(finished[0] / f"gpu-{rule}").read_text() for rule in UNITS]
    assert set(seen) <= {"0", "1", "2"}


def test_small_jobs_go_together(finished):
    names = [told(job) for job in finished[2]]
    assert len(names) <= 14, names
    grouped = ("table3", "pca_variance", "draw_cells", "fit_pca")
    assert not [name for name in names if name.startswith(grouped)]


def test_neither_locks_nor_halves_are_left(finished):
    folder = finished[0]
    assert not list((folder / "results").rglob("unfinished-*"))
    hidden = [path.name for path in (folder / "results").rglob(".*")]
    assert hidden == [".reuse"]
    assert not list((folder / ".snakemake").glob("locks/*"))
    assert not [path for path in folder.rglob("*") if path.suffix in (".lock", ".lck")]
