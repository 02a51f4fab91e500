"""What jobs of the leaderboard ask of a scheduler.

Upper bounds on what was measured (docs/methods.md): 1,300 cells of 32,738 genes, 10 min and 1.1 GB
for all classifiers on all genes, 1 min and 1.1 GB for scANVI; both taken as going with the cells.
"""

from latentcell.resources import Demand, Size

# Beside what every job needs; a cell's genes are dense in the hungriest classifiers.
_REPRESENT_MB, _CLASSIFY_MB, _CELL_MB = 600, 800, 0.8
_REPRESENT_SECONDS_A_CELL, _CLASSIFY_SECONDS_A_CELL = 0.2, 0.8


def representing(cells: Size) -> Demand:
    """Learning a representation."""
    return Demand(_REPRESENT_MB + cells.cells * _CELL_MB, cells.cells * _REPRESENT_SECONDS_A_CELL)


def ranking(cells: Size) -> Demand:
    """All classifiers of a representation, one after the other."""
    return Demand(_CLASSIFY_MB + cells.cells * _CELL_MB, cells.cells * _CLASSIFY_SECONDS_A_CELL)
