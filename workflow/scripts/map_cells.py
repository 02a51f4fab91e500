"""Map the cells of a representation by tSNE."""

import anndata as ad
import pandas as pd

from latentcell.config.settings import TsneSettings
from latentcell.figures.maps import tsne
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Map the cells and write their coordinates."""
    cells = ad.read_h5ad(snakemake.input[0])
    points = tsne(cells.X, settings)
    write_csv(
        snakemake.output[0],
        pd.DataFrame({"barcode": cells.obs_names, "x": points[:, 0], "y": points[:, 1]}),
    )


with job(snakemake):
    settings = TsneSettings.model_validate(snakemake.params.settings)
    identity = text_digest(file_digest(snakemake.input[0]), snakemake.params.code, settings)
    made_once(identity, snakemake.output, make, shared_store())
