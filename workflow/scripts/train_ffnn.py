"""Train the classifier on one input and store it, its learning curves, predictions, measures."""

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.classify.ffnn import train_ffnn
from latentcell.evaluate.metrics import classifier_metrics
from latentcell.io import write_csv, write_json
from latentcell.job import job
from latentcell.names import pca_components, replicate_seed
from latentcell.progress import Progress, say
from latentcell.settings import FfnnSettings

with job(snakemake):
    settings = FfnnSettings.model_validate(snakemake.params.settings)
    name = snakemake.wildcards.input
    cells = ad.read_h5ad(snakemake.input[0])
    features = cells.X[:, : pca_components(name)]
    types = cells.obs["cell_type"].cat
    progress = Progress(f"classifier of {name}", settings.epochs)
    result = train_ffnn(
        features,
        types.codes,
        cells.obs["split"],
        list(types.categories),
        settings,
        seed=replicate_seed(settings.seed, snakemake.wildcards.replicate),
        progress=lambda epoch, records: progress.report(
            epoch, f"validation accuracy {records[-1]['accuracy']:.3f}"
        ),
    )
    predicted = result.probabilities.argmax(1)
    metrics = classifier_metrics(
        name,
        types.codes,
        predicted,
        cells.obs["split"],
        list(types.categories),
        best_epoch=result.best_epoch,
        epochs_trained=result.epochs_trained,
    )
    say(f"{name}: test accuracy {metrics['splits']['test']['accuracy']:.3f}")
    result.ffnn.save(snakemake.output.model)
    write_csv(snakemake.output.history, pd.DataFrame(result.history))
    write_csv(
        snakemake.output.predictions,
        pd.DataFrame(
            {
                "barcode": cells.obs_names,
                "split": cells.obs["split"].to_numpy(str),
                "cell_type": cells.obs["cell_type"].to_numpy(str),
                "predicted": types.categories.to_numpy(str)[predicted],
                "probability": np.asarray(result.probabilities.max(1)),
            }
        ),
    )
    write_json(snakemake.output.metrics, metrics)
