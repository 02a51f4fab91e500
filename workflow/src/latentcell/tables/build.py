"""The study's tables 3 to 5 from tidy records: mean and sd over replicates beside the printed.

All measures are taken on the test cells, as the study did. A column ``<measure>_sd`` holds the
sample standard deviation over replicates (empty with one), ``<measure>_published`` the study's
number, where it belongs to the same data set, number of cells and model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from latentcell.evaluate.summary import summarise
from latentcell.names import ModelName, cells_size, pca_components
from latentcell.settings import Settings
from latentcell.tables.published import (
    PUBLISHED_ACCURACIES,
    PUBLISHED_MODELS,
    PublishedModel,
)

STUDY_DATASETS = ("pbmc68k-study", "pbmc68k")


@dataclass(frozen=True)
class Measure:
    """A measure of a table: its columns' prefix, its name in the records, what was published."""

    prefix: str
    source: str
    published: Callable[[PublishedModel], float] | None = None


# elbo is the true mean beside the printed number; elbo_scvae, inflated as scVAE's own, beside its.
MODEL_MEASURES = (
    Measure("elbo", "elbo", lambda model: model.elbo),
    Measure("rand_index", "ari_clusters", lambda model: model.rand_index),
    Measure("elbo_scvae", "elbo_scvae", lambda model: model.log.elbo),
    Measure("enre", "enre", lambda model: model.log.enre),
    Measure("kl_z", "kl_z", lambda model: model.log.kl_z),
    Measure("kl_y", "kl_y", lambda model: model.log.kl_y),
    Measure("ami_clusters", "ami_clusters", lambda model: model.log.ami_clusters),
    Measure(
        "silhouette_clusters", "silhouette_clusters", lambda model: model.log.silhouette_clusters
    ),
    Measure("accuracy", "accuracy", lambda model: model.log.accuracy),
    Measure("components_used", "components_used"),
)
ACCURACY_MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")


def table3(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Every model of the grid on the first subset.

    Parameters
    ----------
    records : DataFrame
        Of `latentcell.tables.collect.collect_vae_records`, at least of the first subset.
    settings : Settings
        Of the run; say the order of the rows and whether the study's numbers belong here.
    """
    first = settings.subset_names()[0]
    return _model_table(records, settings, [first]).drop(columns="subset")


def table4(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The chosen models on the other subsets; no rows where there is one subset only.

    Parameters
    ----------
    records : DataFrame
        Of `latentcell.tables.collect.collect_vae_records`.
    settings : Settings
        Of the run.
    """
    return _model_table(records, settings, settings.subset_names()[1:])


def table5(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Test accuracy of the classifier on each input and subset.

    Parameters
    ----------
    records : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`.
    settings : Settings
        Of the run.

    Returns
    -------
    DataFrame
        input (raw, PCA, scVAE for GMVAE latents, VAE), subset, model, dim, hidden_units, then
        mean, sd and published of accuracy, balanced_accuracy and macro_f1, test_cells_mean and
        replicates.
    """
    sizes = subset_sizes(records, settings)
    inputs = set(records["input"])
    models = [str(model) for model in settings.models() if str(model) in inputs]
    numbers = number_models(settings, sizes, models)
    test = records[records["split"] == "test"]
    summary = _summary(test, ["cells", "input"], [*ACCURACY_MEASURES, "split_cells"])
    rows = [
        _input_keys(name, sizes[cells])
        | {"model": numbers.get((cells, name))}
        | {"accuracy_published": _published_accuracy(settings, name, sizes[cells])}
        | summary[cells, name]
        | {"test_cells_mean": summary[cells, name]["split_cells_mean"]}
        for cells in settings.subset_names()
        for name in _input_order(settings, models)
        if (cells, name) in summary
    ]
    measures = [
        f"{measure}_{part}" for measure in ACCURACY_MEASURES for part in ("mean", "sd", "published")
    ]
    keys = ["input", "subset", "model", "dim", "hidden_units"]
    return _typed(pd.DataFrame(rows, columns=[*keys, *measures, "test_cells_mean", "replicates"]))


def pca_variance(variance: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Cumulative variance explained at each configured k: mean over replicates, first subset.

    Parameters
    ----------
    variance : DataFrame
        Of `latentcell.tables.collect.collect_variance`.
    settings : Settings
        Of the run.

    Returns
    -------
    DataFrame
        k, explained_variance_percent; no row for a k that the cells were too few for.
    """
    first = variance[variance["cells"] == settings.subset_names()[0]]
    means = first.groupby("k")["explained_variance_percent"].mean()
    wanted = [k for k in sorted(set(settings.pca.components)) if k in means.index]
    return means.loc[wanted].reset_index()


def subset_sizes(records: pd.DataFrame, settings: Settings) -> dict[str, int]:
    """Number of cells of each subset; that of ``all`` is the sum over the splits in the records."""
    job = ["cells", "replicate", "model" if "model" in records else "input"]
    totals = records.groupby(job)["split_cells"].sum().groupby("cells").max()
    sizes = {cells: cells_size(cells) for cells in settings.subset_names()}
    return {
        cells: int(totals.get(cells, 0)) if size == "all" else size for cells, size in sizes.items()
    }


def number_models(
    settings: Settings, sizes: dict[str, int], chosen: Iterable[str]
) -> dict[tuple[str, str], int]:
    """Number every model of the run by subset and name, with the study's numbers where they fit.

    The whole grid is numbered on the first subset, then the chosen models on the others. Where
    no model is one of the study's the numbers run from 1, else the others come after its 20.
    """
    first, *others = settings.subset_names()
    taken_on = set(chosen)
    pairs = [(first, model) for model in settings.models()]
    pairs += [
        (cells, model) for cells in others for model in settings.models() if str(model) in taken_on
    ]
    matches = [published_model(settings, sizes[cells], model) for cells, model in pairs]
    following = len(PUBLISHED_MODELS) + 1 if any(matches) else 1
    numbers = {}
    for (cells, model), match in zip(pairs, matches, strict=True):
        numbers[cells, str(model)] = match.model if match else following
        following += match is None
    return numbers


def published_model(settings: Settings, size: int, model: ModelName) -> PublishedModel | None:
    """The study's model of the same data set, number of cells and shape, if there is one."""
    if settings.dataset.name not in STUDY_DATASETS or model.kind != "gmvae":
        return None
    shape = (size, model.latent_dim, model.hidden_units)
    for published in PUBLISHED_MODELS:
        if shape == (published.subset, published.latent_dim, published.hidden_units):
            return published
    return None


def _model_table(records: pd.DataFrame, settings: Settings, subsets: list[str]) -> pd.DataFrame:
    sizes = subset_sizes(records, settings)
    first = settings.subset_names()[0]
    chosen = records.loc[records["cells"] != first, "model"].unique()
    numbers = number_models(settings, sizes, chosen)
    test = records[records["split"] == "test"]
    summary = _summary(test, ["cells", "model"], [measure.source for measure in MODEL_MEASURES])
    rows = [
        {
            "model": numbers[cells, str(model)],
            "latent_dim": model.latent_dim,
            "hidden_units": model.hidden_units,
            "kind": model.kind,
            "subset": sizes[cells],
        }
        | _measure_columns(
            summary[cells, str(model)], published_model(settings, sizes[cells], model)
        )
        for cells in subsets
        for model in settings.models()
        if (cells, str(model)) in summary
    ]
    keys = ["model", "latent_dim", "hidden_units", "kind", "subset"]
    return _typed(pd.DataFrame(rows, columns=[*keys, *_measure_names(), "replicates"]))


def _measure_names() -> list[str]:
    return [
        f"{measure.prefix}_{part}"
        for measure in MODEL_MEASURES
        for part in ("mean", "sd", "published")
        if part != "published" or measure.published
    ]


def _summary(
    records: pd.DataFrame, by: list[str], values: list[str]
) -> dict[tuple[str, str], dict[str, object]]:
    """Means, standard deviations and numbers of replicates by subset and name."""
    rows = summarise(records, by, values).to_dict("records")
    return {
        (row[by[0]], row[by[1]]): {str(key): row[key] for key in row if key not in by}
        for row in rows
    }


def _measure_columns(
    summary: dict[str, object], published: PublishedModel | None
) -> dict[str, object]:
    columns: dict[str, object] = {"replicates": summary["replicates"]}
    for measure in MODEL_MEASURES:
        for part in ("mean", "sd"):
            columns[f"{measure.prefix}_{part}"] = summary[f"{measure.source}_{part}"]
        if measure.published and published:
            columns[f"{measure.prefix}_published"] = measure.published(published)
    return columns


def _input_order(settings: Settings, models: list[str]) -> list[str]:
    return ["raw", *(f"pca-k{k}" for k in sorted(set(settings.pca.components))), *models]


def _input_keys(name: str, size: int) -> dict[str, object]:
    """The words that the study's Table 5 has for an input."""
    if name == "raw":
        return {"input": "raw", "subset": size}
    if components := pca_components(name):
        return {"input": "PCA", "subset": size, "dim": components}
    model = ModelName.parse(name)
    return {
        "input": "scVAE" if model.kind == "gmvae" else "VAE",
        "subset": size,
        "dim": model.latent_dim,
        "hidden_units": model.hidden_units,
    }


def _published_accuracy(settings: Settings, name: str, size: int) -> float | None:
    if settings.dataset.name not in STUDY_DATASETS:
        return None
    keys = _input_keys(name, size)
    wanted = tuple(keys.get(key) for key in ("input", "subset", "dim", "hidden_units"))
    for row in PUBLISHED_ACCURACIES:
        if wanted == (row.input, row.subset, row.dim, row.hidden_units):
            return row.accuracy
    return None


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as whole numbers, although some are missing; measures as floats."""
    whole = {"model", "latent_dim", "hidden_units", "subset", "dim", "replicates"}
    text = {"input", "kind"}
    return table.astype(
        {
            name: "Int64" if name in whole else "float64"
            for name in table.columns
            if name not in text
        }
    )
