"""Map the cells of a representation onto a plane."""

import anndata as ad
import pandas as pd

from latentcell.figures.maps import tsne
from latentcell.io import write_csv
from latentcell.job import job
from latentcell.names import pca_components
from latentcell.provenance import file_digest, text_digest
from latentcell.reuse import made_once, shared_store
from latentcell.settings import TsneSettings


def make():
    """Map the cells, and write where they lie."""
    cells = ad.read_h5ad(snakemake.input[0])
    points = tsne(cells.X[:, :components], settings)
    write_csv(
        snakemake.output[0],
        pd.DataFrame({"barcode": cells.obs_names, "x": points[:, 0], "y": points[:, 1]}),
    )


with job(snakemake):
    settings = TsneSettings.model_validate(snakemake.params.settings)
    components = pca_components(snakemake.wildcards.input)
    source = file_digest(snakemake.input[0])
    identity = text_digest(source, snakemake.params.code, settings, components)
    made_once(identity, snakemake.output, make, shared_store())
