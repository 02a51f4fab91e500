"""Tests of the study's claims on the records of a run.

Each claim is tested by contrasts. A contrast is an estimate with its interval and the region in
which the claim holds. The claim stands if all intervals lie within their regions. It does not stand
if an interval lies outside its region. In all other cases, and with missing records, it cannot be
decided. The rule follows Kruschke (2018), "Rejecting or accepting parameter values in Bayesian
estimation", Advances in Methods and Practices in Psychological Science 1, 270-280.

Intervals over replicates are those of `latentcell.evaluate.statistics`. Intervals of several
contrasts of a claim have a joint level of 95 % (Bonferroni).

Claims are tested on the variant ``controlled``. Claims on what the study saw in its own fits, the
variance that its PCA explains and the learning curves of its models, are tested on the variants
that fit as the study did. Confounders are found by comparison of ``controlled`` with ``as-run`` and
with the ablations of both.

Claims on classification are decided by accuracy, as in the study. The same test by balanced
accuracy and by macro-F1 has its verdict beside, and the note names those that differ.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import wraps
from typing import Literal

import pandas as pd

from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.study.confounding import confounder_of, suspects_text, with_true_means
from latentcell.study.contrasts import (
    Contrast,
    Question,
    dimension_differences,
    evenness_differences,
    gain_of_accuracy,
    kind_differences,
    overfitting_differences,
)
from latentcell.study.evidence import AS_RUN, LEAKY_PCA, Evidence, MissingError, Thresholds
from latentcell.study.model_contrasts import (
    early_stops,
    explained_variance,
    gain_of_elbo,
    hidden_details,
    hidden_difference,
    late_gain,
    published_gain,
    variance_by_cells,
)
from latentcell.study.words import interval_text, number_text, sentences

Verdict = Literal["stands", "does not stand", "cannot be decided"]
# Verdict by measure beside accuracy, with the contrast to report; None without records.
Others = dict[str, tuple[Verdict, Contrast | None]]
_MEASURE_WORDS = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}
# Needed by all contrasts over replicates.
_REPLICATES = f"{MIN_REPLICATES} or more replicates"
_OPPOSITE: dict[Verdict, Verdict] = {
    "stands": "does not stand",
    "does not stand": "stands",
    "cannot be decided": "cannot be decided",
}


@dataclass(frozen=True)
class Claim:
    """Tested claim: a row of ``claims.csv``. Estimate and interval are None without records.

    Attributes
    ----------
    verdict
        Verdict; of claims on classification by accuracy.
    verdict_balanced_accuracy, verdict_macro_f1
        Verdicts of the same test by other measures; empty for claims on other things.
    """

    claim: str
    statement: str
    test: str
    estimate: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    verdict_balanced_accuracy: str
    verdict_macro_f1: str
    confounder: str
    note: str


def decide_claims(evidence: Evidence) -> list[Claim]:
    """Test all claims of the study, in the order of `RULES`."""
    return [rule(evidence) for rule in RULES]


def claims_frame(claims: Iterable[Claim]) -> pd.DataFrame:
    """Tabulate tested claims, one column per field of `Claim`."""
    columns = [field.name for field in fields(Claim)]
    frame = pd.DataFrame([asdict(claim) for claim in claims], columns=columns)
    return frame.astype({"estimate": "float64", "low": "float64", "high": "float64"})


def _rule(question: Callable[[Thresholds], Question]) -> Callable[[Evidence], Claim]:
    """Decorate a function of thresholds to test its claim on records."""

    @wraps(question)
    def rule(evidence: Evidence) -> Claim:
        return _judge(evidence, question(evidence.thresholds))

    return rule


@_rule
def no_clear_differences(limits: Thresholds) -> Question:
    """Compare raw counts, PCA and latents."""
    limit = limits.clear
    return Question(
        "no-clear-differences",
        "There are no clear differences between raw counts, principal components and scVAE "
        "latents as inputs of the classifier.",
        "Paired differences of test accuracy on the same cells and splits between raw, PCA and "
        f"scVAE, mean over the inputs of each kind, smallest subset: all within ±{limit:g}, less "
        "than what the study's own test sets could show.",
        ("test-latents", "redrawn-splits", "first-rows", "other-cells"),
        f"raw, PCA and scVAE classified on the same cells and splits in {_REPLICATES}",
        lambda records, variant: kind_differences(
            records,
            variant,
            [("raw", "PCA"), ("scVAE", "raw"), ("scVAE", "PCA")],
            (-limit, limit),
        ),
        classifies=True,
    )


@_rule
def dimension_no_effect(limits: Thresholds) -> Question:
    """Compare the dimensions of PCA, and those of latents."""
    return Question(
        "dimension-no-effect",
        "The number of principal components or latent dimensions has no clear effect on accuracy.",
        "Paired differences of test accuracy between the largest and the smallest dimension of "
        "PCA, and of scVAE (mean over the numbers of hidden units that have both), smallest "
        f"subset: both within ±{limits.clear:g}.",
        ("redrawn-splits", "test-latents"),
        f"two or more dimensions of PCA and of scVAE in {_REPLICATES}",
        dimension_differences,
        classifies=True,
    )


@_rule
def more_cells_classify_better(limits: Thresholds) -> Question:
    """Compare the accuracy on latents learnt from many cells and from few cells."""
    return Question(
        "more-cells-classify-better",
        "Latents learnt from 15,000 cells classify better than latents learnt from 1,300.",
        "Test accuracy on scVAE latents, mean over the models of both, largest minus smallest "
        f"subset: more than {limits.accuracy:g}. With one subset only: the same "
        "on the authors' latents, which can refute the claim alone.",
        ("test-latents", "twice-split"),
        f"latents of both subsets in {_REPLICATES}, and classifiers of both with the "
        "same number of training cells",
        gain_of_accuracy,
        classifies=True,
    )


@_rule
def more_cells_better_elbo(limits: Thresholds) -> Question:
    """Compare the ELBO of models of many cells and of few cells."""
    return Question(
        "more-cells-better-elbo",
        "More cells give a better ELBO.",
        "Test ELBO (true means, nats per cell), mean over the models of both, largest minus "
        f"smallest subset: more than {limits.nats:g}. With one subset of 1,300 "
        "of the study's cells only: the published models of 15,000 minus ours of the same "
        "shapes (else Z), which can refute the claim alone.",
        ("inflated-means", "zero-biases", "slow-learning"),
        f"models of both subsets, measured on the same test cells, in {_REPLICATES}",
        gain_of_elbo,
        published_gain,
        records=("models",),
    )


@_rule
def hidden_units_do_not_matter(limits: Thresholds) -> Question:
    """Compare the ELBO of the most and of the fewest hidden units."""
    return Question(
        "hidden-units-do-not-matter",
        "The number of hidden units does not matter much.",
        "Paired difference of test ELBO (nats per cell) between the largest and the smallest "
        "number of hidden units, mean over the latent dimensions that have both, smallest subset: "
        f"within ±{limits.nats:g}.",
        ("inflated-means", "zero-biases", "slow-learning"),
        "models of two or more numbers of hidden units at the same latent dimension, in "
        f"{_REPLICATES}",
        hidden_difference,
        hidden_details,
        records=("models",),
    )


@_rule
def pca_explains_20_percent(limits: Thresholds) -> Question:
    """Measure the variance explained by the first principal components."""
    return Question(
        "pca-explains-20-percent",
        f"The first {limits.components} principal components explain about 20 % of the variance.",
        f"Cumulative variance explained by {limits.components} components (%), smallest subset, "
        f"PCA fitted on all its cells ({LEAKY_PCA}, else {AS_RUN}) as in the study, since the "
        f"share falls with the number of cells: between {limits.variance[0]:g} and "
        f"{limits.variance[1]:g}.",
        ("leaky-pca",),
        f"PCA with {limits.components} components, fitted on all cells of the subset, in "
        f"{_REPLICATES}",
        explained_variance,
        variance_by_cells,
        records=("variance",),
        variants=(LEAKY_PCA, AS_RUN),
    )


@_rule
def plateau_before_50_epochs(limits: Thresholds) -> Question:
    """Compare the ELBOs at the end of training and before the plateau epoch."""
    enough = limits.plateau + limits.window
    return Question(
        "plateau-before-50-epochs",
        f"The ELBO of the models reaches its plateau before {limits.plateau} epochs.",
        f"Validation ELBO (nats per cell) of scVAE models trained as in the study ({AS_RUN}), mean "
        f"of the last {limits.window} epochs minus mean of the {limits.window} up to epoch "
        f"{limits.plateau}, mean over the models, smallest subset: at most {limits.nats:g}. If a "
        f"training ends before epoch {enough}, the claim is not decided: its later epochs are "
        "unknown, and the trainings that went on are those that still improved.",
        ("slow-learning", "zero-biases"),
        f"models trained for {enough} or more epochs without early stopping, in "
        f"{_REPLICATES} of {AS_RUN}",
        late_gain,
        early_stops,
        records=("model_curves",),
        variants=(AS_RUN,),
    )


@_rule
def overfitting_stronger_raw_pca(limits: Thresholds) -> Question:
    """Compare the gaps between training and validation accuracy by kind of input."""
    limit = limits.accuracy
    return Question(
        "overfitting-stronger-raw-pca",
        "Overfitting is stronger with raw counts and principal components than with scVAE latents.",
        "Training minus validation accuracy in the last epoch, mean over the inputs of each "
        "kind, paired difference of raw minus scVAE and of PCA minus scVAE, smallest subset: "
        f"both more than {limit:g}. If a training ends earlier than another, the claim is not "
        "decided: overfitting grows with the epochs.",
        ("test-latents", "double-softmax"),
        f"learning curves of raw, PCA and scVAE without early stopping in {_REPLICATES}",
        overfitting_differences,
        records=("curves",),
    )


@_rule
def imbalance_inherent(limits: Thresholds) -> Question:
    """Compare the class shares of the full data set and of the subset."""
    return Question(
        "imbalance-inherent",
        "Class imbalance is inherent: the full data set is as imbalanced as the subset.",
        "Evenness of class shares (entropy over that of equal shares), full data set minus "
        f"smallest subset: at most {limits.evenness:g}; and that of the full data set at most "
        f"{limits.balanced:g}.",
        ("first-rows",),
        "cell types of the full data set and of a subset",
        evenness_differences,
        records=(),
    )


@_rule
def too_few_cells(limits: Thresholds) -> Question:
    """Compare latents with inputs that need no training of a model, on the same few cells."""
    limit = limits.clear
    return Question(
        "too-few-cells",
        "1,300 cells are too few to learn meaningful latents.",
        "Paired differences of test accuracy, scVAE minus raw and scVAE minus PCA, mean over the "
        "inputs of each kind, the same cells and splits, smallest subset: scVAE worse than raw or "
        f"than PCA by more than {limit:g}. It does not stand if scVAE is shown to be no worse than "
        "this against both.",
        ("zero-biases", "slow-learning", "test-latents"),
        f"raw, PCA and scVAE classified on the same cells and splits in {_REPLICATES}",
        lambda records, variant: kind_differences(
            records, variant, [("scVAE", "raw"), ("scVAE", "PCA")], (-limit, math.inf)
        ),
        classifies=True,
        opposite=True,
    )


RULES: tuple[Callable[[Evidence], Claim], ...] = (
    no_clear_differences,
    dimension_no_effect,
    more_cells_classify_better,
    more_cells_better_elbo,
    hidden_units_do_not_matter,
    pca_explains_20_percent,
    plateau_before_50_epochs,
    overfitting_stronger_raw_pca,
    imbalance_inherent,
    too_few_cells,
)


def _judge(evidence: Evidence, question: Question) -> Claim:
    evidence = with_true_means(evidence)
    try:
        verdict, shown = _decide(evidence, question)
    except MissingError as missing:
        confounder = f"{suspects_text(question)}: not measured"
        note = sentences(f"Missing: {missing}", f"Would decide: {question.needs}")
        note = sentences(note, question.remark(evidence))
        return _claim(question, None, "cannot be decided", {}, confounder, note)
    confounder, measured = confounder_of(evidence, question)
    others = _by_other_measures(evidence, question)
    note = sentences(f"Estimate: {shown.name}", shown.caveat, *_flips(verdict, others), measured)
    if verdict == "cannot be decided":
        note = sentences(note, _what_would_decide(shown) or f"Would decide: {question.needs}")
    note = sentences(note, question.remark(evidence))
    return _claim(question, shown, verdict, others, confounder, note)


def _decide(evidence: Evidence, question: Question) -> tuple[Verdict, Contrast]:
    """Return verdict and contrast of the first variant with the records."""
    missing = []
    for variant in question.variants:
        try:
            verdict, shown = verdict_of(question.contrasts(evidence, variant))
        except MissingError as error:
            missing.append(str(error))
        else:
            return (_OPPOSITE[verdict] if question.opposite else verdict), shown
    raise MissingError("; ".join(missing))


def _by_other_measures(evidence: Evidence, question: Question) -> Others:
    """Verdicts on a claim on classification by the measures beside accuracy."""
    found: Others = {}
    for measure in MEASURES[1:] if question.classifies else ():
        try:
            found[measure] = _decide(replace(evidence, measure=measure), question)
        except MissingError:
            found[measure] = ("cannot be decided", None)
    return found


def _flips(verdict: Verdict, others: Others) -> list[str]:
    """Describe the verdicts by other measures that differ from that by accuracy."""
    return [
        f"By {_MEASURE_WORDS[measure]} it {other}: "
        f"{shown.name} {interval_text(shown.estimate, shown.low, shown.high)}"
        for measure, (other, shown) in others.items()
        if other != verdict and shown is not None
    ]


def verdict_of(contrasts: Sequence[Contrast]) -> tuple[Verdict, Contrast]:
    """Return the verdict on a claim and the contrast to report.

    Failing contrasts come first, then undecided ones, then those with a caveat, then the others.
    Among these, the contrast with the largest `Contrast.excess` is reported.
    """
    failing = [contrast for contrast in contrasts if contrast.fails()]
    undecided = [contrast for contrast in contrasts if not contrast.holds()]
    limited = [contrast for contrast in contrasts if contrast.caveat]
    shown = max(failing or undecided or limited or contrasts, key=Contrast.excess)
    if failing:
        return "does not stand", shown
    return ("cannot be decided" if undecided or limited else "stands"), shown


def _claim(
    question: Question,
    shown: Contrast | None,
    verdict: Verdict,
    others: Others,
    confounder: str,
    note: str,
) -> Claim:
    estimate, low, high = (shown.estimate, shown.low, shown.high) if shown else (None, None, None)
    asked = (question.claim, question.statement, question.test)
    balanced, macro = (others[name][0] if name in others else "" for name in MEASURES[1:])
    return Claim(*asked, estimate, low, high, verdict, balanced, macro, confounder, note)


def _what_would_decide(shown: Contrast) -> str:
    """Estimate the number of replicates that would decide the claim, if any number would.

    The variance due to shared cells does not decrease with the number of replicates.
    """
    if shown.holds() or not shown.replicates:
        return ""
    half, edge = (shown.high - shown.low) / 2, min(abs(shown.estimate - b) for b in shown.region)
    sd = half / math.sqrt(1 / shown.replicates + shown.share)
    room = (edge / sd) ** 2 - shown.share
    if room * 10_000 <= 1:
        return (
            f"The interval is ±{number_text(half)}, and with any number of replicates of as many "
            f"cells ±{number_text(sd * math.sqrt(shown.share))}: more cells would decide"
        )
    return f"About {math.ceil(1 / room)} replicates would decide, if the estimate stays"
