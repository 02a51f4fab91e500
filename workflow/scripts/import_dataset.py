"""Import the data set as one AnnData file."""

from pathlib import Path

from latentcell.data.importing import import_dataset
from latentcell.io import write_h5ad
from latentcell.job import job
from latentcell.settings import DatasetSettings

with job(snakemake):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    resources = Path(snakemake.params.resources)
    write_h5ad(snakemake.output[0], import_dataset(settings, resources, progress=True))
