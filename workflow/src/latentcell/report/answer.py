"""Answer of a run: accuracy of each input, and differences of latents to other inputs.

Each kind of input is represented by its best input on validation cells, so that no choice depends
on test cells.
"""

from collections.abc import Sequence

import pandas as pd

from latentcell.config.names import input_title
from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.report.best import LATENTS, best_of_each_kind, scores_of
from latentcell.report.charts import intervals
from latentcell.report.parts import Chart, Section, Table
from latentcell.report.results import Results
from latentcell.study.published import STUDY_DATASETS, published_accuracies
from latentcell.tables.catalogue import COUNTED
from latentcell.tables.comparison import controlled_table, pair_probabilities
from latentcell.tables.entry import shares_splits
from latentcell.tables.headings import HEADINGS, Heading
from latentcell.tables.render import reading_columns

_NO_WIDTH = 1e-9
# Verdict on equal differences.
ALIKE = "the same in all replicates, so the spread is unknown"
_PAIR_HEADINGS = HEADINGS | {
    "first": Heading("Latents", words=input_title),
    "second": Heading("Other input", words=input_title),
    "probability_first_better": Heading("P(latents better)"),
    "probability_second_better": Heading("P(other better)"),
}
_PAIR_NOTE = (
    "Best input of each kind by accuracy on validation cells: learnt latents, principal "
    "components, raw counts, other representations. Difference: latents minus the other "
    "input, with its 95 % interval. Probabilities: Bayesian correlated t-test. Equal: difference "
    "within the region of practical equivalence (comparison.rope)."
)


def answer(results: Results, cells: str) -> Section:
    """Make the section of a subset: chart of accuracies, table and sentences of differences.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    cells : str
        Name of the subset.
    """
    title = results.title_of(cells)
    found = scores_of(results, cells)
    if found.empty:
        return Section(
            title, [f"The classifier {results.classifier} fits no input of these cells."]
        )
    pairs = _pairs(found, results)
    tables = [_pair_table(pairs)] if len(pairs) else []
    sentences = _sentences(pairs, tables[0], results.settings.comparison.rope) if tables else []
    return Section(
        title,
        sentences or ["The run has no accuracies of both latents and other inputs."],
        [_accuracy_chart(found, results, cells)],
        tables,
    )


def verdict(low: float | None, high: float | None, rope: float) -> str:
    """Describe the interval of a difference.

    Parameters
    ----------
    low, high : float or None
        Interval; missing for few replicates.
    rope : float
        Largest difference that is equal in practice.
    """
    if low is None or high is None or pd.isna(low):
        return f"undecided with fewer than {MIN_REPLICATES} replicates"
    if high - low < _NO_WIDTH:
        return ALIKE
    if low > rope:
        return "better"
    if high < -rope:
        return "worse"
    if -rope <= low and high <= rope:
        return "equal in practice"
    return "undecided with these replicates"


def _accuracy_chart(found: pd.DataFrame, results: Results, cells: str) -> Chart:
    title = results.title_of(cells)
    size = len(results.subsets[cells])
    published = published_accuracies(size) if results.dataset in STUDY_DATASETS else {}
    frame = controlled_table(found, results.variant)
    frame["published"] = frame["input"].map(published).astype(float)
    measures = [f"{name}_{part}" for name in MEASURES for part in ("mean", "low", "high")]
    shown = frame[["input", *measures, "published", "test_cells_mean", "replicates", "note"]]
    notes = [
        "Means on test cells with 95 % intervals over replicates (corrected resampled t-test), for "
        f"{MIN_REPLICATES} or more replicates.",
        COUNTED,
    ]
    caption = f"Scores of the classifier {results.classifier} on test cells by input, {title}"
    table = Table(caption, reading_columns(shown), notes)
    drawn = pd.DataFrame({"label": table.cells("Input"), "text": table.cells("Accuracy")})
    drawn[["mean", "low", "high"]] = frame[["accuracy_mean", "accuracy_low", "accuracy_high"]]
    drawn["published"] = frame["published"]
    best = drawn.iloc[int(drawn["mean"].argmax())]
    summary = (
        f"Test accuracy of the classifier {results.classifier} by input, "
        f"{title}. {best['label']} has the highest mean: {best['text']}."
    )
    spec = intervals(drawn, "Test accuracy (share of cells)")
    return Chart(f"accuracy-{cells}", f"Test accuracy by input, {title}", summary, spec, table)


def _pairs(found: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Compare the best latents with the best input of each other kind; empty without both."""
    best = best_of_each_kind(found, results.settings)
    latents = best.pop(LATENTS, None)
    if latents is None or not best:
        return pd.DataFrame()
    return compared(found, results, [(latents, other) for other in best.values()])


def compared(
    scores: pd.DataFrame, results: Results, pairs: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Compare pairs of inputs (`pair_probabilities`), paired if they share cells and split."""
    settings = results.settings
    rope, paired = settings.comparison.rope, shares_splits(settings)
    return pair_probabilities(scores, results.variant, rope=rope, paired=paired, pairs=pairs)


def _pair_table(pairs: pd.DataFrame) -> Table:
    columns = reading_columns(pairs.drop(columns="paired"), _PAIR_HEADINGS)
    return Table("Latents against the other inputs", columns, [_PAIR_NOTE])


def _sentences(pairs: pd.DataFrame, table: Table, rope: float) -> list[str]:
    """Sentences of the pairs, with a part for each measure."""
    names = ("Latents", "Other input", "Measure", "Difference")
    texts = zip(*map(table.cells, names), strict=True)
    bounds = zip(pairs["difference_low"], pairs["difference_high"], strict=True)
    parts: dict[str, list[str]] = {}
    for (latents, other, measure, difference), (low, high) in zip(texts, bounds, strict=True):
        part = f"{difference} of {measure}, {verdict(low, high, rope)}"
        parts.setdefault(f"{latents} against {other}", []).append(part)
    return [f"{pair}: {'; '.join(found)}." for pair, found in parts.items()]
