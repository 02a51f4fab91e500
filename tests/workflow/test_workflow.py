"""The whole workflow on a few real cells, in a copy of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "workflow", "config", "profiles", "envs")
TINY = {
    "run": "tiny",
    "subset": {"sizes": [150, 250], "seed": 5},
    "grid": [
        {"latent_dim": 2, "hidden_units": [6, 8]},
        {"kind": "vae", "latent_dim": 2, "hidden_units": 6},
    ],
    "vae": {"epochs": 2, "learning_rate": 0.01},
    "pca": {"components": [2, 4]},
    "ffnn": {"epochs": 2, "hidden_units": 16},
}

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def clone(folder, config=None):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY | (config or {})))
    return folder


def snakemake(folder, *arguments, cores=2):
    # Targets come first: what follows --configfile is taken for another configuration.
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores)]
    command += ["--configfile", "tiny.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def tables(folder):
    found = sorted((folder / "results/tiny/tables").iterdir())
    return {path.name: path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("finished"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_all_that_is_promised_is_there(finished):
    results = finished / "results/tiny"
    names = set(tables(finished))
    wanted = {"table3", "table4", "table5", "pca_variance"}
    assert names == {f"{name}.{kind}" for name in wanted for kind in ("csv", "md", "tex")}
    figures = {path.name for path in (results / "figures").iterdir()}
    stems = ["figure2", "figure3", *(f"figureS{n}" for n in range(1, 8)), "accuracy_by_dimension"]
    assert figures == {f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png", "svg")}
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "figure2.png" in report
    assert "table5.md" in report
    assert len(list((results / "logs").rglob("*.log"))) > 20
    assert len(list((results / "benchmarks").rglob("*.tsv"))) > 20
    assert not list(results.rglob("checkpoint.safetensors"))


def test_tables_have_the_published_keys_and_all_rows(finished):
    folder = finished / "results/tiny/tables"
    table3 = pd.read_csv(folder / "table3.csv")
    assert list(table3.columns[:3]) == ["model", "latent_dim", "hidden_units"]
    assert {"elbo_mean", "elbo_sd", "elbo_published", "rand_index_mean", "replicates"} <= set(
        table3.columns
    )
    assert len(table3) == 3
    assert len(pd.read_csv(folder / "table4.csv")) == 2  # one GMVAE and one VAE on 250 cells
    table5 = pd.read_csv(folder / "table5.csv")
    assert list(table5.columns[:5]) == ["input", "subset", "model", "dim", "hidden_units"]
    assert sorted(table5["subset"].unique()) == [150, 250]
    assert len(table5) == 2 * (1 + 2 + 2)
    assert table5["accuracy_mean"].between(0, 1).all()
    variance = pd.read_csv(folder / "pca_variance.csv")
    assert list(variance.columns) == ["k", "explained_variance_percent"]
    assert list(variance["k"]) == [2, 4]


def test_finished_cells_open_as_they_are(finished):
    cells = ad.read_h5ad(finished / "results/tiny/n250/r1/finished.h5ad")
    assert cells.shape == (250, 765)
    assert cells.obs["split"].value_counts().to_dict() == {
        "training": 200, "validation": 25, "test": 25
    }  # fmt: skip
    assert cells.obsm["X_pca"].shape == (250, 4)
    assert any(name.startswith("X_gmvae-z2-h") for name in cells.obsm)
    assert any(name.startswith("X_tsne_") for name in cells.obsm)
    assert "predicted_raw" in cells.obs


def test_config_is_stored_as_run(finished):
    stored = yaml.safe_load((finished / "results/tiny/config.yaml").read_text())
    assert stored["ffnn"]["epochs"] == 2
    assert stored["ffnn"]["batch_size"] == 10  # a default, and none of config/config.yaml's
    assert stored["replicates"] == 1


def test_run_again_there_is_nothing_to_do(finished):
    done = snakemake(finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_touching_re_runs_nothing_and_an_edit_what_uses_it(finished):
    for path in [*(finished / "workflow").rglob("*.py"), *(finished / "workflow").rglob("*.smk")]:
        path.touch()
    done = snakemake(finished, "--dry-run")
    assert "Nothing to be done" in done.stdout + done.stderr
    module = finished / "workflow/src/latentcell/represent/pca.py"
    text = module.read_text()
    module.write_text(text + "\nEDITED = True\n")
    try:
        planned = snakemake(finished, "--dry-run").stdout
    finally:
        module.write_text(text)
    jobs = re.findall(r"^rule (\w+):.*?reason: ([^\n]*)", planned, flags=re.M | re.S)
    changed = {rule for rule, reason in jobs if "Params have changed" in reason}
    assert changed == {"fit_pca"}
    assert "train_vae" not in {rule for rule, _ in jobs}


def test_one_core_gives_the_same_bytes(finished, tmp_path):
    folder = clone(tmp_path)
    done = snakemake(folder, "tables", cores=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(folder) == tables(finished)


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
        ({"ffnn": {"epoch": 5}}, "latentcell: the configuration: ffnn.epoch is no known key"),
        (
            {"dataset": {"name": "mine", "path": "absent.h5ad"}},
            "latentcell: absent.h5ad: expected the data that the config names, found no file",
        ),
    ],
)
def test_bad_configurations_end_with_a_sentence(tmp_path, config, said):
    done = snakemake(clone(tmp_path, config), "--dry-run")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_bad_data_end_with_a_sentence_and_nothing_half_written(tmp_path):
    (tmp_path / "cells.tsv").write_text("cell\tA\tB\nx\t1\t-3\ny\t2\t4\n")
    (tmp_path / "labels.tsv").write_text("barcode\ttype\nx\tT\ny\tB\n")
    own = {"name": "mine", "path": "cells.tsv", "labels": "labels.tsv"}
    folder = clone(tmp_path, {"dataset": own | {"label_column": "type"}})
    done = snakemake(folder, "results/tiny/dataset.h5ad")
    assert done.returncode != 0
    said = "latentcell: cells.tsv: expected counts of at least 0, found -3 for cell x and gene B"
    assert said in done.stdout + done.stderr
    assert not list((folder / "results/tiny").rglob("*.h5ad"))
