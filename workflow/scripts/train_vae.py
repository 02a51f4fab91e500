"""Train generative models and store weights, learning curves, latents and measures of each."""

from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.batch import Part, run_parts
from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.io import write_csv, write_h5ad, write_json
from latentcell.job import job
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.training import save_arguments, train
from latentcell.names import ModelName, replicate_seed
from latentcell.provenance import file_digest, text_digest
from latentcell.settings import VaeSettings


def part(name, files):
    """A model of the job, by its name and the four files that it makes."""
    model, history, latent, metrics = files

    def work(part):
        store = CheckpointStore(part.at(model).with_name("checkpoint.safetensors"), part.identity)
        trained = train(
            cells.X,
            cells.obs["split"].to_numpy(str),
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
        save(part.at(model), *save_arguments(trained))
        write_csv(part.at(history), pd.DataFrame(trained.history))
        write_h5ad(part.at(latent), latents)
        write_json(part.at(metrics), describe_model(name, trained, evaluation, latents))

    return Part(str(name), files, text_digest(digest, code, settings, name, seed), work)


# One thread a model: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    settings = VaeSettings.model_validate(snakemake.params.settings)
    code = snakemake.params.code
    seed = replicate_seed(settings.seed, snakemake.wildcards.replicate)
    cells = ad.read_h5ad(snakemake.input.cells)
    digest = file_digest(snakemake.input.cells)
    batch = cells.obs["batch"].to_numpy(str) if "batch" in cells.obs else None
    components = settings.components
    if components == "labels":
        components = cells.obs["cell_type"].nunique()
    output = snakemake.output
    files = [
        tuple(map(Path, one))
        for one in zip(output.model, output.history, output.latent, output.metrics, strict=True)
    ]
    models = [(ModelName.parse(one[0].parent.name), one) for one in files]
    # The longest first, so that no core is left with a long one at the end.
    models.sort(key=lambda model: -model[0].hidden_units)
    run_parts([part(name, one) for name, one in models], snakemake.threads)
