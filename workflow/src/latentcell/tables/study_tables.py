"""Tables 3 to 5 of the study from tidy records, with published values.

All measures are on test cells, as in the study. Columns ``<measure>_sd`` have the sample standard
deviation over replicates (empty for one replicate). Columns ``<measure>_published`` have the
study's value for the same data set, number of cells and model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from latentcell.config.names import ModelName, cells_size, is_model, pca_components, pca_name
from latentcell.config.settings import Settings
from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.summary import summarise
from latentcell.study.published import (
    PUBLISHED_MODELS,
    STUDY_DATASETS,
    PublishedModel,
    published_accuracies,
)


@dataclass(frozen=True)
class Measure:
    """Measure of a table: prefix of its columns, name in the records, published value."""

    prefix: str
    source: str
    published: Callable[[PublishedModel], float] | None = None


# `elbo` is the true mean, beside the printed value; `elbo_scvae` is inflated, beside scVAE's log.
MODEL_MEASURES = (
    Measure("elbo", "elbo", lambda model: model.elbo),
    Measure("rand_index", "ari_clusters", lambda model: model.rand_index),
    Measure("elbo_scvae", "elbo_scvae", lambda model: model.log.elbo),
    Measure("elbo_se", "elbo_se"),
    Measure("elbo_per_umi", "elbo_per_umi"),
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
# Column: whether the ELBOs are given the cells' count sums.
_GIVEN = "given_count_sum"


def table3(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Build Table 3: all models of the grid on the first subset.

    Parameters
    ----------
    records : DataFrame
        Records of `latentcell.grid.records.model_records` for one data set and variant.
    settings : Settings
        Settings of the run.
    """
    first = settings.subset_names()[0]
    return _model_table(records, settings, [first]).drop(columns="subset")


def table4(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Build Table 4: the chosen models on the other subsets (no rows for one subset).

    Parameters
    ----------
    records : DataFrame
        Records of `latentcell.grid.records.model_records` for one data set and variant.
    settings : Settings
        Settings of the run.
    """
    return _model_table(records, settings, settings.subset_names()[1:])


def table5(records: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Build Table 5: scores of the study's classifier on each representation and subset.

    Parameters
    ----------
    records : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set, variant and
        classifier.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        input (raw, PCA, scVAE for GMVAE latents, VAE, semi-GMVAE, with preset and seeds as in
        ``scVAE, recommended``, or name of the representation), subset, model, dim, hidden_units,
        then mean, sd and published of accuracy, balanced_accuracy and macro_f1, test_cells_mean and
        replicates.
    """
    sizes = subset_sizes(records, settings)
    dataset = dataset_of(records)
    numbers = number_models(settings, sizes, _chosen(records, "input", settings), dataset)
    published = {}
    if dataset in STUDY_DATASETS:
        published = {size: published_accuracies(size) for size in sizes.values()}
    test = records[records["split"] == "test"]
    summary = _summary(test, ["cells", "input"], [*MEASURES, "split_cells"])
    rows = [
        _input_keys(name, sizes[cells])
        | {"model": numbers.get((cells, name))}
        | {"accuracy_published": published.get(sizes[cells], {}).get(name)}
        | summary[cells, name]
        | {"test_cells_mean": summary[cells, name]["split_cells_mean"]}
        for cells in settings.subset_names()
        for name in _representation_order(settings)
        if (cells, name) in summary
    ]
    measures = [f"{measure}_{part}" for measure in MEASURES for part in ("mean", "sd", "published")]
    keys = ["input", "subset", "model", "dim", "hidden_units"]
    return _typed(pd.DataFrame(rows, columns=[*keys, *measures, "test_cells_mean", "replicates"]))


def pca_variance(variance: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Compute the cumulative variance explained by k components on the first subset.

    Parameters
    ----------
    variance : DataFrame
        Records of `latentcell.grid.records.variance_records` for one data set and variant.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        k, explained_variance_percent and held_out_variance_percent (means over replicates); no
        rows for k beyond the rank.
    """
    first = variance[variance["cells"] == settings.subset_names()[0]]
    shares = ["explained_variance_percent", "held_out_variance_percent"]
    means = first.groupby("k")[shares].mean()
    wanted = [k for k in settings.pca_components() if k in means.index]
    return means.loc[wanted].reset_index()


def subset_sizes(records: pd.DataFrame, settings: Settings) -> dict[str, int]:
    """Number of cells of each subset; for ``all``, the sum over splits in the records."""
    job = ["cells", "replicate", "model" if "model" in records else "input"]
    totals = records.groupby(job)["split_cells"].sum().groupby("cells").max()
    sizes = {cells: cells_size(cells) for cells in settings.subset_names()}
    return {
        cells: int(totals.get(cells, 0)) if size == "all" else size for cells, size in sizes.items()
    }


def number_models(
    settings: Settings, sizes: dict[str, int], chosen: Iterable[str], dataset: str
) -> dict[tuple[str, str], int]:
    """Number the models of the run by subset and name.

    All models of the first subset come first, then the chosen models of the other subsets. Models
    of the study keep their numbers; other models follow after 20. Without models of the study,
    numbers start at 1.
    """
    first, *others = settings.subset_names()
    taken_on = set(chosen)
    pairs = [(first, model) for model in settings.models()]
    pairs += [
        (cells, model) for cells in others for model in settings.models() if str(model) in taken_on
    ]
    matches = [published_model(dataset, sizes[cells], model) for cells, model in pairs]
    following = len(PUBLISHED_MODELS) + 1 if any(matches) else 1
    numbers = {}
    for (cells, model), match in zip(pairs, matches, strict=True):
        numbers[cells, str(model)] = match.model if match else following
        following += match is None
    return numbers


def published_model(dataset: str, size: int, model: ModelName) -> PublishedModel | None:
    """Model of the study with the same data set, number of cells and shape, if any."""
    other = model.preset or model.seeds > 1
    if dataset not in STUDY_DATASETS or model.kind != "gmvae" or other:
        return None
    shape = (size, model.latent_dim, model.hidden_units)
    for published in PUBLISHED_MODELS:
        if shape == (published.subset, published.latent_dim, published.hidden_units):
            return published
    return None


def _model_table(records: pd.DataFrame, settings: Settings, subsets: list[str]) -> pd.DataFrame:
    sizes = subset_sizes(records, settings)
    dataset = dataset_of(records)
    numbers = number_models(settings, sizes, _chosen(records, "model", settings), dataset)
    test = records[records["split"] == "test"]
    summary = _summary(test, ["cells", "model"], [measure.source for measure in MODEL_MEASURES])
    given = dict(zip(test["model"], test["given_count_sum"], strict=True))
    rows = [
        {
            "model": numbers[cells, str(model)],
            "latent_dim": model.latent_dim,
            "hidden_units": model.hidden_units,
            "kind": ", ".join((model.kind, *model.remarks)),
            "subset": sizes[cells],
            _GIVEN: given[str(model)],
        }
        | _measure_columns(
            summary[cells, str(model)], published_model(dataset, sizes[cells], model)
        )
        for cells in subsets
        for model in settings.models()
        if (cells, str(model)) in summary
    ]
    keys = ["model", "latent_dim", "hidden_units", "kind", "subset"]
    return _typed(pd.DataFrame(rows, columns=[*keys, *_measure_names(), _GIVEN, "replicates"]))


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
    if records.empty:
        return {}
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


def dataset_of(records: pd.DataFrame) -> str:
    """Name of the data set of the records; empty without records."""
    names = records["dataset"].unique()
    if len(names) > 1:
        raise ValueError(f"expected records of one data set, found {', '.join(names)}")
    return str(names[0]) if len(names) else ""


def _chosen(records: pd.DataFrame, names: str, settings: Settings) -> list[str]:
    """Names in the records of all subsets but the first."""
    return records.loc[records["cells"] != settings.subset_names()[0], names].unique().tolist()


def _representation_order(settings: Settings) -> list[str]:
    """Order of the study: raw counts, PCA, other representations, latents."""
    names = settings.representations()
    pcas = [pca_name(k) for k in settings.pca_components()]
    first = [name for name in ("raw", *pcas) if name in names]
    return [*first, *(name for name in names if name not in first)]


# Kinds of models in Table 5.
_MODEL_WORDS = {
    "gmvae": "scVAE",
    "vae": "VAE",
    "semi-gmvae": "semi-GMVAE",
    "semi-vae": "semi-VAE",
    "dca": "autoencoder",
}


def _input_keys(name: str, size: int) -> dict[str, object]:
    """Keys of a representation as in the study's Table 5; others have their name."""
    if components := pca_components(name):
        return {"input": "PCA", "subset": size, "dim": components}
    if not is_model(name):
        return {"input": name, "subset": size}
    model = ModelName.parse(name)
    return {
        "input": ", ".join((_MODEL_WORDS[model.kind], *model.remarks)),
        "subset": size,
        "dim": model.latent_dim,
        "hidden_units": model.hidden_units,
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Convert keys to nullable integers, flags to nullable booleans and measures to floats."""
    whole = {"model", "latent_dim", "hidden_units", "subset", "dim", "replicates"}
    kinds = dict.fromkeys(whole, "Int64") | {"input": "object", "kind": "object", _GIVEN: "boolean"}
    return table.astype({name: kinds.get(name, "float64") for name in table.columns})
