"""Origin of a page: date, commit, command, citations, and the methods as a paragraph."""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from latentcell import __version__
from latentcell.config.datasets import BUILT_IN
from latentcell.config.settings import DatasetSettings, Settings
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.grid.variants import model_settings
from latentcell.report.parts import Provenance, number
from latentcell.report.results import Results
from latentcell.tables.entry import shares_splits

_ZHENG = (
    "Zheng et al. (2017). Massively parallel digital transcriptional profiling of single cells. "
    "Nature Communications 8, 14049."
)
_TIAN = (
    "Tian et al. (2019). Benchmarking single cell RNA-sequencing analysis pipelines using mixture "
    "control experiments. Nature Methods 16, 479-487."
)
# By the beginning of the name of a built-in data set.
_DATA = {"pbmc68k": _ZHENG, "zheng-sorted": _ZHENG, "sc-mixology": _TIAN}
_SCVAE = (
    "Grønbech et al. (2020). scVAE: variational auto-encoders for single-cell gene expression "
    "data. Bioinformatics 36, 4415-4422."
)
_STUDY = (
    "Bolós, Pacheco, Rodríguez, Sans-Comerma and Winther. Exploring variational autoencoders "
    "potential to classify single-cell RNA-seq data."
)


def provenance(found: Sequence[Results]) -> Provenance:
    """Describe where the page comes from.

    Parameters
    ----------
    found : sequence of Results
        Results of each data set, in the order of the run.
    """
    settings, folder = found[0].settings, found[0].folder
    written = (folder / "records/classifiers.csv").stat().st_mtime
    date = datetime.fromtimestamp(written, UTC)
    return Provenance(
        f"{date.day} {date:%B %Y}",
        _commit(),
        f"snakemake --cores all --configfile results/{settings.run}/config.yaml answer",
        _citations(settings, date.year),
        methods_paragraph(found),
    )


def methods_paragraph(found: Sequence[Results]) -> str:
    """Methods of a run in words, for a paper.

    Parameters
    ----------
    found : sequence of Results
        Results of each data set, in the order of the run.
    """
    settings = found[0].settings
    sentences = [
        _cells(found),
        _split(settings),
        *map(_derived, settings.datasets),
        _representations(settings),
        _models(settings),
        _choice(settings),
        _classifiers(settings),
        _statistics(settings),
        f"All steps were run with latentcell {__version__}.",
    ]
    return " ".join(filter(None, sentences))


def _commit() -> str:
    """Commit of the clone that holds this file, with ``-dirty`` for a changed one, or empty."""
    here = Path(__file__).resolve()
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=12")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _citations(settings: Settings, year: int) -> list[str]:
    """References to cite: this software, the data, scVAE, the study."""
    data = []
    for dataset in settings.datasets:
        known = [text for begin, text in _DATA.items() if dataset.name.startswith(begin)]
        if dataset.is_built_in and known:
            licence = BUILT_IN[dataset.name].licence
            data.append(f"{dataset.name}: {known[0]} Licence: {licence}.")
        elif not dataset.is_derived:
            data.append(f"{dataset.name}: the publication of these data.")
    own = f"The latentcell developers ({year}). latentcell, version {__version__}."
    return [own, *data, _SCVAE, _STUDY]


def _cells(found: Sequence[Results]) -> str:
    settings, parts = found[0].settings, []
    for one in found:
        cells, genes = number(len(one.cell_types)), number(one.genes)
        types = one.cell_types.nunique()
        parts.append(f"{one.dataset} ({cells} cells, {genes} genes, {types} cell types)")
    sizes = [size if size == "all" else number(size) for size in settings.subset.sizes]
    drawn = {"random": "drawn at random", "first": "the first rows"}
    how = drawn.get(settings.subset.method, "stratified by cell type")
    if sizes == ["all"]:
        return f"All cells of {_listed(parts)} were used."
    return f"Subsets of {_listed(sizes)} cells, {how}, were taken from {_listed(parts)}."


def _split(settings: Settings) -> str:
    split, times = settings.split, settings.replicates
    shares = "by the rule of scVAE"
    if split.method != "scvae":
        rest = 1 - split.train - split.validation
        percents = [f"{100 * one:.3g} %" for one in (split.train, split.validation, rest)]
        stratified = ", stratified by cell type" if split.method == "stratified" else ""
        shares = f"into {percents[0]} training, {percents[1]} validation and {percents[2]} test"
        shares += f" cells{stratified}"
    once = "" if times > 1 else "once "
    again = f"; this was repeated {times} times with other seeds" if times > 1 else ""
    sentences = [f"Cells were split {once}{shares}{again}."]
    if split.training_cells is not None:
        sentences.append(f"{number(split.training_cells)} of the training cells were kept.")
    if settings.labels.share < 1:
        share = f"{100 * settings.labels.share:.3g} %"
        sentences.append(f"Classifiers saw the types of {share} of training and validation cells.")
    if shares_splits(settings):
        sentences.append("All inputs of a replicate shared cells and split.")
    return " ".join(sentences)


def _derived(dataset: DatasetSettings) -> str:
    """Sentence on the cells of a derived data set; empty for others."""
    name, source = dataset.name, dataset.derived_from
    if dataset.test_on is not None:
        return (
            f"{name} has the training and validation cells of {source}; a random half of the cells "
            f"of {dataset.test_on} were the test cells of a replicate."
        )
    if dataset.with_unlabelled:
        added = _listed(dataset.with_unlabelled)
        return (
            f"{name} has the cells of {source}; representations that need no types were also "
            f"fitted on those of {added}."
        )
    if dataset.shares is not None:
        shares = "equal class shares"
        if dataset.shares != "equal":
            shares = f"the class shares of {dataset.shares}"
        return f"{name} has cells of {source} with {shares}."
    return ""


def _representations(settings: Settings) -> str:
    names = [name for name in settings.baselines() if not name.startswith("pca-")]
    parts = ["raw counts" if name == "raw" else name for name in names]
    if components := settings.pca_components():
        parts.append(f"principal components (k = {_listed(list(map(str, components)))})")
    return f"Inputs of the classifiers were {_listed([*parts, 'latents of generative models'])}."


def _models(settings: Settings) -> str:
    presets = _unique(one.preset for one in settings.models())
    return " ".join(_models_of(settings, preset) for preset in presets)


def _models_of(settings: Settings, preset: str) -> str:
    """Sentence on the models of a preset; without name, on those of section `vae`."""
    models = [one for one in settings.models() if one.preset == preset]
    vae = model_settings(settings, models[0])
    kinds = [
        kind.upper() if "-" not in kind else kind for kind in _unique(one.kind for one in models)
    ]
    dimensions = _listed(_unique(str(one.latent_dim) for one in models))
    hidden = _listed(_unique(str(one.hidden_units) for one in models))
    named = f" of the preset {preset}" if preset else ""
    return (
        f"Models{named} ({_listed(kinds)}; Grønbech et al. 2020) with a {vae.likelihood} "
        f"likelihood, latent dimension Z = {dimensions} and {vae.hidden_layers} hidden "
        f"layer{'s' if vae.hidden_layers > 1 else ''} of {hidden} units were trained by Adam "
        f"(learning rate {vae.learning_rate:g}, minibatches of {vae.batch_size}) for at most "
        f"{vae.epochs} epochs."
    )


def _choice(settings: Settings) -> str:
    choice, models = settings.choice, settings.models()
    if choice.by == "fixed":
        named = _listed(choice.models)
        if choice.classified == "chosen":
            return f"Latents of {named} were classified."
        larger = f", on larger subsets those of {named}" if len(settings.subset.sizes) > 1 else ""
        return f"Latents of all models were classified{larger}."
    if len({replace(one, hidden_units=0) for one in models}) == len(models):
        return ""  # Nothing to choose among.
    measure = {"elbo": "ELBO", "ari_clusters": "adjusted Rand index of clusters"}
    named = measure.get(choice.by, choice.by.replace("_", " "))
    return (
        f"For each latent dimension the number of hidden units with the best mean {named} on "
        f"{choice.split} cells was chosen."
    )


def _classifiers(settings: Settings) -> str:
    ffnn, names = settings.ffnn, settings.grid.classifiers
    others = [name for name in names if name != "ffnn"]
    sentences = []
    if "ffnn" in names:
        sentences.append(
            f"The classifier was a feed-forward network with one hidden layer of "
            f"{ffnn.hidden_units} units (ReLU), trained by Adam (learning rate "
            f"{ffnn.learning_rate:g}, minibatches of {ffnn.batch_size}) for {ffnn.epochs} epochs."
        )
    if others:
        sentences.append(
            f"{'Further classifiers' if sentences else 'Classifiers'}: {_listed(others)}."
        )
    return " ".join(sentences)


def _statistics(settings: Settings) -> str:
    counted = settings.measures.min_cells
    measures = "Accuracy, balanced accuracy and macro-F1 were measured on test cells."
    if counted > 1:
        measures += f" Types with fewer than {counted} cells do not count in the last two."
    if settings.replicates < MIN_REPLICATES:
        few = f"{settings.replicates} replicate{'s' if settings.replicates > 1 else ''}"
        return f"{measures} With {few}, intervals and probabilities were not computed."
    return (
        f"{measures} Intervals are 95 % corrected resampled t intervals (Nadeau and Bengio 2003); "
        "probabilities are those of the Bayesian correlated t-test (Benavoli et al. 2017) with a "
        f"region of practical equivalence of ±{settings.comparison.rope:g}."
    )


def _listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
