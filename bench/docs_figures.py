"""Draw the figures of the pages from the tables in docs/results.

Writes ``docs/images/*.svg``::

    python bench/docs_figures.py [NAME ...]
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import record_figures
import reliability
from quoted_tables import records
from scale import TITLES

from latentcell.figures import comparison, deposit, few_labels, leaderboard
from latentcell.figures.legends import letter_panels
from latentcell.figures.parts import bar_lengths, representation_series, row_places
from latentcell.figures.style import DOUBLE_COLUMN, new_figure, save, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
# Data sets of config/truth.yaml with a panel each, and the titles of these.
TRUTH = {
    "sorted-to-68k": "trained on sorted,\ntested on 68k cells",
    "68k-to-sorted": "trained on 68k,\ntested on sorted cells",
    "zheng-sorted": "within sorted cells",
    "pbmc68k-study": "within 68k cells",
}
INPUTS = {
    "raw": "Raw counts",
    "pca-k50": "PCA, k = 50",
    "hvg-pca-k50": "PCA of variable genes, k = 50",
    "gmvae-z10-h100": "GMVAE, Z = 10",
    "gmvae-z10-h100-recommended": "GMVAE, Z = 10, recommended",
    "vae-z10-h100-recommended": "VAE, Z = 10, recommended",
    "scvi-z10": "scVI, Z = 10",
}


@styled
def truth_figure(table: pd.DataFrame) -> "Figure":
    """Draw the accuracy of the study's network on each input, a panel for each data set."""
    looks = representation_series(INPUTS)
    figure = new_figure(DOUBLE_COLUMN, 2.5)
    grid = figure.subplots(1, len(TRUTH), sharey=True)
    grid[0].set_ylabel("Input")
    for axes, (dataset, title) in zip(grid, TRUTH.items(), strict=True):
        rows = table[(table["dataset"] == dataset) & (table["classifier"] == "ffnn")]
        rows = rows.set_index("representation").loc[list(INPUTS)]
        means, low, high = (rows[f"accuracy_{end}"] for end in ("mean", "low", "high"))
        for place, name in enumerate(INPUTS):
            bars = bar_lengths(*(ends.loc[[name]] for ends in (means, low, high)))
            axes.errorbar(
                *(means[name], -place),
                xerr=bars,
                **{"color": looks[name].colour, "marker": looks[name].marker},
                **{"markersize": 4, "capsize": 1.5, "linewidth": 0.9},
            )
        axes.set_title(title)
        axes.set_xlabel("Test accuracy")
    row_places(grid[0], INPUTS.values())
    return figure


# By image: table, if any, and drawing function.
FIGURES = {
    "engine-blocks": ("", record_figures.blocks_figure),
    "engine-seconds": ("engine", record_figures.seconds_figure),
    "faithful": ("faithful", record_figures.faithful_figure),
    "gmvae-output-bias": ("gmvae_output_bias", record_figures.output_bias_figure),
    "scale": ("scale", partial(record_figures.scale_figure, titles=TITLES)),
    "comparison-protocols": ("comparison/protocols", comparison.protocol_figure),
    "comparison-probabilities": ("comparison/probabilities", comparison.probability_figure),
    "comparison-ablations": ("comparison/ablations", comparison.ablation_figure),
    "comparison-learning_curve": ("comparison/learning_curve", comparison.learning_curve_figure),
    "comparison-detectable": ("comparison/detectable", comparison.detectable_figure),
    "comparison-table5_deposit": ("comparison/records/deposit", deposit.deposit_accuracies),
    "truth": ("truth/leaderboard", truth_figure),
    "annotation-depth": ("annotation_depth", reliability.depth_reliability_figure),
    "few_labels": ("few-labels/few_labels", few_labels.few_labels_figure),
    "leaderboard": ("leaderboard", leaderboard.leaderboard_figure),
}


def draw(name: str, folder: Path = DOCS / "images") -> Path:
    """Draw a figure from its record, and keep its SVG."""
    table, function = FIGURES[name]
    figure = function(*([records(table)] if table else []))
    letter_panels(figure)
    for path in save(figure, folder / name):
        if path.suffix != ".svg":
            path.unlink()
    return folder / f"{name}.svg"


if __name__ == "__main__":
    for chosen in sys.argv[1:] or FIGURES:
        draw(chosen)
