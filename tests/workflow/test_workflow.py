"""The whole workflow on a few real cells, in a copy of the repository."""

import os
import re
import shutil
import subprocess

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

import forked
from repository import TINY, copy_workflow, environment

SAMPLE = "pbmc68k-sample"
VARIANCES = ("explained_variance_percent", "held_out_variance_percent")
TABLE3 = "results/tiny/tables/table3.csv"
FIRST = f"results/tiny/{SAMPLE}/n150/r1"

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def clone(folder, config=None):
    return copy_workflow(folder, TINY | (config or {}))


def snakemake(folder, *arguments, cores=2):
    # Targets come first: what follows --configfile is taken for another configuration.
    command = [forked.python(), "-m", "snakemake", *arguments, "--cores", str(cores)]
    command += ["--configfile", "tiny.yaml"]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def tables(folder):
    found = sorted((folder / "results/tiny/tables").iterdir())
    return {path.name: path.read_bytes() for path in found}


SAYS_ITS_LIMIT = """

onsuccess:
    Path("limit").write_text(str(workflow.scheduler.job_rate_limiter))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("finished"))
    with (folder / "workflow/Snakefile").open("a") as file:
        file.write(SAYS_ITS_LIMIT)
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_jobs_of_a_second_are_not_limited(finished):
    """With a limit, Snakemake 9.27 evaluates its jobs ever more often and takes most of a core."""
    assert (finished / "limit").read_text() == "None"


def test_all_that_is_promised_is_there(finished):
    results = finished / "results/tiny"
    names = set(tables(finished))
    wanted = {"table3", "table4", "table5", "pca_variance", "contrasts", "hidden_units"}
    assert names == {f"{name}.{kind}" for name in wanted for kind in ("csv", "md", "tex", "html")}
    figures = {path.name for path in (results / "figures/pbmc68k-sample").iterdir()}
    stems = ["figure2", "figure3", *(f"figureS{n}" for n in range(1, 8)), "accuracy_by_dimension"]
    stems += ["contrasts"]
    assert figures == {f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png", "svg")}
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "figure2.png" in report
    assert "table5.html" in report
    answer = (results / "answer.html").read_text(encoding="utf-8")
    assert "VAE Z = 2, H = 6" in answer
    assert "All 250 cells" not in answer
    assert "250 cells" in answer
    assert len(list((results / "logs").rglob("*.log"))) > 20
    assert len(list((results / "benchmarks").rglob("*.tsv"))) > 20
    assert not list(results.rglob("unfinished-*"))


def test_tables_have_the_published_keys_and_all_rows(finished):
    folder = finished / "results/tiny/tables"
    table3 = pd.read_csv(folder / "table3.csv")
    assert list(table3.columns[:4]) == ["dataset", "model", "latent_dim", "hidden_units"]
    assert set(table3["dataset"]) == {"pbmc68k-sample"}
    assert {"elbo_mean", "elbo_sd", "elbo_published", "rand_index_mean", "replicates"} <= set(
        table3.columns
    )
    assert len(table3) == 3
    assert len(pd.read_csv(folder / "table4.csv")) == 2  # one GMVAE and one VAE on 250 cells
    table5 = pd.read_csv(folder / "table5.csv")
    keys = ["dataset", "input", "subset", "model", "dim", "hidden_units"]
    assert list(table5.columns[:6]) == keys
    assert sorted(table5["subset"].unique()) == [150, 250]
    assert len(table5) == 2 * (1 + 2 + 2)
    assert table5["accuracy_mean"].between(0, 1).all()
    variance = pd.read_csv(folder / "pca_variance.csv")
    assert list(variance.columns) == ["dataset", "k", *VARIANCES]
    assert list(variance["k"]) == [2, 4]


def test_finished_cells_open_as_they_are(finished):
    cells = ad.read_h5ad(finished / f"results/tiny/{SAMPLE}/n250/r1/finished.h5ad")
    assert cells.shape == (250, 765)
    assert cells.obs["split"].value_counts().to_dict() == {
        "training": 200, "validation": 25, "test": 25
    }  # fmt: skip
    assert cells.obsm["X_pca-k4"].shape == (250, 4)
    np.testing.assert_array_equal(cells.obsm["X_pca-k2"], cells.obsm["X_pca-k4"][:, :2])
    assert any(name.startswith("X_gmvae-z2-h") for name in cells.obsm)
    mapped = {name.removeprefix("X_tsne_") for name in cells.obsm if name.startswith("X_tsne_")}
    assert mapped
    assert {f"X_umap_{name}" for name in mapped} <= set(cells.obsm)
    assert "predicted_raw_ffnn" in cells.obs
    assert "X_raw" not in cells.obsm


def test_config_is_stored_as_run(finished):
    stored = yaml.safe_load((finished / "results/tiny/config.yaml").read_text())
    assert stored["ffnn"]["epochs"] == 2
    assert stored["ffnn"]["batch_size"] == 10  # a default, and none of config/config.yaml's
    assert stored["replicates"] == 1


def test_run_again_there_is_nothing_to_do(finished):
    done = snakemake(finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def planned_after_edit(folder, module):
    """Rules of a dry run after an edit of a module, and those of them whose code was edited."""
    path = folder / "workflow/src/latentcell" / module
    text = path.read_text()
    path.write_text(text + "\nEDITED = True\n")
    try:
        planned = snakemake(folder, "--dry-run", "--quiet", "host").stdout
    finally:
        path.write_text(text)
    jobs = re.findall(r"^rule (\w+):.*?reason: ([^\n]*)", planned, flags=re.M | re.S)
    changed = {rule for rule, reason in jobs if "Params have changed" in reason}
    return {rule for rule, _ in jobs}, changed


def test_touching_re_runs_nothing_and_an_edit_what_uses_it(finished):
    for path in [*(finished / "workflow").rglob("*.py"), *(finished / "workflow").rglob("*.smk")]:
        path.touch()
    done = snakemake(finished, "--dry-run")
    assert "Nothing to be done" in done.stdout + done.stderr
    rules, changed = planned_after_edit(finished, "represent/pca.py")
    assert changed == {"represent"}
    assert "train_vae" not in rules
    rules, changed = planned_after_edit(finished, "models/likelihoods/negative_binomial.py")
    assert changed == {"train_vae"}
    assert "represent" not in rules
    assert not any(planned_after_edit(finished, "models/likelihoods/log_normal.py"))


def trained(folder):
    """Everything that jobs of models, representations and classifiers write, but for costs."""
    results = folder / "results/tiny" / SAMPLE
    return {
        str(path.relative_to(results)): path.read_bytes()
        for pattern in ("*/*/*/*", "*/*/*/*/*")
        for path in sorted(results.glob(pattern))
        if path.is_file() and path.name not in ("cost.json", "tsne.csv")
    }


def test_one_core_gives_the_same_bytes(finished, tmp_path):
    folder = clone(tmp_path)
    classified = [f"{name}/ffnn/metrics.json" for name in ("raw", "pca-k4", "gmvae-z2-h6")]
    done = snakemake(folder, TABLE3, *(f"{FIRST}/{name}" for name in classified), cores=1)
    assert done.returncode == 0, done.stdout + done.stderr
    files, theirs = trained(folder), trained(finished)
    # Models: 3, and 2 on 250 cells; baselines: 2; classifiers: 3.
    assert len(files) == 4 * (3 + 2) + 2 * 2 + 5 * 3
    assert files == {name: theirs[name] for name in files}
    assert (folder / TABLE3).read_bytes() == (finished / TABLE3).read_bytes()


def test_models_trained_in_one_job_have_the_same_bytes(finished, tmp_path):
    folder = clone(tmp_path, {"jobs": {"pool_models": True}})
    done = snakemake(folder, TABLE3)
    assert done.returncode == 0, done.stdout + done.stderr
    files, theirs = trained(folder), trained(finished)
    assert len(files) == 4 * (3 + 2)
    assert files == {name: theirs[name] for name in files}
    assert (folder / TABLE3).read_bytes() == (finished / TABLE3).read_bytes()
    log = folder / f"results/tiny/logs/{SAMPLE}/n150/r1/pool-cells.log"
    assert "gmvae-z2-h8 | " in log.read_text()
    # Models are not trained again when jobs are cut another way.
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    planned = snakemake(folder, f"results/tiny/{SAMPLE}/n150/r1/gmvae-z2-h8/history.csv", "-n")
    assert not re.search(r"^Finished|rule train_vae:.*Params", planned.stdout, flags=re.M)


def test_a_failing_model_is_named_and_the_others_are_not_lost(tmp_path):
    folder = clone(tmp_path, {"jobs": {"pool_models": True}})
    module = folder / "workflow/src/latentcell/models/training.py"
    fault = """
import pathlib

_finish = TrainingLoop.finish


def _fail(loop):
    if loop.name.hidden_units == 8 and pathlib.Path("fail").exists():
        raise InputError(f"{loop.name}: the bound ceased to be finite")
    return _finish(loop)


TrainingLoop.finish = _fail
"""
    module.write_text(module.read_text() + fault)
    (folder / "fail").touch()
    models = folder / f"results/tiny/{SAMPLE}/n150/r1"
    target = f"results/tiny/{SAMPLE}/n150/r1/gmvae-z2-h6/metrics.json"
    done = snakemake(folder, target)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "latentcell: gmvae-z2-h8: the bound ceased to be finite\n" in said
    assert not list(models.glob("gmvae-*/*.*"))
    assert len(list(models.glob("gmvae-z2-h6/unfinished-*/*"))) == 5
    assert not list(models.glob("gmvae-z2-h8/unfinished-*/metrics.json"))
    (folder / "fail").unlink()
    done = snakemake(folder, target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(models.glob("gmvae-z2-h6/*.*"))) == 5
    assert not list(models.glob("gmvae-z2-h6/unfinished-*"))
    log = folder / f"results/tiny/logs/{SAMPLE}/n150/r1/pool-cells.log"
    assert "gmvae-z2-h8 | " in log.read_text()
    assert "gmvae-z2-h6 | " not in log.read_text()


def everything(folder):
    """Path, size and time of each file of the results."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in (folder / "results").rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "command", ["--lint", "--dag", "--summary", "--list-rules", "--dry-run", "--rulegraph"]
)
def test_reading_the_workflow_changes_nothing_on_disk(finished, tmp_path, command):
    damaged = finished / f"results/tiny/{SAMPLE}/n150/r1/cells.h5ad"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        before = everything(finished)
        snakemake(finished, command)
        assert everything(finished) == before
    finally:
        damaged.write_bytes(whole)


def test_a_job_refuses_a_damaged_input_and_says_how_to_repair_it(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    damaged = folder / f"results/tiny/{SAMPLE}/n150/r1/cells.h5ad"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    target = f"results/tiny/{SAMPLE}/n150/r1/raw/features.h5ad"
    done = snakemake(folder, target, "--forcerun", "represent")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{SAMPLE}/n150/r1/cells.h5ad: expected the bytes that its job wrote" in said
    assert "latentcell verify --repair" in said


def test_the_list_of_rules_is_short_and_a_dry_run_fits_a_screen(tmp_path):
    folder = copy_workflow(tmp_path / "copy", TINY)
    command = [forked.python(), "-m", "snakemake"]
    listed = subprocess.run(
        [*command, "--list-rules"], cwd=folder, capture_output=True, text=True, check=True
    )
    rules = listed.stdout.split()
    assert {"subsample", "train_vae", "represent", "classify", "choose_models"} <= set(rules)
    assert len(rules) < 25
    planned = subprocess.run(
        [*command, "--cores", "2", "-n"], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = (planned.stdout + planned.stderr).splitlines()
    assert any(line.startswith("train_vae") for line in lines)
    assert len(lines) <= 60


def test_another_seed_gives_other_numbers(finished, tmp_path):
    folder = clone(tmp_path, {"subset": {"sizes": [150, 250], "seed": 6}})
    done = snakemake(folder, "results/tiny/tables/table3.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    one, other = (
        pd.read_csv(where / "results/tiny/tables/table3.csv") for where in (finished, folder)
    )
    assert (one["elbo_mean"] != other["elbo_mean"]).all()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"ffnn": {"epoch": 5}}, "latentcell: the configuration: ffnn.epoch is not a known key"),
        (
            {"datasets": [{"name": "mine", "path": "absent.h5ad"}]},
            "latentcell: absent.h5ad: expected the data of the config, found no file",
        ),
    ],
)
def test_bad_configurations_end_with_a_sentence(tmp_path, config, said):
    done = snakemake(clone(tmp_path, config), "--dry-run")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("target", ["tables", "figures"])
def test_the_stored_configuration_is_that_of_the_tables_and_figures(tmp_path, target):
    """By the name of a run, `latentcell verify --repair` uses it."""
    planned = snakemake(clone(tmp_path), target, "--dry-run")
    assert re.search(r"^store_config +1$", planned.stdout + planned.stderr, flags=re.M)


def test_results_of_another_run_are_not_taken_for_those_of_this_one(tmp_path):
    folder = clone(tmp_path)
    (folder / "results/tiny").mkdir(parents=True)
    (folder / "results/tiny/config.yaml").write_text("run: former\n")
    done = snakemake(folder, "--dry-run")
    assert done.returncode != 0
    assert "latentcell: results/tiny: expected the results of the run tiny, found those of " in (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("path", ["my cells", "my cells/run 1/matrix.mtx"])
def test_all_files_of_a_matrix_are_inputs(tmp_path, path):
    """The time of a folder, or of a matrix, does not tell that a file of names was overwritten."""
    place = tmp_path / "my cells/run 1"
    place.mkdir(parents=True)
    names = ("matrix.mtx", "genes.tsv", "barcodes.tsv")
    for name in names:
        (place / name).touch()
    own = {"name": "mine", "path": path, "label_column": "type"}
    annotate = {"query": path}
    folder = clone(tmp_path, {"datasets": [own], "annotate": annotate})
    targets = ("results/tiny/mine/dataset.h5ad", "results/tiny/annotate/cells.csv")
    done = snakemake(folder, *targets, "-n", "--quiet", "host")
    assert done.returncode == 0, done.stdout + done.stderr
    inputs = ", ".join(dict.fromkeys([path, *(f"my cells/run 1/{name}" for name in names)]))
    assert len(re.findall(f"^    input: .*{re.escape(inputs)}$", done.stdout, flags=re.M)) == 2


def test_a_file_that_an_older_one_replaces_is_imported_again(tmp_path):
    """`mv` and `cp -p` keep the time of the file."""
    cells = range(20)
    types = "cell,type\n" + "".join(f"c{n},{'ab'[n % 2]}\n" for n in cells)
    own = {"name": "mine", "path": "cells.csv", "labels": "types.csv", "label_column": "type"}
    folder = clone(tmp_path, {"datasets": [own]})
    (folder / "cells.csv").write_text("cell,g1,g2\n" + "".join(f"c{n},{n},2\n" for n in cells))
    (folder / "types.csv").write_text(types)
    target = ("results/tiny/mine/dataset.h5ad", "--quiet", "host")
    done = snakemake(folder, *target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in snakemake(folder, *target, "-n").stdout
    (folder / "types.csv").write_text(types.replace(",b", ",other"))
    os.utime(folder / "types.csv", (1e9, 1e9))
    again = snakemake(folder, *target, "-n").stdout
    assert re.search("^rule import_dataset:$", again, flags=re.M), again


def test_bad_data_end_with_a_sentence_and_nothing_half_written(tmp_path):
    (tmp_path / "cells.tsv").write_text("cell\tA\tB\nx\t1\t-3\ny\t2\t4\n")
    (tmp_path / "labels.tsv").write_text("barcode\ttype\nx\tT\ny\tB\n")
    own = {"name": "mine", "path": "cells.tsv", "labels": "labels.tsv"}
    folder = clone(tmp_path, {"datasets": [own | {"label_column": "type"}]})
    done = snakemake(folder, "results/tiny/mine/dataset.h5ad")
    assert done.returncode != 0
    said = "latentcell: cells.tsv: expected counts of at least 0, found -3 for cell x and gene B"
    assert said in done.stdout + done.stderr
    assert not list((folder / "results/tiny").rglob("*.h5ad"))
