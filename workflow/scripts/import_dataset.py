"""Import a data set as an AnnData file, or derive it from others of the run."""

from pathlib import Path

import anndata as ad

from latentcell.config.settings import DatasetSettings
from latentcell.data.deriving import derive_dataset
from latentcell.data.importing import import_dataset
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.job import job

with job(snakemake):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    if settings.is_derived:
        dataset = derive_dataset(settings, *map(ad.read_h5ad, snakemake.input))
    else:
        dataset = import_dataset(settings, Path(snakemake.params.resources), progress=True)
    write_h5ad(snakemake.output[0], dataset)
