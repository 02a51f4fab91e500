"""Train one generative model and store its weights, learning curves, latents and measures."""

from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.io import write_csv, write_h5ad, write_json
from latentcell.job import job
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.training import save_arguments, train
from latentcell.names import ModelName, replicate_seed
from latentcell.provenance import file_digest, text_digest
from latentcell.settings import VaeSettings

with job(snakemake):
    settings = VaeSettings.model_validate(snakemake.params.settings)
    name = ModelName.parse(snakemake.wildcards.model)
    seed = replicate_seed(settings.seed, snakemake.wildcards.replicate)
    cells = ad.read_h5ad(snakemake.input.cells)
    split = cells.obs["split"].to_numpy(str)
    components = settings.components
    if components == "labels":
        components = cells.obs["cell_type"].nunique()
    identity = text_digest(
        file_digest(snakemake.input.cells), snakemake.params.code, settings, name, seed
    )
    store = CheckpointStore(
        Path(snakemake.output.model).with_name("checkpoint.safetensors"), identity
    )
    batch = cells.obs["batch"].to_numpy(str) if "batch" in cells.obs else None
    trained = train(
        cells.X,
        split,
        name,
        components,
        settings,
        seed,
        store,
        batch=batch,
        cell_types=cells.obs["cell_type"].to_numpy(str),
    )
    evaluation = trained.evaluate(cells.X, batch)
    latents = latent_table(cells, evaluation)
    save(snakemake.output.model, *save_arguments(trained))
    write_csv(snakemake.output.history, pd.DataFrame(trained.history))
    write_h5ad(snakemake.output.latent, latents)
    write_json(snakemake.output.metrics, describe_model(name, trained, evaluation, latents))
    store.remove()
