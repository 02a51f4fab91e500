"""The study's claims, each decided by a rule from the records of a run.

A rule turns records into contrasts: an estimate, its interval, and the region in which the claim
holds. The claim stands if every interval lies in its region, and does not stand if one lies
outside; otherwise it cannot be decided with these cells (Kruschke 2018, "Rejecting or accepting
parameter values in Bayesian estimation", Advances in Methods and Practices in Psychological Science
1, 270-280, has the rule for regions of practical equivalence). Intervals over replicates are those
of `latentcell.compare.statistics`; where a claim has several contrasts they hold together with
95 % (Bonferroni). Records that are not there leave a claim undecided.

Claims are decided on the variant ``controlled``. What confounded them is found by comparing it
with ``as-run`` and the ablations of both.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from latentcell.compare.confounding import confounder_of, suspects_text, with_true_means
from latentcell.compare.contrasts import (
    Contrast,
    Question,
    dimension_differences,
    evenness_differences,
    explained_variance,
    gain_of_accuracy,
    gain_of_elbo,
    hidden_differences,
    kind_differences,
    late_gains,
    overfitting_differences,
    published_gain,
)
from latentcell.compare.evidence import (
    CONTROLLED,
    Evidence,
    MissingError,
)
from latentcell.compare.words import escape_cell, interval_text, number_text, sentences
from latentcell.io import write_csv, write_text

Verdict = Literal["stands", "does not stand", "cannot be decided"]


@dataclass(frozen=True)
class Claim:
    """A line of the ledger; estimate and interval are None where there is no evidence."""

    claim: str
    statement: str
    test: str
    estimate: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    confounder: str
    note: str


def decide_claims(evidence: Evidence) -> list[Claim]:
    """Decide every claim of the study, in the order of `RULES`."""
    return [rule(evidence) for rule in RULES]


def claims_frame(claims: Iterable[Claim]) -> pd.DataFrame:
    """The ledger as a table: claim to confounder, and a note on what decided or would decide."""
    columns = [field.name for field in fields(Claim)]
    frame = pd.DataFrame([asdict(claim) for claim in claims], columns=columns)
    return frame.astype({"estimate": "float64", "low": "float64", "high": "float64"})


def claims_markdown(frame: pd.DataFrame) -> str:
    """The ledger as a Markdown section."""
    heads = ["Claim", "Statement", "Verdict", "Estimate (95 %)", "Test", "Confounder", "Note"]
    lines = [heads, ["---"] * len(heads)]
    lines += [
        [
            row["claim"],
            row["statement"],
            row["verdict"],
            interval_text(row["estimate"], row["low"], row["high"]),
            row["test"],
            row["confounder"],
            row["note"],
        ]
        for row in frame.to_dict("records")
    ]
    body = "\n".join(
        "| " + " | ".join(escape_cell(str(cell)) for cell in line) + " |" for line in lines
    )
    return f"# Claims of the study\n\n{body}\n\n{_EXPLAINED}\n"


def write_claims(
    path_csv: str | Path, path_md: str | Path, claims: Iterable[Claim] | pd.DataFrame
) -> None:
    """Write the ledger as CSV (all digits) and Markdown (rounded)."""
    frame = claims if isinstance(claims, pd.DataFrame) else claims_frame(claims)
    write_csv(path_csv, frame)
    write_text(path_md, claims_markdown(frame))


_EXPLAINED = """\
- A claim stands if the 95 % intervals of all its contrasts lie where it holds, and does not stand
  if one lies outside; the estimate is that of the contrast that decides, or is farthest from it.
- Intervals of several contrasts hold together with 95 % (Bonferroni).
- Numbers of confounders are those of docs/study.md."""


def no_clear_differences(evidence: Evidence) -> Claim:
    """Raw, PCA and latents against each other."""
    limit = evidence.thresholds.accuracy
    return _judge(
        evidence,
        Question(
            "no-clear-differences",
            "There are no clear differences between raw counts, principal components and scVAE "
            "latents as inputs of the classifier.",
            "Paired differences of test accuracy on the same cells and splits between raw, PCA and "
            "scVAE (of each kind the input best on validation cells), smallest subset: all within "
            f"±{limit:g}.",
            ("test-latents", "redrawn-splits", "first-rows", "other-cells"),
            "raw, PCA and scVAE classified on the same cells and splits in two or more replicates",
            lambda records, variant: kind_differences(
                records,
                variant,
                [("raw", "PCA"), ("scVAE", "raw"), ("scVAE", "PCA")],
                (-limit, limit),
            ),
        ),
    )


def dimension_no_effect(evidence: Evidence) -> Claim:
    """Dimensions of PCA, and of latents, against each other."""
    return _judge(
        evidence,
        Question(
            "dimension-no-effect",
            "The number of principal components or latent dimensions has no clear effect on "
            "accuracy.",
            "Paired differences of test accuracy between all dimensions of PCA, and of scVAE (mean "
            "over numbers of hidden units, those with every dimension where there are any), "
            f"smallest subset: all within ±{evidence.thresholds.accuracy:g}.",
            ("redrawn-splits", "test-latents"),
            "two or more dimensions of PCA and of scVAE in two or more replicates",
            dimension_differences,
        ),
    )


def more_cells_classify_better(evidence: Evidence) -> Claim:
    """Latents of many cells against latents of few, by accuracy."""
    return _judge(
        evidence,
        Question(
            "more-cells-classify-better",
            "Latents learnt from 15,000 cells classify better than latents learnt from 1,300.",
            "Test accuracy on scVAE latents, mean over the models of both, largest less smallest "
            f"subset: more than {evidence.thresholds.accuracy:g}. With one subset only: the same "
            "on the authors' latents, which can refute the claim alone.",
            ("test-latents", "twice-split"),
            "latents of both subsets in two or more replicates, and classifiers of both with the "
            "same number of training cells",
            gain_of_accuracy,
        ),
    )


def more_cells_better_elbo(evidence: Evidence) -> Claim:
    """Models of many cells against models of few, by ELBO."""
    claim = _judge(
        evidence,
        Question(
            "more-cells-better-elbo",
            "More cells give a better ELBO.",
            "Test ELBO (true means, nats per cell), mean over the models of both, largest less "
            f"smallest subset: more than {evidence.thresholds.nats:g}. With one subset of 1,300 "
            "of the study's cells only: the published models of 15,000 less ours of the same "
            "shapes (else Z), which can refute the claim alone.",
            ("inflated-means", "zero-biases", "slow-learning"),
            "models of both subsets, measured on the same test cells, in two or more replicates",
            gain_of_elbo,
        ),
    )
    return replace(claim, note=sentences(claim.note, published_gain(evidence)))


def hidden_units_do_not_matter(evidence: Evidence) -> Claim:
    """Numbers of hidden units against each other, by ELBO and Rand index."""
    limits = evidence.thresholds
    return _judge(
        evidence,
        Question(
            "hidden-units-do-not-matter",
            "The number of hidden units does not matter much.",
            "Paired differences between all numbers of hidden units, mean over the latent "
            "dimensions that have them all, test cells of the smallest subset: ELBO within "
            f"±{limits.nats:g} nats, adjusted Rand index within ±{limits.rand:g}.",
            ("inflated-means", "zero-biases", "slow-learning"),
            "models of two or more numbers of hidden units at the same latent dimensions, in two "
            "or more replicates",
            hidden_differences,
        ),
    )


def pca_explains_20_percent(evidence: Evidence) -> Claim:
    """Variance explained by the first principal components."""
    limits = evidence.thresholds
    return _judge(
        evidence,
        Question(
            "pca-explains-20-percent",
            f"The first {limits.components} principal components explain about 20 % of the "
            "variance.",
            f"Cumulative variance explained by {limits.components} components (%), smallest "
            f"subset: between {limits.variance[0]:g} and {limits.variance[1]:g}.",
            ("leaky-pca",),
            f"PCA with {limits.components} components in two or more replicates",
            explained_variance,
        ),
    )


def plateau_before_50_epochs(evidence: Evidence) -> Claim:
    """Accuracy at the end of training against accuracy just before the 50th epoch."""
    limits = evidence.thresholds
    return _judge(
        evidence,
        Question(
            "plateau-before-50-epochs",
            f"The classifier's accuracy reaches its plateau before {limits.plateau} epochs.",
            f"Validation accuracy, mean of the last {limits.window} epochs less mean of the "
            f"{limits.window} up to epoch {limits.plateau}, mean over the inputs of each kind "
            f"(raw, PCA, scVAE), smallest subset: at most {limits.accuracy:g}.",
            ("double-softmax", "file-order"),
            f"learning curves of {limits.plateau + limits.window} or more epochs in two or more "
            "replicates",
            late_gains,
        ),
    )


def overfitting_stronger_raw_pca(evidence: Evidence) -> Claim:
    """How much better training cells are classified than validation cells, by input."""
    limit = evidence.thresholds.accuracy
    return _judge(
        evidence,
        Question(
            "overfitting-stronger-raw-pca",
            "Overfitting is stronger with raw counts and principal components than with scVAE "
            "latents.",
            "Training less validation accuracy in the last epoch, mean over the inputs of each "
            "kind, paired difference of raw less scVAE and of PCA less scVAE, smallest subset: "
            f"both more than {limit:g}.",
            ("test-latents", "double-softmax"),
            "learning curves of raw, PCA and scVAE in two or more replicates",
            overfitting_differences,
        ),
    )


def imbalance_inherent(evidence: Evidence) -> Claim:
    """Class shares of the full data set against those of the subset."""
    limits = evidence.thresholds
    return _judge(
        evidence,
        Question(
            "imbalance-inherent",
            "Class imbalance is inherent: the full data set is as imbalanced as the subset.",
            "Evenness of class shares (entropy over that of equal shares), full data set less "
            f"smallest subset: at most {limits.evenness:g}; and that of the full data set at most "
            f"{limits.balanced:g}.",
            ("first-rows",),
            "cell types of the full data set and of a subset",
            evenness_differences,
        ),
    )


def too_few_cells(evidence: Evidence) -> Claim:
    """Latents against principal components of the same few cells."""
    limit = evidence.thresholds.accuracy
    return _judge(
        evidence,
        Question(
            "too-few-cells",
            "1,300 cells are too few to learn meaningful latents.",
            "Paired difference of test accuracy, scVAE less PCA, which learns from the same cells "
            "(of each the input best on validation cells), smallest subset: scVAE worse by more "
            f"than {limit:g}.",
            ("zero-biases", "slow-learning", "test-latents"),
            "PCA and scVAE classified on the same cells and splits in two or more replicates",
            lambda records, variant: kind_differences(
                records, variant, [("scVAE", "PCA")], (-math.inf, -limit)
            ),
        ),
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
        contrasts = question.contrasts(evidence, CONTROLLED)
    except MissingError as missing:
        confounder = f"{suspects_text(question)}: not measured"
        note = sentences(f"Missing: {missing}", f"Would decide: {question.needs}")
        return _claim(question, None, "cannot be decided", confounder, note)
    verdict, shown = verdict_of(contrasts)
    confounder, measured = confounder_of(evidence, question)
    note = sentences(f"Estimate: {shown.name}", shown.caveat, measured)
    if verdict == "cannot be decided":
        note = sentences(note, _what_would_decide(shown) or f"Would decide: {question.needs}")
    return _claim(question, shown, verdict, confounder, note)


def verdict_of(contrasts: Sequence[Contrast]) -> tuple[Verdict, Contrast]:
    """The verdict on a claim, and the contrast that it hangs on.

    That is, of the contrasts that fail, or else are open, or else confirm nothing, or else hold,
    the one whose estimate is farthest outside its region or nearest to the edge.
    """
    failing = [contrast for contrast in contrasts if contrast.fails()]
    undecided = [contrast for contrast in contrasts if not contrast.holds()]
    limited = [contrast for contrast in contrasts if contrast.caveat]
    shown = max(failing or undecided or limited or contrasts, key=Contrast.excess)
    if failing:
        return "does not stand", shown
    return ("cannot be decided" if undecided or limited else "stands"), shown


def _claim(
    question: Question, shown: Contrast | None, verdict: Verdict, confounder: str, note: str
) -> Claim:
    estimate, low, high = (shown.estimate, shown.low, shown.high) if shown else (None, None, None)
    asked = (question.claim, question.statement, question.test)
    return Claim(*asked, estimate, low, high, verdict, confounder, note)


def _what_would_decide(shown: Contrast) -> str:
    """How many replicates, if any number: the part of the variance that is shared cells stays."""
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
