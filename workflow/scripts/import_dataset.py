"""Import a data set as an AnnData file."""

from pathlib import Path

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.job import job

with job(snakemake):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    resources = Path(snakemake.params.resources)
    write_h5ad(snakemake.output[0], import_dataset(settings, resources, progress=True))
