"""Functions that build the tables of the catalogue from records.

SciPy is imported only by the tables that need it, as most tables take less time than the import.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from latentcell.config.names import cells_size
from latentcell.config.protocols import PROTOCOLS
from latentcell.config.protocols.confounders import CONFOUNDERS
from latentcell.config.settings import Settings
from latentcell.grid.records import read_record
from latentcell.grid.variants import (
    STUDY_CLASSIFIER,
    main_classifier,
    main_variant,
    variants,
)
from latentcell.study.published import STUDY, STUDY_DATASETS
from latentcell.tables.entry import Records, shares_splits
from latentcell.tables.notes import (
    deposit_notes,
    leaderboard_notes,
    table3_notes,
    table4_notes,
    table5_notes,
)
from latentcell.tables.study_tables import pca_variance, table3, table4, table5

Build = Callable[[Records, Settings, str], pd.DataFrame]
Files = str | Path | Sequence[str | Path]


def read_needs(files: Mapping[str, Files]) -> dict[str, pd.DataFrame]:
    """Read the input files of a table.

    Parameters
    ----------
    files : mapping of str to path or sequence of path
        Paths by the names in `NEEDS`. ``predictions`` are ``predictions.csv`` files of the study's
        classifier, ``deposit`` are ``accuracies.csv`` files of the deposited inputs; all others are
        one CSV file each.

    Returns
    -------
    dict of str to DataFrame
        Tables with a column ``dataset``.
    """
    from latentcell.tables.predictions import read_predictions

    read: dict[str, pd.DataFrame] = {}
    for name, given in files.items():
        paths = [given] if isinstance(given, str | Path) else list(given)
        if name == "predictions":
            read[name] = read_predictions(paths)
        elif name == "deposit":
            from latentcell.tables.deposit import collect_repeats

            read[name] = collect_repeats(paths).assign(dataset=STUDY)
        else:
            read[name] = read_record(paths[0])
    return read


def _of_run(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    return frame[frame["variant"] == main_variant(settings)]


def _studied(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["classifier"] == STUDY_CLASSIFIER]


def _on_first(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    return frame[frame["cells"] == settings.subset_names()[0]]


def _first_scores(records: Records, settings: Settings) -> pd.DataFrame:
    """Scores of the study's classifier on the first subset, for all variants."""
    return _on_first(_studied(records["classifiers"]), settings)


def _first_predictions(records: Records, settings: Settings) -> pd.DataFrame:
    return _on_first(_studied(records["predictions"]), settings)


def _table3_of(protocol: str | None) -> Build:
    """Table 3 of a protocol, or of the run itself."""

    def make(records: Records, settings: Settings, _: str) -> pd.DataFrame:
        models, variant = records["models"], protocol or main_variant(settings)
        return table3(models[models["variant"] == variant], settings)

    return make


def _table4(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    return table4(_of_run(records["models"], settings), settings)


def _table5(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    return table5(_of_run(_studied(records["classifiers"]), settings), settings)


def _pca_variance(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    return pca_variance(_of_run(records["variance"], settings), settings)


def _table5_deposit(records: Records, _: Settings, __: str) -> pd.DataFrame:
    from latentcell.tables.deposit import table5_deposit

    return table5_deposit(records["deposit"])


def _leaderboard(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.leaderboard import leaderboard_table

    scores, costs = (_on_first(records[name], settings) for name in ("classifiers", "costs"))
    return leaderboard_table(scores, costs, main_variant(settings), seed=settings.grid.seed)


def _contrasts(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    from latentcell.tables.contrasts import contrasts_table

    return contrasts_table(_on_first(records["classifiers"], settings), settings, dataset)


def _class_contrasts(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.contrasts import class_contrasts_table

    classes, scores = (_on_first(records[name], settings) for name in ("classes", "classifiers"))
    return class_contrasts_table(classes, scores, settings)


def _over_datasets(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.contrasts import over_datasets_table

    return over_datasets_table(_on_first(records["classifiers"], settings), settings)


def _latent_gains(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.latent_gains import latent_gains_table

    return latent_gains_table(_on_first(records["classifiers"], settings), settings)


def _hidden_units(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    from latentcell.tables.hidden_units import hidden_units_table

    models = _models(records, settings, dataset)
    return hidden_units_table(models, settings, main_variant(settings))


def _models(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    """Records of models, with ``held_out`` as those of classifiers have it."""
    return records["models"].assign(held_out=settings.dataset(dataset).test_on is not None)


def _latents(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.latents import latents_table

    quality, models, scores = (
        _on_first(records[name], settings) for name in ("quality", "models", "classifiers")
    )
    of_one = scores[scores["classifier"] == main_classifier(settings)]
    return latents_table(quality, models, of_one, main_variant(settings))


def _few_labels(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.few_labels import few_label_table

    return few_label_table(_on_first(records["classifiers"], settings), settings)


def _protocols(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    from latentcell.tables.comparison import protocol_table

    size = cells_size(settings.subset_names()[0]) if dataset in STUDY_DATASETS else None
    return protocol_table(_first_scores(records, settings), subset=None if size == "all" else size)


def _controlled(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.comparison import controlled_table

    return controlled_table(_first_scores(records, settings), main_variant(settings))


def _probabilities(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.comparison import pair_probabilities

    return pair_probabilities(
        _first_scores(records, settings),
        main_variant(settings),
        rope=settings.comparison.rope,
        paired=shares_splits(settings),
    )


def _single_split(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.predictions import single_split_table

    return single_split_table(_first_predictions(records, settings))


def _learning_curve(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.comparison import learning_curve

    return learning_curve(_first_scores(records, settings))


def _ablations(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.ablations import ablation_table, without_unchanged

    of_variants = {one.name: one.settings for one in variants(settings).values()}
    return ablation_table(
        without_unchanged(_first_scores(records, settings), of_variants, "classify"),
        without_unchanged(_on_first(records["models"], settings), of_variants, "vae"),
        CONFOUNDERS,
    )


def _choices(records: Records, settings: Settings, _: str) -> pd.DataFrame:
    from latentcell.tables.choices import choices_table

    models = _on_first(records["models"], settings)
    return choices_table(_first_scores(records, settings), models, settings)


def _detectable(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    from latentcell.tables.detectable import detectable_here

    controlled = _controlled(records, settings, dataset)
    return detectable_here(controlled, _first_predictions(records, settings))


def _claims(records: Records, settings: Settings, dataset: str) -> pd.DataFrame:
    from latentcell.study.claims import claims_frame, decide_claims
    from latentcell.study.evidence import Evidence, Thresholds

    evidence = Evidence(
        accuracies=_studied(records["classifiers"]),
        models=_models(records, settings, dataset),
        model_curves=records["model_curves"],
        curves=_studied(records["curves"]),
        variance=records["variance"],
        class_counts=records["class_counts"],
        deposit=records.get("table5_deposit"),
        dataset=dataset,
        thresholds=Thresholds(accuracy=settings.comparison.rope),
    )
    return claims_frame(decide_claims(evidence))


def _three_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Select the study's numbers of test cells; the CSV file has more, for the figure."""
    from latentcell.tables.detectable import STUDY_TEST_CELLS

    return table[table["test_cells"].isin(STUDY_TEST_CELLS)]


# Functions of records of one data set, settings and name of the data set, by name of the table;
# those of tables across data sets get the records of all, and no name.
BUILDERS: dict[str, Build] = {
    "table3": _table3_of(None),
    "table4": _table4,
    "table5": _table5,
    "pca_variance": _pca_variance,
    "table5_deposit": _table5_deposit,
    "leaderboard": _leaderboard,
    "contrasts": _contrasts,
    "class_contrasts": _class_contrasts,
    "over_datasets": _over_datasets,
    "latent_gains": _latent_gains,
    "hidden_units": _hidden_units,
    "latents": _latents,
    "protocols": _protocols,
    "controlled": _controlled,
    "probabilities": _probabilities,
    "single_split": _single_split,
    "learning_curve": _learning_curve,
    "ablations": _ablations,
    "choices": _choices,
    "detectable": _detectable,
    "claims": _claims,
    "few_labels": _few_labels,
    **{f"table3_{protocol}": _table3_of(protocol) for protocol in PROTOCOLS},
}
# Notes that depend on the rows.
NOTES: dict[str, Callable[[pd.DataFrame], list[str]]] = {
    "table3": table3_notes,
    "table4": table4_notes,
    "table5": table5_notes,
    "table5_deposit": deposit_notes,
    "leaderboard": leaderboard_notes,
    **{f"table3_{protocol}": table3_notes for protocol in PROTOCOLS},
}
# Selections of rows for Markdown, LaTeX and the page.
SHOWN: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"detectable": _three_sizes}
