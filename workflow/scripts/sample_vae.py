"""Sample cells from a trained model; write them with latents and clusters."""

import anndata as ad
import pandas as pd

from latentcell.models.checkpoint import load
from latentcell.models.trained import restore
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.job import job

with job(snakemake):
    cells = ad.read_h5ad(snakemake.input.cells)
    trained = restore(*load(snakemake.input.model))
    training = cells[(cells.obs["split"] == "training").to_numpy()]
    batch = training.obs["batch"].to_numpy(str) if "batch" in training.obs else None
    counts, latent, cluster = trained.sample(snakemake.params.number, training.X, batch)
    names = [f"sample{index + 1}" for index in range(len(cluster))]
    drawn = ad.AnnData(counts, obs=pd.DataFrame({"cluster": cluster}, index=names), var=cells.var)
    drawn.obsm["latent"] = latent
    write_h5ad(snakemake.output[0], drawn)
