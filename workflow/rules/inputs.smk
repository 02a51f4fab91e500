"""Input files of jobs, from the points of the grid.

`represented` and `classified` list files of representations and classifiers at points of the grid.
The other functions list the inputs of single rules.
"""

from latentcell.config.protocols import protocol
from latentcell.figures.catalogue import FIGURES, figure_inputs, figure_stems
from latentcell.figures.data import map_representations
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.report.page import assets_digest
from latentcell.study.deposited import DEPOSITED, repeat_parts
from latentcell.tables.catalogue import NEEDS, table_entry, table_names


def represented(file, points):
    """Paths of a file of each representation at points of the grid."""
    path = "results/{run}/{dataset}/{subset}/{replicate}/{representation}/"
    return list(dict.fromkeys(expand(path + file, zip, **columns(points))))


def classified(file, points):
    """Paths of a file of each classifier at points of the grid."""
    path = "results/{run}/{dataset}/{subset}/{replicate}/{representation}/{classifier}/"
    return expand(path + file, zip, **columns(points))


def cells_of_model(wildcards):
    """Training cells of a generative model."""
    name = RUNS.model_cells(wildcards)
    return f"results/{{run}}/{{dataset}}/{{subset}}/{{replicate}}/{name}.h5ad"


def pool_of_model(wildcards):
    """Output of the job that trains all models of the replicate, if pooled."""
    name = RUNS.model_cells(wildcards)
    pool = f"results/{{run}}/{{dataset}}/{{subset}}/{{replicate}}/pool-{name}.json"
    return pool if settings.is_pooled(wildcards.subset) else []


def measures_of_models(wildcards):
    """Measures of all models of a data set on the first subset."""
    points = [one for one in model_points(RUNS.main) if one.dataset == wildcards.dataset]
    return represented("metrics.json", points)


def recorded(record):
    """Files of a record, with the names of their variants."""
    chosen, pairs = all_chosen(), []
    for variant in RUNS.variants.values():
        main = variant is RUNS.main
        models = list(model_points(variant, chosen if main else None))
        points = list(classifier_points(variant, chosen if main else None))
        # The types that count are those of the run's own cells, in all variants.
        cells = of_datasets(*(f"{subset}/r1/cells.h5ad" for subset in SUBSETS)) if main else []
        pca = RUNS.largest_pca(points)
        files = {
            "models": represented("metrics.json", models),
            "classifiers": classified("metrics.json", points) + cells,
            "classes": classified("metrics.json", points) + cells,
            "model_curves": represented("history.csv", models),
            "curves": classified("history.csv", points),
            "costs": classified("cost.json", points) + represented("cost.json", points),
            "variance": represented("features.h5ad", pca) + represented("model.safetensors", pca),
            "quality": represented("quality.json", RUNS.measured(points)),
            "class_counts": of_datasets("dataset.h5ad", f"{SUBSETS[0]}/r1/cells.h5ad"),
        }
        if main or record != "class_counts":
            pairs += [(variant.name, file) for file in files[record]]
    return pairs


def of_datasets(*files):
    """Paths of files of each data set of the run."""
    return expand("results/{run}/{dataset}/{file}", run=RUN, dataset=DATASETS, file=files)


def predictions_of_run(wildcards):
    """Predictions of the study's classifier on the first subset."""
    points = classifier_points(RUNS.main, all_chosen())
    study = (STUDY_CLASSIFIER, SUBSETS[0])
    own = [one for one in points if (one.classifier, one.subset) == study]
    return classified("predictions.csv", own)


def needed(need):
    """Return a function that lists an input of a table, if the table needs it."""
    path = {
        "predictions": predictions_of_run,
        "deposit": deposited_accuracies(),
        "table5_deposit": f"results/{RUN}/tables/table5_deposit.csv",
    }.get(need, f"results/{RUN}/records/{need}.csv")

    def files(wildcards):
        if need not in table_entry(wildcards.table).needs_of(settings):
            return []
        return path(wildcards) if callable(path) else path

    return files


def files_of_figure(wildcards):
    """Input files of a figure, after the choice of models."""
    chosen = chosen_models(wildcards.dataset)
    names = figure_inputs(wildcards.figure, settings, wildcards.dataset, chosen)
    return [f"results/{RUN}/{name}" for name in names]


def deposited_accuracies():
    """Accuracies of each deposited input, in the order of Table 5."""
    path = "results/{run}/deposit/{deposited}/accuracies.csv"
    return expand(path, run=RUN, deposited=DEPOSITED)


def bundle_files():
    """Files of a trained annotator."""
    tensors = ["classifier", "held_out", "sample"]
    tensors += ["density"] if settings.annotate.density else []
    names = ["bundle.json", "genes.csv", *(f"{name}.safetensors" for name in tensors)]
    return expand("results/{run}/annotate/bundle/{file}", run=RUN, file=names)


def query_file(wildcards):
    """The user's file of cells to annotate, first, and the files of its matrix."""
    query = settings.annotate.query
    if query is None:
        raise WorkflowError(
            "annotate: expected a file of cells in annotate.query, found none: set it in the "
            "configuration"
        )
    if not Path(query).exists():
        raise WorkflowError(f"{query}: expected the cells of annotate.query, found no file")
    return with_parts([query])


def annotated_files():
    """Annotated cells, if the configuration has a query."""
    return rules.annotate.output if settings.annotate.query is not None else []


def points_of_cells(wildcards):
    """Points of the grid of a subset and replicate."""
    same = ("dataset", "subset", "replicate")
    return [
        point
        for point in classifier_points(RUNS.main, all_chosen())
        if all(getattr(point, name) == wildcards[name] for name in same)
    ]


def maps_of_cells(wildcards):
    """Maps of a subset, in the first replicate only."""
    if wildcards.replicate != REPLICATES[0]:
        return []
    names = map_representations(settings, chosen_models(wildcards.dataset), wildcards.subset)
    path = "results/{{run}}/{{dataset}}/{{subset}}/{{replicate}}/{name}/tsne.csv"
    return expand(path, name=names)


def finished_cells():
    """AnnData files of all subsets and replicates with all results."""
    folders = expand("{subset}/{replicate}", subset=SUBSETS, replicate=REPLICATES)
    return of_datasets(*(f"{folder}/finished.h5ad" for folder in folders))


def samples():
    """Cells sampled from each model of one seed, if the configuration has `vae.samples`."""
    models = model_points(RUNS.main) if settings.vae.samples else []
    single = {str(model) for model in settings.models() if model.seeds == 1}
    return represented("samples.h5ad", [one for one in models if one.representation in single])


def histories(wildcards):
    """Learning curves of models and classifiers."""
    chosen = all_chosen()
    models = represented("history.csv", model_points(RUNS.main, chosen))
    return models + classified("history.csv", classifier_points(RUNS.main, chosen))
