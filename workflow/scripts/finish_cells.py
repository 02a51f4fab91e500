"""Put together all that is known of a subset's cells in one AnnData file."""

from pathlib import Path

import anndata as ad

from latentcell.finished import finish_cells
from latentcell.io import read_cell_table, write_h5ad
from latentcell.job import job


def named(paths, position):
    """Files by what they are of, which their path says."""
    return {Path(path).with_suffix("").parts[position]: path for path in paths}


with job(snakemake):
    representations = {
        name: ad.read_h5ad(path)
        for name, path in named(snakemake.input.representations, -2).items()
    }
    maps = named(snakemake.input.maps, -1)
    predictions = named(snakemake.input.predictions, -2)
    finished = finish_cells(
        ad.read_h5ad(snakemake.input.cells),
        representations,
        {name: read_cell_table(path).set_index("barcode") for name, path in maps.items()},
        {name: read_cell_table(path).set_index("barcode") for name, path in predictions.items()},
        others=snakemake.params.others,
    )
    write_h5ad(snakemake.output[0], finished)
