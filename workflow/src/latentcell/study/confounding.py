"""Confounders of a claim, from changes of its contrasts between variants."""

import re
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from latentcell.config.protocols.confounders import CONFOUNDERS
from latentcell.study.contrasts import Contrast, Question
from latentcell.study.evidence import AS_RUN, CONTROLLED, Evidence, MissingError, is_there
from latentcell.study.model_contrasts import TRUE_MEANS
from latentcell.study.words import number_text

# Points of docs/study.md. Inflated means need no switch: records have both means.
POINTS = {one.name: one.point for one in CONFOUNDERS} | {"inflated-means": 12}
# Keys of the jobs of each record, beside subset and replicate.
_JOBS: dict[str, list[str]] = {
    "accuracies": ["input"],
    "curves": ["input"],
    "models": ["model"],
    "model_curves": ["model"],
    "variance": [],
}


@dataclass(frozen=True)
class _Change:
    """Change of a contrast between two variants."""

    variant: str
    before: Contrast
    after: Contrast

    def units(self) -> float:
        """Change in units of the smallest relevant difference."""
        return (self.after.estimate - self.before.estimate) / (self.before.scale or 1.0)

    def counts(self) -> bool:
        """Whether the change is relevant and leaves the interval of `before`."""
        outside = not self.before.low <= self.after.estimate <= self.before.high
        large = abs(self.after.estimate - self.before.estimate) >= self.before.scale
        return outside and large

    def rank(self) -> tuple[bool, float]:
        """Sort key: changes that count first, then the largest."""
        return not self.counts(), -abs(self.units())

    def __str__(self) -> str:
        numbers = f"{number_text(self.before.estimate)} → {number_text(self.after.estimate)}"
        return f"{self.variant}: {self.before.name} {numbers}"


def confounder_of(evidence: Evidence, question: Question) -> tuple[str, str]:
    """Describe the confounders that change the claim's contrasts, and the changes."""
    whole = _change(evidence, question, CONTROLLED, AS_RUN)
    moving = _moving(evidence, question)
    measured = "; ".join(map(str, [*([whole] if whole else []), *moving]))
    if moving:
        names = (re.split("-without-|-with-", change.variant)[1] for change in moving)
        return ", ".join(dict.fromkeys(map(_label, names))), measured
    if whole is None:
        return f"{suspects_text(question)}: not measured", measured
    if whole.counts():
        return f"{suspects_text(question)}: not told apart", measured
    return "none seen", measured


def _moving(evidence: Evidence, question: Question) -> list[_Change]:
    """Relevant changes by single confounders, the largest first."""
    ablations = _ablations(evidence, question)
    every = [_change(evidence, question, base, variant) for base, variant in ablations]
    changes = sorted((change for change in every if change and change.counts()), key=_Change.rank)
    most = max((abs(change.units()) for change in changes), default=0.0)
    least = evidence.thresholds.minor * most
    return [change for change in changes if abs(change.units()) >= least]


def _change(evidence: Evidence, question: Question, base: str, variant: str) -> _Change | None:
    """Largest change of a contrast between two variants; None if one lacks the records."""
    alike = _alike(evidence, question, base, variant)
    try:
        before, after = (
            {contrast.name: contrast for contrast in question.contrasts(alike, one)}
            for one in (base, variant)
        )
    except MissingError:
        return None
    changes = [_Change(variant, before[name], after[name]) for name in before if name in after]
    return min(changes, key=_Change.rank, default=None)


def _ablations(evidence: Evidence, question: Question) -> list[tuple[str, str]]:
    """Base and name of each ablation in the records of the claim."""
    frames = [getattr(evidence, name) for name in question.records]
    names = {str(n) for frame in frames if is_there(frame) for n in frame["variant"].unique()}
    prefixes = {f"{AS_RUN}-without-": AS_RUN, f"{CONTROLLED}-with-": CONTROLLED}
    return [
        (base, name)
        for name in sorted(names)
        for prefix, base in prefixes.items()
        if name.startswith(prefix)
    ]


def _alike(evidence: Evidence, question: Question, base: str, variant: str) -> Evidence:
    """Records of the jobs that two variants share; ablations have only a few inputs."""
    kept: dict[str, Any] = {}
    for name in question.records:
        frame = getattr(evidence, name)
        if not is_there(frame):
            continue
        parts = [frame[frame["variant"] == one] for one in (base, variant)]
        job = ["cells", "replicate", *_JOBS[name]]
        kept[name] = pd.concat(
            [
                part.merge(other[job].drop_duplicates(), on=job)
                for part, other in zip(parts, reversed(parts), strict=True)
            ]
        )
    return replace(evidence, **kept)


def with_true_means(evidence: Evidence) -> Evidence:
    """Add a variant ``as-run`` with true means, as an ablation of point 12."""
    if not is_there(evidence.models) or (evidence.models["variant"] == TRUE_MEANS).any():
        return evidence
    as_run = evidence.models[evidence.models["variant"] == AS_RUN]
    return replace(evidence, models=pd.concat([evidence.models, as_run.assign(variant=TRUE_MEANS)]))


def _label(name: str) -> str:
    words = name.replace("-", " ")
    return f"{words} ({POINTS[name]})" if name in POINTS else words


def suspects_text(question: Question) -> str:
    """Suspected confounders of a claim, for claims without measured ones."""
    return ", ".join(map(_label, question.suspects))
