"""Everything that a run on simulated cells leaves behind says what it is."""

import anndata as ad
import pandas as pd
import pytest
from test_workflow import clone, snakemake

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.data.rehearsal import learn, write_rehearsal
from latentcell.runtime.mark import SIMULATION_NOTE, bears_mark

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("simulated")]
SMALL = {
    "subset": {"sizes": [150]},
    "grid": {
        "representations": ["raw", "pca-k2", "pca-k4"],
        "models": [{"latent_dim": 2, "hidden_units": 6}],
    },
    "vae": {"epochs": 2, "samples": 5},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    donor = learn(import_dataset(DatasetSettings(name="pbmc68k-sample")))
    files = write_rehearsal(donor, 300, folder)
    # Under names that give nothing away.
    matrix, labels = (
        path.rename(folder / name)
        for path, name in zip(files, ("cells.tar.gz", "labels.tsv"), strict=True)
    )
    dataset = {"name": "mine", "path": matrix.name, "labels": labels.name, "format": "10x-mtx"}
    clone(folder, SMALL | {"datasets": [dataset]})
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results/tiny"


def found(results, suffix):
    paths = sorted(results.rglob(f"*{suffix}"))
    assert len(paths) >= 3
    return paths


@pytest.mark.parametrize("suffix", [".h5ad", ".json", ".csv"])
def test_every_file_bears_the_mark(results, suffix):
    assert not [path for path in found(results, suffix) if not bears_mark(path)]


@pytest.mark.parametrize("suffix", [".md", ".tex", ".pdf", ".png", ".svg"])
def test_every_table_and_figure_says_so(results, suffix):
    note = SIMULATION_NOTE.encode()
    assert not [path for path in found(results, suffix) if note not in path.read_bytes()]


def test_tables_and_cells_are_read_as_ever(results):
    table5 = pd.read_csv(results / "tables/table5.csv")
    assert len(table5) == 1 + 2 + 1
    assert list(table5.columns[:3]) == ["dataset", "input", "subset"]
    finished = ad.read_h5ad(results / "mine/n150/r1/finished.h5ad")
    assert finished.uns["simulated"] == SIMULATION_NOTE
    assert finished.obs_names.str.startswith("SIMULATED").all()


def test_the_report_says_so_at_its_top_and_in_captions(results):
    report = (results / "report.html").read_text(encoding="utf-8")
    # At the top, and in the captions of four tables and eight figures.
    assert report.count(SIMULATION_NOTE) >= 1 + 4 + 8
    assert SIMULATION_NOTE in (results / "answer.html").read_text(encoding="utf-8")
