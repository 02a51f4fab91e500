"""Style of all figures: sizes, fonts, colours of cell types, reproducible files.

Figures use matplotlib's object interface, which needs no display and shares no state.
"""

import colorsys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

from latentcell.runtime.io import atomic
from latentcell.runtime.mark import SIMULATED, SIMULATION_NOTE, is_marking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Widths in inches of one and of two columns of a journal: 85 and 174 mm.
SINGLE_COLUMN = 85 / 25.4
DOUBLE_COLUMN = 174 / 25.4
SMALLEST = 6  # points; journals ask for no smaller text at printed size
MAX_HEIGHT = 60.0
LABEL = 40  # characters of a label in a legend or of a row
DPI = 300
# Colours of Okabe and Ito, distinct for all kinds of colour vision.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
NEUTRAL = "#555555"
# Colours are too similar if no channel (0 to 255) differs by more than this.
_ALIKE = 12
SPLIT_COLOURS = {"training": BLUE, "validation": VERMILLION}
# Mark across figures of simulated cells, repeated every 2.5 inches so that cut-outs have it too.
_STAMP, _STAMP_COLOUR, _STAMP_EVERY = f"{SIMULATED} CELLS", "#D55E00", 2.5
_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
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
    # Text stays text, so that it can be edited and searched.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
# Fonts for letters that DejaVu Sans lacks, where one is installed: all scripts, then some of them.
_OTHER_SCRIPTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "Droid Sans Fallback", "Arial Unicode MS", "PingFang SC"),
    *("Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Malgun Gothic", "Noto Sans"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai"),
)
# No dates and no versions, so that files are reproducible.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class TypeStyle:
    """Colour and marker of a cell type."""

    colour: str
    marker: str


class Series(NamedTuple):
    """Label, colour and marker of a series."""

    label: str
    colour: str
    marker: str


# Styles of the kinds of representations, in all figures.
KINDS = {
    "raw": Series("raw counts", NEUTRAL, "D"),
    "pca": Series("PCA", BLUE, "o"),
    "gmvae": Series("GMVAE", VERMILLION, "s"),
    "vae": Series("VAE", GREEN, "^"),
}

# The 11 types of the study. T cells overlap in all maps and have the most distinct colours.
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
MARKERS = "os^Dv>PX*ph<d8"


def type_styles(names: Iterable[str]) -> dict[str, TypeStyle]:
    """Assign a unique colour and a marker to each cell type.

    Types of the study have fixed styles. Other types get, in alphabetical order, the remaining
    colours of the study and then generated ones.

    Parameters
    ----------
    names : iterable of str
        All types of the data set.

    Returns
    -------
    dict
        Styles by name, in alphabetical order.
    """
    distinct = sorted(set(names))
    used = {_KNOWN_TYPES[name].colour for name in distinct if name in _KNOWN_TYPES}
    free = [style.colour for style in _KNOWN_TYPES.values() if style.colour not in used]
    free += [
        colour for colour in map(_generated_colour, range(len(distinct))) if colour not in used
    ]
    others = iter(free)
    return {
        name: _KNOWN_TYPES.get(name) or TypeStyle(next(others), MARKERS[index % len(MARKERS)])
        for index, name in enumerate(distinct)
    }


def _generated_colour(index: int) -> str:
    """Generate a colour: hues spread by the golden ratio, lightness in turns."""
    hue = (0.07 + index * 0.618033988749895) % 1
    lightness = (0.35, 0.55, 0.75)[index % 3]
    channels = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in channels)


def edge_of(colour: str) -> str:
    """Colour of the edge of a mark: grey for light colours, which white paper would swallow."""
    red, green, blue = (channel / 255 for channel in _channels(colour))
    return NEUTRAL if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.75 else colour


def free_colours(number: int) -> list[str]:
    """Colours that differ from those of the kinds of representations."""
    kinds = [_channels(series.colour) for series in KINDS.values()]
    colours = sequence_colours(number + len(_KNOWN_TYPES))
    far = [
        colour
        for colour in colours
        if all(
            max(abs(a - b) for a, b in zip(_channels(colour), kind, strict=True)) > _ALIKE
            for kind in kinds
        )
    ]
    return far[:number]


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def sequence_colours(number: int) -> list[str]:
    """Colours of items without a fixed colour, such as subsets and clusters."""
    known = [style.colour for style in _KNOWN_TYPES.values()]
    return (known + [_generated_colour(index) for index in range(number)])[:number]


def plain(name: str, width: int = 34) -> str:
    """Make a label of a name: escape $ and a leading underscore, shorten in the middle.

    Letters that no font has are written as their codes, so that names stay distinct.
    """
    known = letters()
    name = "".join(c if ord(c) in known or c.isspace() else f"\\u{ord(c):04x}" for c in name)
    if len(name) > width:
        tail = width // 3
        name = f"{name[: width - tail - 1]}…{name[-tail:]}"
    name = name.replace("$", r"\$")
    # matplotlib omits labels with a leading underscore from legends.
    return f"\u200a{name}" if name.startswith("_") else name


def in_style() -> AbstractContextManager[None]:
    """Context with matplotlib's defaults and this style, without the user's settings."""
    from matplotlib import style

    return style.context(["default", _RC | {"font.family": fonts()}])


@cache
def fonts() -> list[str]:
    """Return the fonts in which letters are looked up, so that names may be in any script."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    others = [name for name in _OTHER_SCRIPTS if name in installed]
    return ["DejaVu Sans", *others] if others else ["sans-serif"]


@cache
def letters() -> frozenset[int]:
    """Return the code points that the fonts have."""
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    files = {findfont(name) for name in dict.fromkeys(["DejaVu Sans", *fonts()[1:]])}
    return frozenset(code for file in files for code in FT2Font(file).get_charmap())


def styled(
    draw: "Callable[_Arguments, Figure]",
) -> "Callable[_Arguments, Figure]":
    """Decorate a drawing function to run it in this style."""

    @wraps(draw)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> "Figure":
        with in_style():
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure of a size in inches, with constrained layout."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, min(height, MAX_HEIGHT)), layout="constrained")


def save(figure: "Figure", stem: str | Path) -> list[Path]:
    """Write a figure as PDF, PNG (300 dpi) and SVG, atomically and reproducibly.

    Figures of simulated cells are marked (`latentcell.runtime.mark`), in the image and in the
    title of the file.

    Parameters
    ----------
    figure : Figure
        Figure to write.
    stem : str or Path
        Path without suffix.

    Returns
    -------
    list of Path
        Paths of the written files.
    """
    written = []
    with in_style():
        # One layout for all formats, which needs no drawing. With an engine, even "none", each
        # format is drawn twice.
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
        figure.set_layout_engine(None)
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
    """Mark a figure of simulated cells while it is written."""
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
