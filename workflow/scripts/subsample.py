"""Draw a subset of the cells and split it into training, validation and test cells."""

from latentcell.config.names import cells_size, replicate_seed
from latentcell.config.settings import SplitSettings, SubsetSettings
from latentcell.data.split import keep_training, split_cells
from latentcell.data.subset import draw_subset
from latentcell.runtime.io import read_obs, write_rows
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Draw, split and write the cells."""
    everything = read_obs(snakemake.input[0])
    types = everything["cell_type"]
    rows = draw_subset(types, size, subset.method, replicate_seed(subset.seed, replicate))
    obs = everything.iloc[rows].assign(cell_type=types.iloc[rows].cat.remove_unused_categories())
    seed = replicate_seed(split.seed, replicate)
    obs["split"] = split_cells(obs["cell_type"], split, seed)
    kept = keep_training(obs["split"], split.training_cells, seed)
    write_rows(snakemake.output[0], snakemake.input[0], rows[kept], obs[kept])


with job(snakemake):
    subset = SubsetSettings.model_validate(snakemake.params.subset)
    split = SplitSettings.model_validate(snakemake.params.split)
    size = cells_size(snakemake.wildcards.subset)
    replicate = snakemake.wildcards.replicate
    source = file_digest(snakemake.input[0])
    identity = text_digest(source, snakemake.params.code, subset, split, size, replicate)
    made_once(identity, snakemake.output, make, shared_store())
