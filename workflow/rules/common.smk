"""The checked configuration, what wildcards may be, and the lists of files that rules share."""

import re
import sys
from pathlib import Path

# The package is found in its folder, installed or not, here and in the scripts of every job.
SOURCE = f"{workflow.basedir}/workflow/src"
sys.path.insert(0, SOURCE)
from latentcell.job import export_source
from latentcell.errors import InputError
from latentcell.figures.catalogue import figure_inputs, figure_names
from latentcell.figures.data import map_representations
from latentcell.io import read_json
from latentcell.names import pca_components
from latentcell.provenance import code_digest
from latentcell.settings import parse_settings

export_source(SOURCE)
try:
    settings = parse_settings(config)
except InputError as error:
    sys.exit(f"latentcell: {error}")

SCRIPTS = f"{workflow.basedir}/workflow/scripts"
RUN = settings.run
SUBSETS = settings.subset_names()
REPLICATES = settings.replicate_names()

# What the tables depend on: not the seeds or epochs, which reach them through the measures.
LAYOUT = settings.model_dump(
    mode="json", include={"run", "replicates", "dataset", "subset", "grid", "pca"}
)


wildcard_constraints:
    run=re.escape(RUN),
    cells="|".join(map(re.escape, SUBSETS)),
    replicate="|".join(REPLICATES),
    model=r"(gmvae|vae)-z\d+-h\d+",
    input=r"raw|pca-k\d+|(gmvae|vae)-z\d+-h\d+",


def code_of(script):
    """Digest of a script and of the modules that it imports."""
    return code_digest(f"{SCRIPTS}/{script}")


def part(name):
    """A section of the settings as plain values, for the parameters of a rule."""
    return getattr(settings, name).model_dump(mode="json")


def chosen_models():
    """Names of the models that were chosen; known only when the checkpoint has run."""
    return read_json(checkpoints.choose_models.get(run=RUN).output[0])["models"]


def own_files():
    """The user's own files, as inputs; none for a built-in data set."""
    names = [settings.dataset.path, settings.dataset.labels]
    files = [name for name in names if name is not None]
    for name in files:
        if not Path(name).exists():
            sys.exit(
                f"latentcell: {name}: expected the data that the config names, found no file"
            )
    return files


def vae_files(file, cells, models):
    """A file of each model, on each of these subsets and in each replicate."""
    return expand(
        "results/{run}/{cells}/{replicate}/vae/{model}/{file}",
        run=RUN,
        cells=cells,
        replicate=REPLICATES,
        model=models,
        file=file,
    )


def ffnn_files(file, cells, inputs):
    """A file of each classifier, on each of these subsets and in each replicate."""
    return expand(
        "results/{run}/{cells}/{replicate}/ffnn/{input}/{file}",
        run=RUN,
        cells=cells,
        replicate=REPLICATES,
        input=inputs,
        file=file,
    )


def features_file(folder, input):
    """The file that holds a representation, in the folder of a subset and replicate."""
    if input == "raw":
        return f"{folder}/cells.h5ad"
    if pca_components(input):
        return f"{folder}/pca/scores.h5ad"
    return f"{folder}/vae/{input}/latent.h5ad"


def representation_file(wildcards):
    """The file whose features are mapped."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    return features_file(folder, wildcards.input)


def batches(items, size):
    """Cut a list into pieces of at most this size."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def grid_batches():
    """Models that share a job; an entry that is added to the grid leaves those of others alone."""
    entries = [list(map(str, entry.models())) for entry in settings.grid]
    size = settings.jobs.models_per_job
    return [models for entry in entries for models in batches(entry, size)]


def classifier_batches():
    """Inputs and replicates of classifiers that share a job.

    Latents are chosen when jobs are already cut: each of them is an input by itself.
    """
    size = settings.jobs.classifiers_per_job
    return [
        (inputs, replicates)
        for replicates in batches(REPLICATES, size)
        for inputs in [
            *batches(settings.baseline_inputs(), max(1, size // len(replicates))),
            ["{model}"],
        ]
    ]


def batch_name(inputs, number):
    """What log and benchmark of a batch of classifiers are called."""
    return f"batch{number}" if inputs != ["{model}"] else f"{{model}}-batch{number}"


def vae_outputs(cells, models):
    """The files of each model of a batch, kind by kind, as keywords of a rule's output."""
    names = {
        "model": "model.safetensors",
        "history": "history.csv",
        "latent": "latent.h5ad",
        "metrics": "metrics.json",
    }
    return {
        kind: [
            f"results/{{run}}/{cells}/{{replicate}}/vae/{model}/{name}"
            for model in models
        ]
        for kind, name in names.items()
    }


def ffnn_outputs(inputs, replicates):
    """The files of each classifier of a batch, kind by kind, as keywords of a rule's output."""
    names = {
        "model": "model.safetensors",
        "history": "history.csv",
        "predictions": "predictions.csv",
        "metrics": "metrics.json",
    }
    return {
        kind: [
            f"results/{{run}}/{{cells}}/{replicate}/ffnn/{input}/{name}"
            for input in inputs
            for replicate in replicates
        ]
        for kind, name in names.items()
    }


def representation_files(inputs, replicates):
    """The function that names the features of each classifier of a batch, in their order."""

    def files(wildcards):
        names = [getattr(wildcards, "model", input) for input in inputs]
        folder = f"results/{wildcards.run}/{wildcards.cells}"
        return [
            features_file(f"{folder}/{replicate}", name)
            for name in names
            for replicate in replicates
        ]

    return files


def all_inputs():
    """Every classifier input: raw counts, PCA scores and the chosen models' latents."""
    return settings.baseline_inputs() + chosen_models()


def reported(table, caption):
    """A table's files; the Markdown one is shown in the report."""
    shown = report(
        f"results/{{run}}/tables/{table}.md",
        caption=f"../report/{caption}.rst",
        category="Tables",
        labels={"table": table},
    )
    return [
        f"results/{{run}}/tables/{table}.csv",
        f"results/{{run}}/tables/{table}.tex",
        shown,
    ]


def files_of(figure):
    """The function that names what a figure is made from, once models are chosen."""

    def files(wildcards):
        names = figure_inputs(figure, settings, chosen_models())
        return [f"results/{wildcards.run}/{name}" for name in names]

    return files


def finished_representations(wildcards):
    """PCA scores and the latents of the chosen models."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    return [f"{folder}/pca/scores.h5ad"] + [
        f"{folder}/vae/{model}/latent.h5ad" for model in chosen_models()
    ]


def finished_predictions(wildcards):
    """Predictions of the classifier on every input."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    return [f"{folder}/ffnn/{input}/predictions.csv" for input in all_inputs()]


def finished_maps(wildcards):
    """TSNE maps, which are made for the first replicate."""
    if wildcards.replicate != REPLICATES[0]:
        return []
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    names = map_representations(settings, chosen_models(), wildcards.cells)
    return [f"{folder}/maps/{name}.csv" for name in names]
