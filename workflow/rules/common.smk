"""The checked configuration, what wildcards may be, and the lists of files that rules share."""

import os
import re
import sys
from pathlib import Path

# The package is found in its folder, installed or not, here and in the scripts of every job.
SOURCE = f"{workflow.basedir}/workflow/src"
sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [SOURCE, os.environ.get("PYTHONPATH")])
)

from latentcell.errors import InputError
from latentcell.io import read_json
from latentcell.names import pca_components
from latentcell.provenance import code_digest
from latentcell.settings import parse_settings

try:
    settings = parse_settings(config)
except InputError as error:
    sys.exit(f"latentcell: {error}")

SCRIPTS = f"{workflow.basedir}/workflow/scripts"
RUN = settings.run
SUBSETS = settings.subset_names()
REPLICATES = settings.replicate_names()


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


def representation_file(wildcards):
    """The file whose features are a classifier's input."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    if wildcards.input == "raw":
        return f"{folder}/cells.h5ad"
    if pca_components(wildcards.input):
        return f"{folder}/pca/scores.h5ad"
    return f"{folder}/vae/{wildcards.input}/latent.h5ad"


def all_inputs():
    """Every classifier input: raw counts, PCA scores and the chosen models' latents."""
    return settings.baseline_inputs() + chosen_models()
