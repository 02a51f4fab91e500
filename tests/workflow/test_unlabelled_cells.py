"""A data set whose representations learn from cells without types as well."""

import anndata as ad
import pytest
from test_workflow import SAMPLE, clone, snakemake

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("annotating")]
DATASETS = [
    SAMPLE,
    {"name": "more", "path": "more.h5ad", "unlabelled": "only"},
    {"name": "both", "derived_from": SAMPLE, "with_unlabelled": ["more"]},
]


def test_cells_without_types_join_the_training_of_representations(tmp_path):
    cells = import_dataset(DatasetSettings(name=SAMPLE))
    # Other counts, since cells that are also validation or test cells are left out.
    more = ad.AnnData(cells.X + cells.X, obs=cells.obs[[]], var=cells.var)
    more.write_h5ad(tmp_path / "more.h5ad")
    clone(tmp_path, {"datasets": DATASETS, "subset": {"sizes": [150]}})
    jobs = [f"results/tiny/{name}/n150/r1/hvg-pca-k5" for name in (SAMPLE, "both")]
    done = snakemake(tmp_path, *(f"{job}/features.h5ad" for job in jobs))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results/tiny/more/dataset.h5ad").exists()
    assert not (tmp_path / "results/tiny/more/n150").exists()
    alone, both = (ad.read_h5ad(tmp_path / job / "features.h5ad") for job in jobs)
    assert list(alone.obs_names) == list(both.obs_names)
    assert (alone.X != both.X).any()
