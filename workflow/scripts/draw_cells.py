"""Draw a subset of the cells and split it; every representation shares the outcome."""

import anndata as ad

from latentcell.data.split import split_cells
from latentcell.data.subset import draw_subset
from latentcell.io import write_h5ad
from latentcell.job import job
from latentcell.names import cells_size, replicate_seed
from latentcell.settings import SplitSettings, SubsetSettings

with job(snakemake):
    subset = SubsetSettings.model_validate(snakemake.params.subset)
    split = SplitSettings.model_validate(snakemake.params.split)
    size = cells_size(snakemake.wildcards.cells)
    replicate = snakemake.wildcards.replicate
    dataset = ad.read_h5ad(snakemake.input[0])
    rows = draw_subset(
        dataset.obs["cell_type"], size, subset.method, replicate_seed(subset.seed, replicate)
    )
    cells = dataset[rows].copy()
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.remove_unused_categories()
    cells.obs["split"] = split_cells(
        cells.obs["cell_type"], split, replicate_seed(split.seed, replicate)
    )
    write_h5ad(snakemake.output[0], cells)
