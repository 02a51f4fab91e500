"""What confounded a claim: how its contrasts change from one variant to another."""

import re
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from latentcell.compare.contrasts import TRUE_MEANS, Contrast, Question
from latentcell.compare.evidence import AS_RUN, CONTROLLED, Evidence, MissingError, is_there
from latentcell.compare.words import number_text
from latentcell.protocols.confounders import CONFOUNDERS

# Points of docs/study.md; inflated means need no switch, both means are in the records.
POINTS = {one.name: one.point for one in CONFOUNDERS} | {"inflated-means": 12}


@dataclass(frozen=True)
class _Change:
    """What becomes of a contrast from one variant to another."""

    variant: str
    before: Contrast
    after: Contrast

    def units(self) -> float:
        """The change in units of the smallest difference that counts."""
        return (self.after.estimate - self.before.estimate) / (self.before.scale or 1.0)

    def counts(self) -> bool:
        """Whether the change is as large as what counts, and more than chance of the former."""
        outside = not self.before.low <= self.after.estimate <= self.before.high
        large = abs(self.after.estimate - self.before.estimate) >= self.before.scale
        return outside and large

    def rank(self) -> tuple[bool, float]:
        """Changes that count first, then the largest."""
        return not self.counts(), -abs(self.units())

    def __str__(self) -> str:
        numbers = f"{number_text(self.before.estimate)} → {number_text(self.after.estimate)}"
        return f"{self.variant}: {self.before.name} {numbers}"


def confounder_of(evidence: Evidence, question: Question) -> tuple[str, str]:
    """The confounders that move any of the claim's contrasts, and by how much."""
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
    """Changes by single confounders that count, the largest first."""
    every = [_change(evidence, question, base, variant) for base, variant in _ablations(evidence)]
    changes = sorted((change for change in every if change and change.counts()), key=_Change.rank)
    most = max((abs(change.units()) for change in changes), default=0.0)
    least = evidence.thresholds.minor * most
    return [change for change in changes if abs(change.units()) >= least]


def _change(evidence: Evidence, question: Question, base: str, variant: str) -> _Change | None:
    """What changes most, of what was run in both; None where one lacks it."""
    alike = _alike(evidence, base, variant)
    try:
        before, after = (
            {contrast.name: contrast for contrast in question.contrasts(alike, one)}
            for one in (base, variant)
        )
    except MissingError:
        return None
    changes = [_Change(variant, before[name], after[name]) for name in before if name in after]
    return min(changes, key=_Change.rank, default=None)


def _ablations(evidence: Evidence) -> list[tuple[str, str]]:
    """Base and name of every ablation in the records."""
    frames = (evidence.accuracies, evidence.models, evidence.curves, evidence.variance)
    names = {str(n) for frame in frames if is_there(frame) for n in frame["variant"].unique()}
    prefixes = {f"{AS_RUN}-without-": AS_RUN, f"{CONTROLLED}-with-": CONTROLLED}
    return [
        (base, name)
        for name in sorted(names)
        for prefix, base in prefixes.items()
        if name.startswith(prefix)
    ]


def _alike(evidence: Evidence, base: str, variant: str) -> Evidence:
    """The records of two variants, of the jobs that both have: ablations run a few inputs only."""
    jobs = {"accuracies": ["input"], "curves": ["input"], "models": ["model"], "variance": []}
    kept: dict[str, Any] = {}
    for name, key in jobs.items():
        frame = getattr(evidence, name)
        if not is_there(frame):
            continue
        parts = [frame[frame["variant"] == one] for one in (base, variant)]
        job = ["cells", "replicate", *key]
        kept[name] = pd.concat(
            [
                part.merge(other[job].drop_duplicates(), on=job)
                for part, other in zip(parts, reversed(parts), strict=True)
            ]
        )
    return replace(evidence, **kept)


def with_true_means(evidence: Evidence) -> Evidence:
    """Add as-run with true means as if it were one more ablation (point 12)."""
    if not is_there(evidence.models) or (evidence.models["variant"] == TRUE_MEANS).any():
        return evidence
    as_run = evidence.models[evidence.models["variant"] == AS_RUN]
    return replace(evidence, models=pd.concat([evidence.models, as_run.assign(variant=TRUE_MEANS)]))


def _label(name: str) -> str:
    words = name.replace("-", " ")
    return f"{words} ({POINTS[name]})" if name in POINTS else words


def suspects_text(question: Question) -> str:
    """What may have confounded a claim, where nothing tells."""
    return ", ".join(map(_label, question.suspects))
