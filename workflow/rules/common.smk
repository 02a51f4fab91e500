"""The checked configuration, what wildcards may be, and the lists of files that rules share."""

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package is found in its folder, installed or not, here and in the scripts of every job.
SOURCE = f"{workflow.basedir}/workflow/src"
sys.path.insert(0, SOURCE)
from latentcell.checksums import name_changed, set_changed_aside
from latentcell.job import export_source
from latentcell.deposited import DEPOSITED, repeat_batches
from latentcell.errors import InputError
from latentcell.figures.catalogue import figure_inputs, figure_names
from latentcell.figures.data import map_representations
from latentcell.grouping import batches, classifier_groups, model_groups
from latentcell.io import read_json
from latentcell.leaderboard.demand import ranking, representing
from latentcell.methods import (
    classifier,
    fitting_classifiers,
    is_existing,
    representation,
)
from latentcell.mark import SIMULATION_NOTE, bears_mark
from latentcell.names import cells_size, labelled_name, pca_components
from latentcell.protocols import protocol
from latentcell.provenance import PACKAGE, code_digest, file_digest, text_digest
from latentcell.resources import (
    BUILT_IN,
    classifying,
    dataset_size,
    drawing,
    importing,
    learning_types,
    mapping,
    principal_components,
    sampling,
    small,
    training,
    typing,
)
from latentcell.reuse import export_reuse
from latentcell.settings import parse_settings
from latentcell.variants import comparison, is_latent, latent_draw

export_source(SOURCE)
try:
    settings = parse_settings(config)
except InputError as error:
    sys.exit(f"latentcell: {error}")
export_reuse(settings.jobs.reuse)

SCRIPTS = f"{workflow.basedir}/workflow/scripts"
RUN = settings.run
# The run and its variants, each with settings of its own; a rule's {run} is a folder of one.
COMPARISON = comparison(settings)
FOLDERS = [COMPARISON.folder(variant) for variant in COMPARISON.variants]
SUBSETS = settings.subset_names()
REPLICATES = settings.replicate_names()
# Of the run itself and of those variants that ask for more of them.
ALL_REPLICATES = sorted(
    {*REPLICATES, *(r for v in COMPARISON.variants for _, r in v.files())}
)

# What was changed since it was written is made anew, which Snakemake by itself does not see to.
if workflow.is_main_process:
    look = name_changed if workflow.output_settings.dryrun else set_changed_aside
    try:
        for sentence in look(RUN):
            print(f"latentcell: {sentence}", file=sys.stderr)
    except OSError as error:
        sys.exit(
            f"latentcell: {error.filename}: {error.strerror}, found as results were checked"
        )

# Captions of the report say so where the cells are simulated.
if bears_mark(f"results/{RUN}/dataset.h5ad"):
    config["simulated"] = SIMULATION_NOTE

# What the tables depend on: not the seeds or epochs, which reach them through the measures.
LAYOUT = settings.model_dump(
    mode="json", include={"run", "replicates", "dataset", "subset", "grid", "pca"}
)


wildcard_constraints:
    run="|".join(map(re.escape, FOLDERS)),
    cells="|".join(map(re.escape, SUBSETS)),
    replicate="|".join(ALL_REPLICATES),
    model=r"(gmvae|vae)-z\d+-h\d+",
    input=r"raw|pca-k\d+|(gmvae|vae)-z\d+-h\d+",
    representation=r"[a-z0-9-]+",


def code_of(script):
    """Digest of a script and of the modules that it imports."""
    return code_digest(f"{SCRIPTS}/{script}")


def assets_digest():
    """Digest of what the page of the answer is made with beside code."""
    assets = sorted((PACKAGE / "report/assets").iterdir())
    return text_digest(*map(file_digest, assets))


def part(name, settings=settings):
    """A section of the settings as plain values, for the parameters of a rule."""
    return getattr(settings, name).model_dump(mode="json")


def part_of(name):
    """The function that gives a section of the settings of the run or variant in a path."""

    def section(wildcards):
        return part(name, COMPARISON.of_folder(wildcards.run).settings)

    return section


def latent_part(index):
    """The function that says how the generative models' own cells are drawn (0) and split (1)."""

    def section(wildcards):
        draw = latent_draw(COMPARISON.of_folder(wildcards.run).settings)
        return draw[index].model_dump(mode="json")

    return section


def comparison_files():
    """What the comparison collects, of the run and of every variant."""
    files = [
        path
        for stage, name in [
            ("ffnn", "metrics.json"),
            ("ffnn", "history.csv"),
            ("vae", "metrics.json"),
        ]
        for paths in COMPARISON.all_files(stage, name).values()
        for path in paths
    ]
    return list(dict.fromkeys(files)) + list(COMPARISON.variance_files().values())


def own_predictions():
    """Predictions of every classifier of the run itself, on the cells that inputs share."""
    return COMPARISON.all_files("ffnn", "predictions.csv")[COMPARISON.variants[0].name]


def compared():
    """Targets of the comparison, where the configuration asks for one."""
    return ["comparison", "claims"] if len(COMPARISON.variants) > 1 else []


def compared_files():
    """The files of these targets."""
    return [rules.comparison.input, rules.claims.input] if compared() else []


def deposit_files():
    """Table 5 on the authors' own data, where these are the cells of their deposit."""
    own = settings.dataset.name == "pbmc68k-study"
    return rules.table5_deposit.input if own else []


def chosen_models():
    """Names of the models that were chosen; known only when the checkpoint has run."""
    path = checkpoints.choose_models.get(run=RUN).output[0]
    try:
        return read_json(path)["models"]
    except (ValueError, LookupError, TypeError) as error:
        raise WorkflowError(f"{path}: expected the chosen models, found {error}")


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


def bundle_files():
    """The files of what types cells."""
    names = ["bundle.json", "genes.csv", "classifier.safetensors"]
    return names + (["density.safetensors"] if settings.annotate.density else [])


def annotator_settings():
    """How cells are typed, without what is typed: another query re-runs no learning."""
    files = {"query", "query_layer"}
    return settings.annotate.model_dump(mode="json", exclude=files)


def annotated_files():
    """What typing the cells of a query comes to, where the configuration names one."""
    query = settings.annotate.query
    if query is None:
        return []
    if not Path(query).exists():
        sys.exit(
            f"latentcell: {query}: expected the cells that annotate.query names, found no file"
        )
    return [
        f"results/{RUN}/annotate/cells.{format}" for format in ("h5ad", "csv", "json")
    ]


def wanted_annotation(wildcards):
    """The same, for whoever asks for it."""
    if settings.annotate.query is None:
        raise WorkflowError(
            "annotate: expected annotate.query to name a file of cells, found none: set it in "
            "the configuration"
        )
    return annotated_files()


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


def threads_for(trainings, groups):
    """Threads of a job, one for each of its trainings, unless its like keep all cores busy.

    A job that waits for several cores leaves those idle that others free one by one. On a cluster
    others' jobs take them; and there it must not matter how many cores a job finds on its node.
    """

    def threads(wildcards):
        here = workflow.local_exec and not workflow.remote_exec
        enough = here and workflow.cores and len(groups) >= workflow.cores
        return 1 if enough else len(trainings)

    return threads


def latents_are_shared(settings):
    """Whether the generative models see the cells and the split of all other inputs."""
    return settings.latents.cells == "shared" and settings.latents.split == "shared"


def latent_cells(wildcards):
    """The cells that a generative model of the run itself is trained on."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    name = "cells" if latents_are_shared(settings) else "vae/cells"
    return f"{folder}/{name}.h5ad"


def model_cells(variant, model, replicate):
    """The cells that a model of a variant is trained on, in the folder that makes them."""
    shared = latents_are_shared(variant.settings)
    stage, name = ("cells", "cells") if shared else ("latent_cells", "vae/cells")
    folder = COMPARISON.home(variant, stage, model, replicate)
    return f"results/{folder}/{SUBSETS[0]}/{replicate}/{name}.h5ad"


def variant_features(variant, input, replicate):
    """The file that holds a representation of a variant, in the folder that makes it."""
    stage = "cells" if input == "raw" else "vae" if is_latent(input) else "pca"
    folder = COMPARISON.home(variant, stage, input, replicate)
    return features_file(f"results/{folder}/{SUBSETS[0]}/{replicate}", input)


def group_name(group):
    """What a group of trainings is called in names of rules, logs and benchmarks."""
    own = COMPARISON.folder(group.variant) == RUN
    return (
        f"batch{group.number}" if own else f"{group.variant.name}-batch{group.number}"
    )


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


def training_outputs(stage, features, paths):
    """The files of each training of a group, kind by kind, as keywords of a rule's output."""
    names = {
        "model": "model.safetensors",
        "history": "history.csv",
        features: "latent.h5ad" if features == "latent" else "predictions.csv",
        "metrics": "metrics.json",
    }
    return {
        kind: [
            f"results/{folder}/{replicate}/{stage}/{name}/{file}"
            for folder, replicate, name in paths
        ]
        for kind, file in names.items()
    }


def vae_outputs(paths):
    """The files of models, each (folder with the subset, replicate, model)."""
    return training_outputs("vae", "latent", paths)


def ffnn_outputs(paths):
    """The files of classifiers, each (folder with the subset, replicate, input)."""
    return training_outputs("ffnn", "predictions", paths)


def ffnn_paths(inputs, replicates):
    """Where the files of a batch of the run's own classifiers lie."""
    folder = f"{RUN}/{{cells}}"
    return [(folder, replicate, input) for input in inputs for replicate in replicates]


def group_paths(group):
    """Where the files of a group's trainings lie: folder with the subset, replicate, name."""
    folder = f"{COMPARISON.folder(group.variant)}/{SUBSETS[0]}"
    return [(folder, replicate, name) for name, replicate in group.pairs]


def representation_files(inputs, replicates):
    """The function that names the features of each classifier of a batch, in their order."""

    def files(wildcards):
        names = [getattr(wildcards, "model", input) for input in inputs]
        folder = f"results/{RUN}/{wildcards.cells}"
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


def reported_markdown(table):
    """The Markdown file of a table of the comparison, which is shown in the report."""
    return report(
        f"results/{{run}}/tables/{table}.md",
        caption=f"../report/{table}.rst",
        category="Comparison",
        labels={"table": table},
    )


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


def asking(demand):
    """Memory and time of a rule, of which `demand` tells for wildcards and threads."""

    def mem_mb(wildcards, threads, attempt):
        return demand(wildcards, threads).mem_mb(attempt)

    def runtime(wildcards, threads, attempt):
        return demand(wildcards, threads).runtime(attempt)

    return {"mem_mb": mem_mb, "runtime": runtime}


def granted_gpu(device):
    """A GPU for a rule that can use one, where some are granted by `--resources gpu=...`."""
    granted = workflow.global_resources.get("gpu").value
    return {"gpu": 1} if granted and device != "cpu" else {}


def data_size():
    """Size of the data set, once it is imported; before, what is known of it."""
    return dataset_size(f"results/{RUN}/dataset.h5ad", settings.dataset)


def subset_size(wildcards):
    """Size of a subset: the one in a path, or else the first."""
    return data_size().of(cells_size(getattr(wildcards, "cells", SUBSETS[0])))


def small_needs():
    """What a table or figure needs."""
    return asking(lambda wildcards, threads: small(data_size().cells))


def import_needs():
    """What importing the data set needs."""
    return asking(lambda wildcards, threads: importing(own_files(), settings.dataset))


def annotator_needs():
    """What learning to type cells needs."""
    return asking(
        lambda wildcards, threads: learning_types(data_size(), settings.annotate)
    )


def typing_needs():
    """What typing the cells of a query needs."""
    query = settings.annotate.query
    return asking(
        lambda wildcards, threads: typing(
            query, data_size(), settings.annotate, threads
        )
    )


def cells_needs():
    """What reading, drawing and writing cells needs."""
    return asking(
        lambda wildcards, threads: drawing(data_size(), subset_size(wildcards))
    )


def pca_needs():
    """What principal components need."""
    return asking(
        lambda wildcards, threads: principal_components(subset_size(wildcards))
    )


def map_needs():
    """What a map needs."""
    return asking(lambda wildcards, threads: mapping(subset_size(wildcards)))


def sample_needs():
    """What drawing cells from a model needs."""
    number = settings.vae.samples
    return asking(
        lambda wildcards, threads: sampling(
            wildcards.model, number, subset_size(wildcards)
        )
    )


def training_needs(models, settings=settings):
    """What training models needs; `{model}` is that of the path."""
    gpu = granted_gpu(settings.vae.device)

    def demand(wildcards, threads):
        names = [getattr(wildcards, "model", name) for name in models]
        cells = subset_size(wildcards)
        return training(names, cells, settings.vae, threads, bool(gpu))

    return asking(demand) | gpu


def classifying_needs(inputs, settings=settings):
    """What training classifiers needs; `{model}` is that of the path."""

    def demand(wildcards, threads):
        names = [getattr(wildcards, "model", name) for name in inputs]
        return classifying(names, subset_size(wildcards), settings.ffnn, threads)

    return asking(demand) | granted_gpu(settings.ffnn.device)


def repeating_needs(deposited, number):
    """What so many classifiers on what the authors deposited need."""
    input, cells = deposited.rsplit("-", 1)
    size = BUILT_IN["pbmc68k"].of(cells_size(cells))
    ffnn = settings.ffnn.model_validate(protocol("as-run")["ffnn"])
    return asking(
        lambda wildcards, threads: classifying([input] * number, size, ffnn, threads)
    )


def few_label_replicates():
    """Replicates in which few labels are tried."""
    return REPLICATES[: settings.few_labels.replicates]


def few_label_files():
    """What few labels come to, where the configuration asks for them."""
    if not settings.few_labels.shares:
        return []
    kinds = [("tables", ["csv", "md"]), ("figures", ["pdf", "png", "svg"])]
    return [
        f"results/{RUN}/{folder}/few_labels.{format}"
        for folder, formats in kinds
        for format in formats
    ]


def guided_settings(share):
    """The settings of the run with the labels of a share of the training cells."""
    vae = settings.vae.model_copy(update={"labelled_share": share})
    return settings.model_copy(update={"vae": vae})


def guided_batches():
    """Shares and replicates of GMVAEs guided by labels that share a job."""
    size = settings.jobs.models_per_job
    return [
        (share, replicates)
        for share in settings.few_labels.shares
        for replicates in batches(few_label_replicates(), size)
    ]


def guided_paths(share, replicates):
    """Where the files of guided models lie: folder with the subset, replicate, model."""
    folder = f"{RUN}/few_labels/{labelled_name(share)}/{SUBSETS[0]}"
    model = settings.few_labels.model
    return [(folder, replicate, model) for replicate in replicates]


def guided_latents():
    """What the guided models of a replicate say of its cells, share by share."""
    name = f"vae/{settings.few_labels.model}/latent.h5ad"
    folders = map(labelled_name, settings.few_labels.shares)
    return [
        f"results/{{run}}/few_labels/{folder}/{{cells}}/{{replicate}}/{name}"
        for folder in folders
    ]


def few_label_needs():
    """What classifiers with every share of the labels need."""
    inputs = ["raw"] * max(1, len(settings.few_labels.shares))

    def demand(wildcards, threads):
        return classifying(inputs, subset_size(wildcards), settings.ffnn, threads)

    return asking(demand)


def ranked_pairs():
    """Representations of the leaderboard with the classifiers that can take each."""
    wanted = settings.leaderboard
    return {
        name: fitting_classifiers(name, wanted.classifiers)
        for name in wanted.representations
    }


def ranked_replicates(representation):
    """Replicates in which a representation is ranked."""
    wanted = settings.leaderboard
    return REPLICATES[: wanted.replicates_of(representation, len(REPLICATES))]


def leaderboard_files():
    """What the leaderboard comes to, where the configuration asks for one."""
    if not any(ranked_pairs().values()):
        return []
    kinds = [("tables", FORMATS), ("figures", ["pdf", "png", "svg"])]
    return [
        f"results/{RUN}/{folder}/leaderboard.{format}"
        for folder, formats in kinds
        for format in formats
    ]


def ranked():
    """The target of the leaderboard, where there is one."""
    return ["leaderboard"] if leaderboard_files() else []


def ranked_features(representation):
    """The file of a representation, whether the run has it anyway or the leaderboard makes it."""
    folder = "results/{run}/{cells}/{replicate}"
    if is_existing(representation):
        return features_file(folder, representation)
    return f"{folder}/representations/{representation}/scores.h5ad"


def ranked_outputs(representation):
    """Files of all classifiers of a representation; those that are up to date may stay."""
    folder = f"results/{{run}}/{{cells}}/{{replicate}}/leaderboard/{representation}"
    kinds = {"predictions": "csv", "metrics": "json", "cost": "json"}
    return {
        kind: [
            update(f"{folder}/{name}/{kind}.{suffix}")
            for name in ranked_pairs()[representation]
        ]
        for kind, suffix in kinds.items()
    }


def ranked_files(file):
    """A file of every representation, replicate and classifier."""
    return [
        f"results/{RUN}/{SUBSETS[0]}/{replicate}/leaderboard/{name}/{classifier}/{file}"
        for name, classifiers in ranked_pairs().items()
        for replicate in ranked_replicates(name)
        for classifier in classifiers
    ]


def representation_code(wildcards):
    """Digest of a representation's file and of what it imports."""
    return code_digest(representation(wildcards.representation).path)


def classifier_codes(name):
    """The same of each classifier that can take a representation."""
    return {one: code_digest(classifier(one).path) for one in ranked_pairs()[name]}


def left_out_classifiers(representation):
    """Classifiers that can't take a representation."""
    there = ranked_pairs()[representation]
    return [name for name in settings.leaderboard.classifiers if name not in there]


def left_out_sentence():
    """What the table says of these."""
    missing = [
        f"{', '.join(names)} on {representation}"
        for representation in settings.leaderboard.representations
        if (names := left_out_classifiers(representation))
    ]
    return f"Left out, as they make no sense: {'; '.join(missing)}." if missing else ""


def learning_costs():
    """Where it stands what each representation took: file, names, models that shared the job."""
    found = []
    for name in settings.leaderboard.representations:
        for replicate in ranked_replicates(name):
            folder = f"{SUBSETS[0]}/{replicate}"
            if not is_existing(name):
                path = f"results/{RUN}/{folder}/representations/{name}/cost.json"
                found.append((path, name, replicate, 1))
            elif pca_components(name):
                path = f"results/{RUN}/benchmarks/{folder}/fit_pca.tsv"
                found.append((path, name, replicate, 1))
            elif is_latent(name):
                path, models = model_benchmark(name, replicate)
                found.append((path, name, replicate, models))
    return found


def model_benchmark(model, replicate):
    """Snakemake's benchmark of the job that trains a model, and how many models share it."""
    for group in model_groups(COMPARISON):
        own = COMPARISON.folder(group.variant) == RUN
        if own and (model, replicate) in group.pairs:
            name = f"{SUBSETS[0]}/train_vae/{group_name(group)}.tsv"
            return f"results/{RUN}/benchmarks/{name}", len(group.pairs)


def represent_needs():
    """What learning a representation of the leaderboard needs."""
    return asking(lambda wildcards, threads: representing(subset_size(wildcards)))


def ranking_needs():
    """What all classifiers of a representation need."""
    return asking(lambda wildcards, threads: ranking(subset_size(wildcards)))
