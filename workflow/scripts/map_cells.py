"""Map the cells of a representation onto a plane."""

import anndata as ad
import pandas as pd

from latentcell.figures.maps import tsne
from latentcell.io import write_csv
from latentcell.job import job
from latentcell.names import pca_components
from latentcell.settings import TsneSettings

with job(snakemake):
    settings = TsneSettings.model_validate(snakemake.params.settings)
    cells = ad.read_h5ad(snakemake.input[0])
    points = tsne(cells.X[:, : pca_components(snakemake.wildcards.input)], settings)
    write_csv(
        snakemake.output[0],
        pd.DataFrame({"barcode": cells.obs_names, "x": points[:, 0], "y": points[:, 1]}),
    )
