"""One look for all figures: sizes, fonts, colours of cell types, reproducible files.

Figures are made with matplotlib's object interface, so that nothing is shared between them and no
display is needed.
"""

import colorsys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from latentcell.io import atomic
from latentcell.mark import SIMULATED, SIMULATION_NOTE, is_marking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGLE_COLUMN = 3.5
DOUBLE_COLUMN = 7.2
MAX_HEIGHT = 60.0
DPI = 200
# (blue, vermillion) of Okabe and Ito: apart for every kind of colour vision.
SPLIT_COLOURS = {"training": "#0072B2", "validation": "#D55E00"}
NEUTRAL = "#555555"
# Across a figure of simulated cells, so often that a part that is cut out of it has it too.
_STAMP, _STAMP_COLOUR, _STAMP_EVERY = f"{SIMULATED} CELLS", "#D55E00", 2.5
_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "figure.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "svg.hashsalt": "latentcell",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
# Nothing that tells one writing from the next, nor one version of matplotlib from another.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class TypeStyle:
    """How a cell type is drawn: a colour and, for those who cannot tell it, a marker."""

    colour: str
    marker: str


# The 11 types of the study. T cells overlap in every map, so they are furthest apart.
_KNOWN_TYPES = {
    "CD8+ Cytotoxic T": TypeStyle("#0072B2", "o"),
    "CD8+/CD45RA+ Naive Cytotoxic": TypeStyle("#E69F00", "s"),
    "CD56+ NK": TypeStyle("#009E73", "^"),
    "CD4+/CD25 T Reg": TypeStyle("#CC79A7", "D"),
    "CD19+ B": TypeStyle("#56B4E9", "v"),
    "CD4+/CD45RO+ Memory": TypeStyle("#7A1F1F", "P"),
    "CD14+ Monocyte": TypeStyle("#D55E00", "X"),
    "Dendritic": TypeStyle("#332288", "*"),
    "CD4+/CD45RA+/CD25- Naive T": TypeStyle("#F0E442", "p"),
    "CD34+": TypeStyle("#5A5A5A", "h"),
    "CD4+ T Helper2": TypeStyle("#000000", "<"),
}
_MARKERS = "os^Dv>PX*ph<d8"


def type_styles(names: Iterable[str]) -> dict[str, TypeStyle]:
    """Colour and marker of every cell type, no colour twice.

    Parameters
    ----------
    names : iterable of str
        All the types of the data set. The study's types look the same in every data set; others
        get, in alphabetical order, the study's colours that are free and then generated ones.

    Returns
    -------
    dict
        By name, in alphabetical order.
    """
    distinct = sorted(set(names))
    used = {_KNOWN_TYPES[name].colour for name in distinct if name in _KNOWN_TYPES}
    free = [style.colour for style in _KNOWN_TYPES.values() if style.colour not in used]
    free += [
        colour for colour in map(_generated_colour, range(len(distinct))) if colour not in used
    ]
    others = iter(free)
    return {
        name: _KNOWN_TYPES.get(name) or TypeStyle(next(others), _MARKERS[index % len(_MARKERS)])
        for index, name in enumerate(distinct)
    }


def _generated_colour(index: int) -> str:
    """The golden ratio spreads hues evenly however many there are; lightness takes turns."""
    hue = (0.07 + index * 0.618033988749895) % 1
    lightness = (0.35, 0.55, 0.75)[index % 3]
    channels = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in channels)


def sequence_colours(number: int) -> list[str]:
    """Colours for things without a fixed one: models, subsets, clusters."""
    known = [style.colour for style in _KNOWN_TYPES.values()]
    return (known + [_generated_colour(index) for index in range(number)])[:number]


def plain(name: str, width: int = 34) -> str:
    """Any name as a label: no mathematics, shown although it starts with _, cut in its middle."""
    if len(name) > width:
        tail = width // 3
        name = f"{name[: width - tail - 1]}…{name[-tail:]}"
    name = name.replace("$", r"\$")
    # matplotlib leaves labels with a leading underscore out of legends.
    return f"\u200a{name}" if name.startswith("_") else name


def in_style() -> AbstractContextManager[None]:
    """The defaults of matplotlib and this project's settings, not those of the user."""
    from matplotlib import style

    return style.context(["default", _RC])


def styled(
    draw: "Callable[_Arguments, Figure]",
) -> "Callable[_Arguments, Figure]":
    """Run a drawing function in this project's style."""

    @wraps(draw)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> "Figure":
        with in_style():
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this size in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, min(height, MAX_HEIGHT)), layout="constrained")


def save(figure: "Figure", stem: str | Path) -> list[Path]:
    """Write a figure as PDF, PNG (200 dpi) and SVG, whole and with the same bytes every time.

    Where what is written bears the mark of simulated cells (`latentcell.mark`), it is across the
    figure and in the files' titles.

    Parameters
    ----------
    figure : Figure
        Of this package.
    stem : str or Path
        Path without its suffix.

    Returns
    -------
    list of Path
        What was written.
    """
    written = []
    with in_style():
        # Laid out once: every format and every later writing gets the same positions.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        title = {"Title": SIMULATION_NOTE} if is_marking() else {}
        with _stamped(figure):
            for suffix, metadata in _METADATA.items():
                path = Path(f"{stem}.{suffix}")
                with atomic(path) as temporary:
                    figure.savefig(temporary, format=suffix, metadata=metadata | title)
                written.append(path)
    return written


@contextmanager
def _stamped(figure: "Figure") -> Iterator[None]:
    """Have the mark across a figure while it is written, where there is to be one."""
    width, height = figure.get_size_inches()
    rows = max(1, round(height / _STAMP_EVERY)) if is_marking() else 0
    stamps = [
        figure.text(
            *(0.5, (row + 0.5) / rows, _STAMP),
            ha="center",
            va="center",
            rotation=12,
            size=min(6 * width, 30 * height),
            color=_STAMP_COLOUR,
            alpha=0.3,
            zorder=1000,
            gid=f"{SIMULATED}-{row + 1}",
        )
        for row in range(rows)
    ]
    try:
        yield
    finally:
        for stamp in stamps:
            stamp.remove()
