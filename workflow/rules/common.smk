"""Validated configuration for each value of {run}, and helpers of the rules."""

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Jobs find the package beside the rules; a module that is read from elsewhere needs it installed.
WORKFLOW = Path(str(workflow.current_basedir)).parent
SOURCE = WORKFLOW / "src"
if SOURCE.is_dir():
    sys.path.insert(0, str(SOURCE))
from latentcell.config.methods import refuse_missing
from latentcell.config.resources import dataset_size
from latentcell.config.settings import parse_settings, refuse_renamed
from latentcell.data.folders import file_sizes, with_parts
from latentcell.grid.demands import Demands
from latentcell.grid.lookup import Runs, classifier_code, representation_code
from latentcell.grid.points import classifier_points, columns, model_points
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json
from latentcell.runtime.job import export_source
from latentcell.runtime.mark import SIMULATION_NOTE, bears_mark
from latentcell.runtime.provenance import code_digest
from latentcell.runtime.reuse import export_reuse

if SOURCE.is_dir():
    export_source(str(SOURCE))
try:
    settings = parse_settings(
        config,
        files=workflow.config_settings.configfiles,
        # The prefix of a module is that of results, and not of the user's files.
        absolute=bool(workflow.modifier.path_modifier.prefix),
    )
    refuse_renamed(settings.run)
except InputError as error:
    sys.exit(f"latentcell: {error}")
export_reuse(settings.jobs.reuse)

# The run and its variants: the values of {run}, each with complete settings.
RUNS = Runs(settings)
RUN = settings.run
DATASETS = settings.dataset_names()
SUBSETS = settings.subset_names()
REPLICATES = settings.replicate_names()

# Captions of the report say so where cells are simulated.
if any(bears_mark(f"results/{RUN}/{name}/dataset.h5ad") for name in DATASETS):
    config["simulated"] = SIMULATION_NOTE


def any_of(names):
    """Regular expression of some names; of none, if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    run=any_of(RUNS.variants),
    # Data sets without types have no grid, but are imported.
    dataset=any_of([one.name for one in settings.datasets]),
    subset=any_of(SUBSETS),
    replicate=r"r\d+",
    kind="(semi-)?(gm)?vae|dca",
    representation=r"[A-Za-z0-9-]+",
    classifier=r"[A-Za-z0-9-]+",


def code_of(script):
    """Digest of a script and of the modules that it imports."""
    path = WORKFLOW / "scripts" / script
    return code_digest(path if path.exists() else workflow.source_path(f"../scripts/{script}"))


def size_of(dataset):
    """Size of a data set: from the imported file, or an estimate before the import."""
    imported = f"results/{RUN}/{dataset}/dataset.h5ad"
    return dataset_size(imported, settings.dataset(dataset), size_of)


GPU = bool(workflow.global_resources.get("gpu").value)
# None on a cluster, and in a job that it runs.
CORES = workflow.resource_settings.cores if workflow.is_main_process else None
DEMANDS = Demands(RUNS.variants, size_of, GPU)


def needs(rule):
    """Memory and run time of a rule's jobs, and a GPU for trainings on GPUs."""

    def mem_mb(wildcards, threads, attempt):
        return DEMANDS.of(rule, wildcards, threads).mem_mb(attempt)

    def runtime(wildcards, threads, attempt):
        return DEMANDS.of(rule, wildcards, threads).runtime(attempt)

    found = {"mem_mb": mem_mb, "runtime": runtime}
    if DEMANDS.may_use_gpu(rule):
        found["gpu"] = lambda wildcards: DEMANDS.gpus(rule, wildcards)
    return found


def chosen_models(dataset):
    """Names of a data set's chosen models, after the checkpoint."""
    path = checkpoints.choose_models.get(run=RUN, dataset=dataset).output[0]
    try:
        return read_json(path)["models"]
    except (ValueError, LookupError, TypeError) as error:
        raise WorkflowError(f"{path}: expected the chosen models, found {error}")


def all_chosen(wildcards=None):
    """Chosen models of all data sets."""
    return {dataset: chosen_models(dataset) for dataset in DATASETS}


def sources_of(dataset):
    """Data sets of the run that a derived one is made from, or the user's files, if any.

    The time of a folder or a matrix does not change when a file in it or beside it is overwritten.
    """
    found = settings.dataset(dataset)
    if found.is_derived:
        path = "results/{run}/{dataset}/dataset.h5ad"
        return expand(path, run=RUN, dataset=found.sources())
    files = found.local_files()
    for name in files:
        if not Path(name).exists():
            sys.exit(
                f"latentcell: {name}: expected the data of the config, found no file beside it or "
                f"in {Path.cwd()}"
            )
    return with_parts(files)
