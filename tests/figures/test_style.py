"""Colours, labels and written files."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from latentcell.figures import style
from latentcell.figures.legends import legend_columns, legend_height
from latentcell.figures.style import (
    KINDS,
    free_colours,
    in_style,
    new_figure,
    plain,
    save,
    sequence_colours,
    styled,
    type_styles,
)

STUDY_TYPES = [
    "CD14+ Monocyte",
    "CD19+ B",
    "CD34+",
    "CD4+ T Helper2",
    "CD4+/CD25 T Reg",
    "CD4+/CD45RA+/CD25- Naive T",
    "CD4+/CD45RO+ Memory",
    "CD56+ NK",
    "CD8+ Cytotoxic T",
    "CD8+/CD45RA+ Naive Cytotoxic",
    "Dendritic",
]
# How people without one kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def cielab(colour: str, vision: np.ndarray) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(vision @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ seen / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION.values(), ids=VISION)
def test_study_types_can_be_told_apart_with_every_colour_vision(vision: np.ndarray) -> None:
    seen = [cielab(style.colour, vision) for style in type_styles(STUDY_TYPES).values()]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 15  # a just noticeable difference is about 2


def test_study_types_have_a_marker_each() -> None:
    assert len({style.marker for style in type_styles(STUDY_TYPES).values()}) == 11


def test_colours_of_study_types_do_not_depend_on_the_company() -> None:
    alone = type_styles(["CD56+ NK"])["CD56+ NK"]
    assert alone == type_styles([*STUDY_TYPES, "another"])["CD56+ NK"]


@pytest.mark.parametrize("number", [1, 2, 60, 200])
def test_other_types_get_distinct_colours(number: int) -> None:
    names = [f"type {index}" for index in range(number)] + ["CD19+ B"]
    styles = type_styles(reversed(names * 2))
    assert list(styles) == sorted(names)
    assert len({style.colour for style in styles.values()}) == number + 1
    assert styles == type_styles(names)


def test_sequences_have_as_many_distinct_colours_as_asked() -> None:
    for number in (0, 3, 50):
        assert len(set(sequence_colours(number))) == len(sequence_colours(number)) == number


def test_colours_of_others_are_unlike_those_of_known_kinds() -> None:
    colours = free_colours(30)
    assert len(set(colours)) == 30
    for one, series in itertools.product(colours, KINDS.values()):
        first, second = (
            np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
            for colour in (one, series.colour)
        )
        assert abs(first - second).max() > 12


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("CD19+ B", "CD19+ B"),
        ("$x$", r"\$x\$"),
        ("_hidden", "\u200a_hidden"),
        ("a" * 30 + "b" * 30, "a" * 22 + "…" + "b" * 11),
        ("γδ T ячейки", "γδ T ячейки"),
        ("\U00012000 cell", r"\u12000 cell"),  # Cuneiform: in none of the fonts.
    ],
)
def test_labels_are_made_safe(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_fonts_of_other_scripts_are_taken_where_they_are_installed(monkeypatch) -> None:
    import matplotlib as mpl
    from matplotlib.font_manager import FontEntry, fontManager

    dejavu = next(font for font in fontManager.ttflist if font.name == "DejaVu Sans")
    other = FontEntry(fname=dejavu.fname, name="WenQuanYi Zen Hei")
    for cached in (style.fonts, style.letters):
        cached.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(fontManager, "ttflist", [other, *fontManager.ttflist])
        with in_style():
            assert mpl.rcParams["font.family"] == ["DejaVu Sans", "WenQuanYi Zen Hei"]
    style.fonts.cache_clear()


def test_legends_fill_their_rows_evenly() -> None:
    labels = [f"cluster {index}" for index in range(10)]
    assert legend_columns(labels, 7.2) == 5  # eight would fit: 8 + 2
    assert legend_columns(["x" * 30] * 10, 2.0) == 1
    assert legend_columns([], 7.2) == 1
    assert legend_height(labels, 7.2) < legend_height(labels, 1.0)


def example() -> Figure:
    with in_style():
        figure = new_figure(3.5, 2)
        axes = figure.subplots()
        axes.scatter(range(5), range(5), rasterized=True)
        axes.plot([0, 4], [0, 4], label="a line")
        axes.legend()
    return figure


def test_saved_files_have_the_same_bytes_every_time(tmp_path: Path) -> None:
    figure = example()
    first = save(figure, tmp_path / "first")
    again = save(figure, tmp_path / "again")
    anew = save(example(), tmp_path / "anew")
    assert [path.name for path in first] == ["first.pdf", "first.png", "first.svg"]
    for a, b, c in zip(first, again, anew, strict=True):
        assert a.read_bytes() == b.read_bytes() == c.read_bytes()
        assert a.stat().st_size > 1000


def test_nothing_is_left_of_a_figure_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    figure = example()
    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(figure, tmp_path / "figure")
    assert list(tmp_path.iterdir()) == []


def test_png_has_the_size_in_inches_at_300_dpi(tmp_path: Path) -> None:
    from matplotlib.image import imread

    save(example(), tmp_path / "figure")
    assert imread(tmp_path / "figure.png").shape[:2] == (600, 1050)


def test_style_is_the_projects_and_leaves_that_of_others_alone() -> None:
    import matplotlib as mpl

    @styled
    def draw() -> Figure:
        seen.append((mpl.rcParams["font.size"], mpl.rcParams["lines.linestyle"]))
        return new_figure(1, 1)

    seen: list[tuple[float, str]] = []
    with mpl.rc_context({"font.size": 20, "lines.linestyle": ":"}):
        draw()
        assert mpl.rcParams["font.size"] == 20
    assert seen == [(7, "-")]


def test_figures_of_any_number_of_panels_have_a_bounded_height() -> None:
    assert new_figure(7.2, 1000).get_figheight() == 60
