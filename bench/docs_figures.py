"""Draw the figures of the pages from the tables in docs/results.

Writes ``docs/images/comparison-*.svg`` (but for the deposit), ``annotation-depth.svg`` and
``leaderboard.svg``::

    python bench/docs_figures.py
"""

from pathlib import Path

import pandas as pd

from latentcell.figures import comparison, leaderboard, reliability
from latentcell.figures.legends import letter_panels
from latentcell.figures.style import save

DOCS = Path(__file__).parents[1] / "docs"
# By image: table and drawing function.
FIGURES = {
    "comparison-protocols": ("comparison/protocols", comparison.protocol_figure),
    "comparison-probabilities": ("comparison/probabilities", comparison.probability_figure),
    "comparison-ablations": ("comparison/ablations", comparison.ablation_figure),
    "comparison-learning_curve": ("comparison/learning_curve", comparison.learning_curve_figure),
    "comparison-detectable": ("comparison/detectable", comparison.detectable_figure),
    "annotation-depth": ("annotation_depth", reliability.depth_reliability_figure),
    "leaderboard": ("leaderboard", leaderboard.leaderboard_figure),
}


def main() -> None:
    """Draw all figures and keep their SVG."""
    for name, (table, draw) in FIGURES.items():
        figure = draw(pd.read_csv(DOCS / f"results/{table}.csv"))
        letter_panels(figure)
        for path in save(figure, DOCS / f"images/{name}"):
            if path.suffix != ".svg":
                path.unlink()


if __name__ == "__main__":
    main()
