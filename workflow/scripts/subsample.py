"""Draw a subset of the cells and split it into training, validation and test cells."""

from latentcell.config.names import cells_size
from latentcell.config.settings import SplitSettings, SubsetSettings
from latentcell.data.drawing import draw_cells
from latentcell.runtime.io import read_obs, write_rows
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Draw, split and write the cells."""
    rows, obs = draw_cells(read_obs(snakemake.input[0]), size, subset, split, replicate)
    write_rows(snakemake.output[0], snakemake.input[0], rows, obs)


with job(snakemake):
    subset = SubsetSettings.model_validate(snakemake.params.subset)
    split = SplitSettings.model_validate(snakemake.params.split)
    size = cells_size(snakemake.wildcards.subset)
    replicate = snakemake.wildcards.replicate
    source = file_digest(snakemake.input[0])
    identity = text_digest(source, snakemake.params.code, subset, split, size, replicate)
    made_once(identity, snakemake.output, make, shared_store())
