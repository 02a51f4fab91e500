"""Two configurations that share cells, models or classifiers compute them once."""

import re

import pytest
import yaml
from test_workflow import SAMPLE, clone, snakemake

from repository import TINY

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("share")]


def with_hidden_units(*numbers):
    return TINY["grid"] | {"models": [{"latent_dim": 2, "hidden_units": list(numbers)}]}


ONE = {"subset": {"sizes": [150], "seed": 5}, "grid": with_hidden_units(6, 8)}
# Another name, a model more, and nothing else.
OTHER = ONE | {"run": "other", "grid": with_hidden_units(6, 8, 10)}
ALONE = OTHER | {"jobs": {"reuse": False}}


def targets(run):
    classified = ["raw", "pca-k2", "pca-k4"]
    folder = f"results/{run}/{SAMPLE}/n150/r1"
    inputs = [f"{folder}/{name}/ffnn/metrics.json" for name in classified]
    return [f"results/{run}/tables/table3.csv", f"{folder}/pca-k4/tsne.csv", *inputs]


def run(folder, config):
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY | config))
    name = config.get("run", "tiny")
    done = snakemake(folder, *targets(name))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results" / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("share"))
    return run(folder, ONE), run(folder, OTHER)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return run(clone(tmp_path_factory.mktemp("alone")), ALONE)


def made(results):
    """Everything that is made of cells, by its path, but for what it cost."""
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.glob(f"{SAMPLE}/n150/**/*"))
        if path.is_file() and path.name != "cost.json"
    }


def logs(results):
    """Logs of jobs by their place."""
    folder = results / f"logs/{SAMPLE}/n150/r1"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.log")}


def test_the_second_run_trains_only_what_is_new(runs):
    _, second = runs
    said = logs(second)
    taken = {name for name, text in said.items() if "taken from an earlier job" in text}
    assert taken == {
        *("cells.log", "raw.log", "pca-k2.log", "pca-k4.log", "pca-k4/tsne.log"),
        *("raw/ffnn.log", "pca-k2/ffnn.log", "pca-k4/ffnn.log"),
        *("gmvae-z2-h6.log", "gmvae-z2-h8.log"),
    }
    trained = {name for name, text in said.items() if re.search(r"gmvae\S+ on \d+ cells", text)}
    assert trained >= {"gmvae-z2-h10.log"}
    assert not trained & taken


def test_it_has_the_same_bytes_as_a_run_by_itself(runs, alone):
    _, second = runs
    assert made(second) == made(alone)
    assert len(made(second)) > 1 + 3 * 2 + 3 * 4
    names = ["tables/table3.csv", "tables/table3.md"]
    assert [(second / name).read_bytes() for name in names] == [
        (alone / name).read_bytes() for name in names
    ]


def test_the_first_run_is_not_touched(runs):
    first, _ = runs
    folder = first.parents[1]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY | ONE))
    planned = snakemake(folder, *targets("tiny"), "--dry-run")
    assert "Nothing to be done" in planned.stdout + planned.stderr


def test_what_was_edited_by_hand_is_not_handed_on(runs):
    first, second = runs
    path = f"{SAMPLE}/n150/r1/gmvae-z2-h6/metrics.json"
    edited = first / path
    kept = edited.read_bytes()
    with edited.open("ab") as stream:  # in place
        stream.write(b" \n")
    third = run(first.parents[1], ONE | {"run": "third"})
    assert (third / path).read_bytes() == (second / path).read_bytes() == kept
    said = logs(third)
    assert "taken from an earlier job" in said["gmvae-z2-h8.log"]
    assert "taken from an earlier job" not in said["gmvae-z2-h6.log"]


def test_it_can_be_turned_off(alone):
    assert not (alone.parent / ".reuse").exists()
    assert "taken from" not in "".join(logs(alone).values())
