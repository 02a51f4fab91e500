"""Collect all results on the cells of a subset in an AnnData file."""

from pathlib import Path

import anndata as ad

from latentcell.grid.finished import finish_cells
from latentcell.runtime.io import read_cell_table, write_h5ad
from latentcell.runtime.job import job


def tables(paths, position):
    """Read tables of cells, with keys from the last folders of their paths."""
    return {
        "_".join(Path(path).parts[position:-1]): read_cell_table(path).set_index("barcode")
        for path in paths
    }


with job(snakemake):
    features = snakemake.input.features
    finished = finish_cells(
        ad.read_h5ad(snakemake.input.cells),
        {Path(path).parent.name: ad.read_h5ad(path) for path in features},
        tables(snakemake.input.maps, -2),
        tables(snakemake.input.predictions, -3),
        others=snakemake.params.others,
    )
    write_h5ad(snakemake.output[0], finished)
