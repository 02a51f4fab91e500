"""The target `annotate`: an annotator of the first data set, and a query that it annotates."""

import json

import anndata as ad
import pandas as pd
import pytest
import yaml
from test_workflow import clone, snakemake

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("annotating")]
BUNDLE = "results/tiny/annotate/bundle"


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("annotated"))
    cells = import_dataset(DatasetSettings(name="pbmc68k-sample"))[:60]
    ad.AnnData(cells.X, obs=cells.obs[[]], var=cells.var).write_h5ad(folder / "query.h5ad")
    change(folder, query="query.h5ad", candidates=["hvg-pca"], density=False)
    done = snakemake(folder, "annotate")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def change(folder, **changes):
    settings = yaml.safe_load((folder / "tiny.yaml").read_text())
    settings["annotate"] = settings.get("annotate", {}) | changes
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings))


def files(folder):
    return {path.name for path in (folder / BUNDLE).iterdir()}


def test_cells_of_the_query_get_types(annotated):
    cells = pd.read_csv(annotated / "results/tiny/annotate/cells.csv")
    assert len(cells) == 60
    assert cells["cell_type"].notna().mean() > 0.5
    for suffix in ("h5ad", "json", "html"):
        assert (annotated / f"results/tiny/annotate/cells.{suffix}").stat().st_size > 0


def test_every_file_of_the_bundle_is_one_that_snakemake_knows(annotated):
    checksums = annotated / "results/tiny/checksums/annotate/bundle"
    assert {path.name.removesuffix(".sha256") for path in checksums.iterdir()} == files(annotated)


def test_other_settings_train_the_annotator_again(annotated):
    """Snakemake removes the files that it knows before a job; any other would stay in the way."""
    before = files(annotated)
    for changes in ({"folds": 3}, {"density": True, "epochs": 1}, {"density": False}):
        change(annotated, **changes)
        done = snakemake(annotated, "annotate")
        assert done.returncode == 0, done.stdout + done.stderr
        about = json.loads((annotated / BUNDLE / "bundle.json").read_text())
        assert about["settings"] | changes == about["settings"]
    assert files(annotated) == before
