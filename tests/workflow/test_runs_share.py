"""Two configurations that share cells, models or classifiers compute them once."""

import re

import pytest
import yaml
from test_workflow import TINY, clone, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("share")]
ONE = {"subset": {"sizes": [150], "seed": 5}, "grid": [{"latent_dim": 2, "hidden_units": [6, 8]}]}
# Another name, a model more, and nothing else.
OTHER = ONE | {"run": "other", "grid": [{"latent_dim": 2, "hidden_units": [6, 8, 10]}]}
ALONE = OTHER | {"jobs": {"reuse": False}}


def targets(run):
    classified = ["raw", "pca-k2", "pca-k4"]
    inputs = [f"results/{run}/n150/r1/ffnn/{name}/metrics.json" for name in classified]
    return [f"results/{run}/tables/table3.csv", f"results/{run}/n150/r1/maps/pca-k4.csv", *inputs]


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
    """Everything that is made of cells, by its path."""
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.glob("n150/**/*"))
        if path.is_file()
    }


def logs(results):
    """What each job has said, by the folder and name of its log."""
    return {
        "/".join(path.parts[-2:]): path.read_text() for path in results.glob("logs/n150/**/*.log")
    }


def test_the_second_run_trains_only_what_is_new(runs):
    _, second = runs
    said = "".join(logs(second).values())
    taken = re.findall(r"^(\S+) of r1: taken from an earlier run", said, flags=re.M)
    assert sorted(taken) == [*("gmvae-z2-h6", "gmvae-z2-h8", "pca-k2", "pca-k4", "raw")]
    trained = set(re.findall(r"(gmvae-z2-h\d+) on \d+ cells", said))
    assert trained == {"gmvae-z2-h10"}
    # Cells, principal components and the map, too.
    alone = {name for name, text in logs(second).items() if text.startswith("taken from an")}
    assert alone == {"r1/draw_cells.log", "r1/fit_pca.log", "map_cells/pca-k4.log"}


def test_it_has_the_same_bytes_as_a_run_by_itself(runs, alone):
    _, second = runs
    assert len(made(second)) == 1 + 3 + 3 * 4 + 3 * 4 + 1
    assert made(second) == made(alone)
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
    edited = first / "n150/r1/vae/gmvae-z2-h6/metrics.json"
    kept = edited.read_bytes()
    with edited.open("ab") as stream:  # in place
        stream.write(b" \n")
    third = run(first.parents[1], ONE | {"run": "third"})
    path = "n150/r1/vae/gmvae-z2-h6/metrics.json"
    assert (third / path).read_bytes() == (second / path).read_bytes() == kept
    said = logs(third)["train_vae/batch1.log"]
    assert "gmvae-z2-h8 of r1: taken from an earlier run" in said
    assert "gmvae-z2-h6 of r1: taken" not in said


def test_it_can_be_turned_off(alone):
    assert not (alone.parent / ".reuse").exists()
    assert "taken from" not in "".join(logs(alone).values())
