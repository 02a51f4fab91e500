"""First screen of the page: what came out, how sure that is, and one chart of each data set.

The best latents are compared with the best other input on the largest subset. Both are the best of
their side on validation cells; their accuracies are those on test cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentcell.config.names import input_title
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.figures.data import largest_subset
from latentcell.report.answer import ALIKE, compared, verdict
from latentcell.report.best import KINDS, LATENTS, kind_of, ranked_inputs, scores_of
from latentcell.report.charts import replicate_dots
from latentcell.report.parts import Chart, Fact, Headline, number
from latentcell.report.results import Results
from latentcell.runtime.io import read_json
from latentcell.tables.comparison import controlled_table

_ANSWERS = {
    "better": "Yes: learnt latents classify these cells better.",
    "worse": "No: learnt latents classify these cells worse.",
    "equal in practice": "No: latents and other inputs are equal in practice.",
}
_UNDECIDED = "Undecided: the difference is smaller than its uncertainty."
_ALIKE = "Undecided: the difference is the same in all replicates, so its spread is unknown."
_FEW = "Not known yet: too few replicates."
_NO_PAIR = "This run does not compare learnt latents with other inputs."
_SAMPLE = "pbmc68k-sample"
_REAL = (
    "For the study's question run `make study`, or `make run CONFIG=config/comparison.yaml`; for "
    "your own cells see `docs/your-data.md`."
)


@dataclass(frozen=True)
class Outcome:
    """Best latents against the best other input on a subset of a data set.

    Attributes
    ----------
    latents, other
        Names of both inputs.
    accuracies
        Mean test accuracy of latents and of the other input, over the compared replicates.
    difference
        Row of `latentcell.tables.comparison.pair_probabilities`, latents first.
    word
        Result of `latentcell.report.answer.verdict`.
    """

    dataset: str
    cells: str
    latents: str
    other: str
    accuracies: tuple[float, float]
    difference: dict[Any, Any]
    word: str


def headline(found: Sequence[Results]) -> Headline:
    """Summarise a run on all its data sets.

    Parameters
    ----------
    found : sequence of Results
        Results of each data set, in the order of the run.
    """
    outcomes = [outcome for one in found if (outcome := outcome_of(one)) is not None]
    charts = [chart for one in found if (chart := _chart(one)) is not None]
    remarks = [text for one in found if (text := demonstration(one))]
    if not outcomes:
        return Headline(_NO_PAIR, [], [], charts, remarks)
    sentences = [_sentence(one, several=len(found) > 1) for one in outcomes]
    if len(found) > 1:
        return Headline(_tallied(outcomes), sentences, _tally(outcomes), charts, remarks)
    (only,) = outcomes
    return Headline(_answer(only), sentences, _facts(only), charts, remarks)


def outcome_of(results: Results) -> Outcome | None:
    """Compare the best latents with the best other input; None without both.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    """
    settings, cells = results.settings, largest_subset(results.settings)
    scores, rope = scores_of(results, cells), settings.comparison.rope
    kinds = {name: kind_of(name, settings) for name in ranked_inputs(scores, settings)}
    latents = next((name for name, kind in kinds.items() if kind is LATENTS), None)
    other = next((name for name, kind in kinds.items() if kind is not LATENTS), None)
    if latents is None or other is None:
        return None
    both = scores[scores["input"].isin([latents, other])]
    pairs = compared(both, results, [(latents, other)])
    row = pairs[pairs["measure"] == "accuracy"].iloc[0].to_dict()
    wide = both[both["split"] == "test"].pivot(
        index="replicate", columns="input", values="accuracy"
    )
    tested = (wide.dropna() if row["paired"] else wide).mean()
    word = verdict(row["difference_low"], row["difference_high"], rope)
    accuracies = (float(tested[latents]), float(tested[other]))
    title = results.title_of(cells)
    return Outcome(results.dataset, title, latents, other, accuracies, row, word)


def majority_accuracy(results: Results, cells: str) -> float | None:
    """Mean accuracy of the commonest type of the training cells, predicted for all test cells.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    cells : str
        Name of the subset.

    Returns
    -------
    float or None
        None if the classifier of the page fits no input of the subset.
    """
    names = results.inputs(cells)
    if not names:
        return None
    shares = []
    for path in results.repeated(cells, names[0], results.classifier, "metrics.json"):
        confusion = read_json(path)["confusion"]
        tested, trained = (np.asarray(confusion[key]) for key in ("matrix", "training"))
        if tested.sum():
            commonest = int(trained.sum(axis=1).argmax())
            shares.append(float(tested[commonest].sum() / tested.sum()))
    return float(np.mean(shares)) if shares else None


def demonstration(results: Results) -> str:
    """Sentence that a run on the sample of scanpy is a demonstration; empty for other cells.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    """
    if results.dataset != _SAMPLE:
        return ""
    types = results.cell_types.value_counts()
    share = 100 * types.iloc[0] / types.sum()
    return (
        f"This is a demonstration: {number(types.sum())} cells with {number(results.genes)} "
        f"genes, {number(share)} % of the cells {types.index[0]}. These shares are not those of "
        f"blood. {_REAL}"
    )


def _answer(outcome: Outcome) -> str:
    if outcome.difference["replicates"] < MIN_REPLICATES:
        return _FEW
    return _ANSWERS.get(outcome.word, _ALIKE if outcome.word == ALIKE else _UNDECIDED)


def _sentence(outcome: Outcome, several: bool) -> str:
    latents, other = (number(accuracy, 3) for accuracy in outcome.accuracies)
    where = f"{outcome.dataset}, {_where(outcome.cells)}" if several else outcome.cells
    return (
        f"{where}: {input_title(outcome.latents)}, the best latents on validation cells, have a "
        f"test accuracy of {latents}; {input_title(outcome.other)}, the best other input, has "
        f"{other}. "
        f"{_sureness(outcome)}"
    )


def _where(title: str) -> str:
    """Title of a subset within a line."""
    return title.replace("All ", "all ")


def _sureness(outcome: Outcome) -> str:
    """Sentence on the uncertainty of the difference."""
    row = outcome.difference
    replicates = int(row["replicates"])
    if pd.isna(row["difference_low"]):
        some = f"{replicates} replicate{'s' if replicates > 1 else ''}"
        return (
            f"The uncertainty is unknown with {some}: intervals and probabilities need "
            f"{MIN_REPLICATES}."
        )
    if outcome.word == ALIKE:
        return f"The difference is the same in all {replicates} replicates."
    chances = {
        "better": row["probability_first_better"],
        "equal in practice": row["probability_equal"],
        "worse": row["probability_second_better"],
    }
    said = ", ".join(f"{word} {_percent(chance)}" for word, chance in chances.items())
    return f"Probability that latents are: {said} ({replicates} replicates)."


def _percent(chance: float) -> str:
    """Percentage of a probability; a probability of an estimate is never exactly 0 or 1."""
    if chance < 0.005:
        return "below 1 %"
    return "above 99 %" if chance > 0.995 else f"{number(100 * chance)} %"


def _facts(outcome: Outcome) -> list[Fact]:
    """Three numbers: both accuracies, and their difference."""
    row = outcome.difference
    mean, low, high = (row[f"difference_{part}"] for part in ("mean", "low", "high"))
    latents, other = (number(accuracy, 3) for accuracy in outcome.accuracies)
    sure = f"95 % interval {number(low, 3)} to {number(high, 3)}"
    if pd.isna(low):
        sure = f"no interval: {row['replicates']} of {MIN_REPLICATES} replicates"
    elif outcome.word == ALIKE:
        sure = f"the same in all {row['replicates']} replicates"
    return [
        Fact("Accuracy, best latents", latents, input_title(outcome.latents)),
        Fact("Accuracy, best other input", other, input_title(outcome.other)),
        Fact("Difference", _signed(mean), sure),
    ]


def _signed(value: float) -> str:
    return f"+{number(value, 3)}" if value > 0 else number(value, 3)


def _tallied(outcomes: Sequence[Outcome]) -> str:
    """Answer of a run on several data sets."""
    if all(_answer(outcome) == _FEW for outcome in outcomes):
        return _FEW
    known = {word: count for word, count in _counts(outcomes).items() if count}
    if len(known) == 1:
        (word,) = known
        begin = "Undecided" if word == "undecided" else f"Latents are {word}"
        of = f"all {len(outcomes)} data sets" if len(outcomes) > 1 else outcomes[0].dataset
        return f"{begin} on {of}."
    parts = [f"{word} on {count}" for word, count in known.items()]
    return f"It depends on the data set: latents are {', '.join(parts)}."


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Number of data sets by outcome."""
    words = [one.word if one.word in _ANSWERS else "undecided" for one in outcomes]
    return {word: words.count(word) for word in (*_ANSWERS, "undecided")}


def _tally(outcomes: Sequence[Outcome]) -> list[Fact]:
    """Three numbers of several data sets."""
    counts = _counts(outcomes)
    of = f"of {len(outcomes)} data set{'s' if len(outcomes) > 1 else ''}"
    equal = counts["equal in practice"]
    parts = f"{equal} equal in practice, {counts['undecided']} undecided"
    return [
        Fact("Latents better", str(counts["better"]), of),
        Fact("Latents worse", str(counts["worse"]), of),
        Fact("Neither", str(equal + counts["undecided"]), parts),
    ]


def _chart(results: Results) -> Chart | None:
    """Chart of the accuracies of all inputs on the largest subset, a dot for each replicate."""
    cells = largest_subset(results.settings)
    frame = _replicates(results, cells)
    if frame.empty:
        return None
    majority = majority_accuracy(results, cells)
    kinds = [kind for kind in KINDS if kind.name in set(frame["kind"])]
    title = f"{results.dataset}, {_where(results.title_of(cells))}"
    bars = ", bars are 95 % intervals" if frame["low"].notna().any() else ""
    note = f"Dots are replicates, ticks are means{bars}."
    if majority is not None:
        note += f" Dashed line: the most frequent type for every cell ({number(majority, 3)})."
    best = frame.iloc[int(frame["mean"].argmax())]
    summary = (
        f"Test accuracy of {results.classifier} by input, {title}. {note} {best['label']} has the "
        f"highest mean, {number(best['mean'], 3)}."
    )
    spec = replicate_dots(frame, kinds, majority)
    return Chart(f"replicates-{cells}", title, summary, spec, note=note)


def _replicates(results: Results, cells: str) -> pd.DataFrame:
    """Test accuracy of each input and replicate, with mean and interval of the input."""
    scores = scores_of(results, cells)
    means = controlled_table(scores, results.variant)
    means = means[["input", *(f"accuracy_{part}" for part in ("mean", "low", "high"))]]
    means.columns = pd.Index(["input", "mean", "low", "high"])
    # In the order of inputs of all tables.
    tested = scores.loc[scores["split"] == "test", ["input", "replicate", "accuracy"]]
    frame = means.merge(tested, on="input")
    return frame.assign(
        label=frame["input"].map(input_title),
        kind=[kind_of(name, results.settings).name for name in frame["input"]],
        text=[_interval(row) for row in frame.to_dict("records")],
    )


def _interval(row: dict[Any, Any]) -> str:
    if pd.isna(row["low"]):
        return number(row["mean"], 3)
    return f"{number(row['mean'], 3)} ({number(row['low'], 3)} to {number(row['high'], 3)})"
