"""Choice of the experts of a classifier, and of their weights, by cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import process_time
from typing import Any

import numpy as np

from latentcell.annotate.calibration import (
    Doubles,
    fit_temperature,
    fit_weights,
    logarithms,
    softmax,
)
from latentcell.annotate.experts import NAIVE_BAYES, Candidate, Codes, Expert, Rows
from latentcell.config.settings import AnnotateSettings
from latentcell.evaluate.metrics import split_scores

# Validation cells with which no cross-validation is needed.
ENOUGH_VALIDATION = 1000
# Joins the names of experts whose logits are added.
AND = " + "
# An expert with a smaller weight is left out: it would hardly change a type, but costs time.
_LEAST_WEIGHT = 0.02
# Standard errors by which several experts must be better than the best of them.
_CONFIRMED = 2.0
# Temperatures are looked for near scores of this standard deviation.
_SPREAD = 5.0
Fold = tuple[Rows, Rows]


@dataclass(frozen=True)
class Choice:
    """The experts that were chosen, and what the choice is based on.

    Attributes
    ----------
    experts
        Experts, which have learnt from all training cells, with their weights.
    candidates
        Name, hyperparameters, accuracy, macro-F1 and log loss of each candidate, and at the end
        of their weighted sum if several have a weight.
    by
        The cells on which the candidates were scored, in words.
    seconds
        Seconds of a core of each row of `candidates`; those of the sum are of its experts.
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
    def tempered(self) -> Doubles:
        return self.logits / self.temperature


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
    """Choose the experts and their weights.

    The setting ``combine`` decides. Weights that are ``learnt`` maximise the likelihood of the
    scored cells (`calibration.fit_weights`). If it is not confirmed that this is better, by two
    standard errors of the mean difference, the expert with the smallest log loss has all weight.
    ``equal`` weights are all the same. The hyperparameter of a regression has the smallest log loss
    at the best temperature, that of naive Bayes the highest accuracy.

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
    weights = _weights(scored, truth, settings)
    rows = [_row([one], one.tempered, truth) for one in scored]
    kept = [(one, weight) for one, weight in zip(scored, weights, strict=True) if weight]
    training = np.setdiff1d(np.arange(len(codes)), validation)
    experts = []
    for one, weight in kept:
        start = process_time()
        fitted = one.candidate.fit(training, one.setting)
        experts.append(replace(fitted, temperature=one.temperature, weight=weight))
        seconds[one.candidate.name] += process_time() - start
    if len(kept) > 1:
        group = [one for one, _ in kept]
        rows.append(_row(group, _sum(group, [weight for _, weight in kept], truth), truth))
        seconds[rows[-1]["name"]] = sum(seconds[one.candidate.name] for one, _ in kept)
    return Choice(tuple(experts), rows, by, seconds)


def _weights(scored: Sequence[_Scored], truth: Codes, settings: AnnotateSettings) -> list[float]:
    """Return the weight of each candidate; they have the sum 1, and small ones are 0."""
    number = len(scored)
    if settings.combine == "equal" or number == 1:
        return [1 / number] * number
    weights = fit_weights([one.tempered for one in scored], truth)
    weights[weights < _LEAST_WEIGHT] = 0.0
    weights /= weights.sum()
    alone = [_log_likelihoods(one.tempered, truth) for one in scored]
    first = int(np.argmax([one.sum() for one in alone]))
    together = _log_likelihoods(_sum(scored, weights.tolist(), truth), truth)
    gain = together - alone[first]
    if len(gain) > 1 and gain.mean() <= _CONFIRMED * gain.std(ddof=1) / np.sqrt(len(gain)):
        weights = np.eye(number)[first]
    return [float(weight) for weight in weights]


def _sum(group: Sequence[_Scored], weights: Sequence[float], truth: Codes) -> Doubles:
    """Return the weighted sum of logits, at its best temperature."""
    logits = np.tensordot(np.array(weights), np.stack([one.tempered for one in group]), 1)
    return np.asarray(logits / _temperature(logits, truth), np.float64)


def _log_likelihoods(logits: Doubles, truth: Codes) -> Doubles:
    """Return the log-probability of each cell's type."""
    return logarithms(softmax(logits)[np.arange(len(truth)), truth])


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
    return -float(_log_likelihoods(one.tempered, truth).mean()) if len(truth) else 0.0


def _temperature(logits: Doubles, truth: Codes) -> float:
    """Fit a temperature to logits of any scale."""
    if not len(truth):
        return 1.0
    scale = float(logits.std()) / _SPREAD or 1.0
    return scale * fit_temperature(logits / scale, truth)


def _row(group: Sequence[_Scored], logits: Doubles, truth: Codes) -> dict[str, Any]:
    scores = split_scores(truth, logits.argmax(1))
    return {
        "name": AND.join(one.candidate.name for one in group),
        "settings": [one.setting for one in group],
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "log_loss": -float(_log_likelihoods(logits, truth).mean()) if len(truth) else None,
    }
