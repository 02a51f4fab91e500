"""Choice of the experts of a classifier by cross-validation on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from time import process_time
from typing import Any

import numpy as np

from latentcell.annotate.calibration import Doubles, fit_temperature, softmax
from latentcell.annotate.experts import NAIVE_BAYES, Candidate, Codes, Expert, Rows
from latentcell.config.settings import AnnotateSettings
from latentcell.evaluate.metrics import split_scores
from latentcell.represent.methods.consensus import combine

# Validation cells with which no cross-validation is needed.
ENOUGH_VALIDATION = 1000
# Joins the names of experts whose probabilities are averaged.
AND = " + "
# Temperatures are looked for near scores of this standard deviation.
_SPREAD = 5.0
Fold = tuple[Rows, Rows]


@dataclass(frozen=True)
class Choice:
    """The experts that were chosen, and what the choice is based on.

    Attributes
    ----------
    experts
        Experts whose probabilities are averaged; they have learnt from all training cells.
    candidates
        Name, hyperparameters, accuracy, macro-F1 and log loss of each candidate.
    by
        The cells on which the candidates were scored, in words.
    seconds
        Seconds of a core of each candidate; those of an average are of all its experts.
    """

    experts: tuple[Expert, ...]
    candidates: Sequence[dict[str, Any]]
    by: str
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class _Scored:
    """A candidate at its best hyperparameter: logits of the scored cells, at a temperature."""

    candidate: Candidate
    setting: float
    logits: Doubles
    temperature: float

    @property
    def probabilities(self) -> Doubles:
        return softmax(self.logits, self.temperature)


def folds_of(codes: Codes, validation: Rows, settings: AnnotateSettings) -> tuple[list[Fold], str]:
    """Return the folds on which candidates are scored, and a description of them.

    Parameters
    ----------
    codes
        Types of the training cells, which come first, and the validation cells; -1: unknown.
    validation
        Rows of the validation cells.
    settings
        Number of folds; a single candidate needs none.

    Returns
    -------
    folds : list of (array, array)
        Rows to learn from and rows to score. Validation cells are scored if there is a single
        candidate, or there are `ENOUGH_VALIDATION` of them, or too few training cells for folds.
    description : str
    """
    from sklearn.model_selection import StratifiedKFold

    training = np.setdiff1d(np.arange(len(codes)), validation)
    known = validation[codes[validation] >= 0]
    on_validation = [(training, known)], f"{len(known):,} validation cells"
    # Each fold needs two types to learn from.
    number = min(settings.folds, int(np.sort(np.bincount(codes[training]))[-2]))
    if len(settings.candidates) == 1 or len(known) >= ENOUGH_VALIDATION or number < 2:
        return on_validation
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splitter = StratifiedKFold(number, shuffle=True, random_state=settings.seed)
        parts = list(splitter.split(training, codes[training]))
    folds = [(training[learn], training[score]) for learn, score in parts]
    return folds, f"{len(training):,} training cells in {number} folds"


def choose(
    found: Sequence[Candidate],
    codes: Codes,
    validation: Rows,
    settings: AnnotateSettings,
) -> Choice:
    """Choose the candidate, or the average of candidates, with the highest accuracy.

    Of equally good ones the first is chosen, and single experts come first. The hyperparameter of
    a regression has the smallest log loss at the best temperature, that of naive Bayes the highest
    accuracy.

    Parameters
    ----------
    found
        Candidates.
    codes, validation
        See `folds_of`.
    settings
        Section ``annotate``.
    """
    folds, by = folds_of(codes, validation, settings)
    truth = np.concatenate([codes[score] for _, score in folds])
    scored, seconds = [], {}
    for candidate in found:
        start = process_time()
        scored.append(_best(candidate, folds, truth))
        seconds[candidate.name] = process_time() - start
    groups = [
        group
        for size in range(1, len(scored) + 1 if settings.averages else 2)
        for group in combinations(scored, size)
    ]
    rows = [_row(group, truth) for group in groups]
    best = max(range(len(rows)), key=lambda index: (rows[index]["accuracy"] or 0.0, -index))
    training = np.setdiff1d(np.arange(len(codes)), validation)
    experts = []
    for one in groups[best]:
        start = process_time()
        fitted = one.candidate.fit(training, one.setting)
        experts.append(replace(fitted, temperature=one.temperature))
        seconds[one.candidate.name] += process_time() - start
    for group in groups:
        names = [one.candidate.name for one in group]
        seconds[AND.join(names)] = sum(seconds[name] for name in names)
    return Choice(tuple(experts), rows, by, seconds)


def _best(candidate: Candidate, folds: Sequence[Fold], truth: Codes) -> _Scored:
    """Return the candidate with its best hyperparameter."""
    logits: dict[float, list[Doubles]] = {setting: [] for setting in candidate.settings}
    for learn, score in folds:
        for setting in candidate.settings:
            logits[setting].append(candidate.predict(learn, score, setting))
    found = []
    for setting, parts in logits.items():
        together = np.concatenate(parts)
        temperature = _temperature(together, truth)
        one = _Scored(candidate, setting, together, temperature)
        found.append((_loss(one, truth), one))
    return min(found, key=lambda pair: pair[0])[1]


def _loss(one: _Scored, truth: Codes) -> float:
    """Return the log loss, and the error for naive Bayes, whose probabilities are too sure."""
    if one.candidate.name == NAIVE_BAYES:
        return float((one.logits.argmax(1) != truth).mean()) if len(truth) else 0.0
    return log_loss(one.probabilities, truth)


def _temperature(logits: Doubles, truth: Codes) -> float:
    """Fit a temperature to logits of any scale."""
    if not len(truth):
        return 1.0
    scale = float(logits.std()) / _SPREAD or 1.0
    return scale * fit_temperature(logits / scale, truth)


def log_loss(probabilities: Doubles, codes: Codes) -> float:
    """Compute the mean negative log-probability of the true types; 0 without cells."""
    if not len(codes):
        return 0.0
    of_type = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(of_type, 1e-300)).mean())


def _row(group: Sequence[_Scored], truth: Codes) -> dict[str, Any]:
    mean = combine([one.probabilities for one in group])
    scores = split_scores(truth, mean.argmax(1))
    return {
        "name": AND.join(one.candidate.name for one in group),
        "settings": [one.setting for one in group],
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "log_loss": log_loss(mean, truth) if len(truth) else None,
    }
