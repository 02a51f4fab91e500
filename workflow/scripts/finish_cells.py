"""Collect all results on the cells of a subset in an AnnData file."""

from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.config.settings import TsneSettings
from latentcell.figures.maps import umap
from latentcell.grid.finished import finish_cells
from latentcell.runtime.io import read_cell_table, write_h5ad
from latentcell.runtime.job import job


def tables(paths, position):
    """Read tables of cells, with keys from the last folders of their paths."""
    return {
        "_".join(Path(path).parts[position:-1]): read_cell_table(path).set_index("barcode")
        for path in paths
    }


def maps(representations):
    """Read the tSNE maps, and compute UMAP maps of the same representations."""
    settings = TsneSettings.model_validate(snakemake.params.tsne)
    for name, points in tables(snakemake.input.maps, -2).items():
        yield f"tsne_{name}", points
        cells = representations[name]
        yield f"umap_{name}", pd.DataFrame(umap(cells.X, settings), cells.obs_names, ["x", "y"])


with job(snakemake):
    features = {Path(path).parent.name: ad.read_h5ad(path) for path in snakemake.input.features}
    finished = finish_cells(
        ad.read_h5ad(snakemake.input.cells),
        features,
        dict(maps(features)),
        tables(snakemake.input.predictions, -3),
        others=snakemake.params.others,
    )
    write_h5ad(snakemake.output[0], finished)
