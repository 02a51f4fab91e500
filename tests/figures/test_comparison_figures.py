"""Figures of the comparison: what is in them, that it is labelled, that nothing overlaps."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from example_tables import (
    GMVAE,
    TITLES,
    ablations,
    contrasts,
    curve_table,
    detectable,
    pairs,
    protocols,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentcell.figures import comparison as c
from latentcell.figures.style import DOUBLE_COLUMN, SINGLE_COLUMN, save


def contrast_figure(table: pd.DataFrame, rope: float = 0.01) -> Figure:
    comparison = SimpleNamespace(rope=rope)
    settings = SimpleNamespace(comparison=comparison)
    return c.contrast_figure(SimpleNamespace(table=lambda _: table, settings=settings))  # type: ignore[arg-type]


FIGURES: dict[str, tuple[Callable[..., Figure], Callable[[], pd.DataFrame]]] = {
    "learning_curve": (c.learning_curve_figure, curve_table),
    "ablation": (c.ablation_figure, ablations),
    "probability": (c.probability_figure, pairs),
    "detectable": (c.detectable_figure, detectable),
    "protocol": (c.protocol_figure, protocols),
    "contrast": (contrast_figure, contrasts),
}


def draw(name: str) -> Figure:
    function, table = FIGURES[name]
    return function(table())


def written(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_labelled_and_reproducible(name: str, tmp_path: Path) -> None:
    figure = draw(name)
    # The lowest panels name the x axis.
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert figure.axes[0].get_ylabel()
    assert figure.get_figwidth() in (SINGLE_COLUMN, DOUBLE_COLUMN)
    first, second = save(figure, tmp_path / "a"), save(draw(name), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.stat().st_size > 2000
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", FIGURES)
def test_no_two_texts_overlap_and_none_is_cut(name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    figure = draw(name)
    renderer: Any = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    # Ticks beyond the limits of an axis are there, and are not drawn.
    hidden = {
        id(tick.label1)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in found if id(t) not in hidden]
    assert len(boxes) > 8
    for (one, box), (other, another) in combinations(boxes, 2):
        assert not box.overlaps(another), (one, other)
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
    assert not any("…" in text for text, _ in boxes)


@pytest.mark.parametrize("name", FIGURES)
def test_empty_tables_say_so(name: str, tmp_path: Path) -> None:
    function, table = FIGURES[name]
    figure = function(table()[:0])
    assert "nothing was run" in written(figure)
    assert figure.axes[0].get_xlabel()
    save(figure, tmp_path / name)


@pytest.mark.parametrize("name", ["learning_curve", "ablation", "protocol", "contrast"])
def test_without_intervals_the_means_are_drawn(
    name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    function, make = FIGURES[name]
    table = make()
    table.loc[:, [column for column in table if "low" in str(column) or "high" in str(column)]] = (
        np.nan
    )
    figure = function(table)
    save(figure, tmp_path / name)
    assert [str(w.message) for w in recwarn] == []
    # Dots alone: neither bars nor caps, which would look like a certain value.
    for axes in figure.axes:
        for container in axes.containers:
            means = np.asarray(container.lines[0].get_xdata(), float)  # type: ignore[attr-defined]
            assert np.isfinite(means).any()
            assert lengths(container) == []
        bands = axes.collections
        paths = [np.asarray(one.vertices, float) for band in bands for one in band.get_paths()]
        assert not [path for path in paths if len(path) and np.isfinite(path).all()]


def lengths(container: Any) -> list[float]:
    """Places of the ends of a container's bars and of its caps."""
    _, caps, bars = container.lines
    parts = [one for bar in bars for one in bar.get_segments()]
    parts += [cap.get_xdata() for cap in caps]
    ends = np.concatenate([np.ravel(np.asarray(one, float)) for one in parts])
    return [x for x in ends.tolist() if np.isfinite(x)]


def test_learning_curve_has_a_line_and_a_band_for_each_input() -> None:
    figure = draw("learning_curve")
    axes = figure.axes[0]
    assert legend(figure) == TITLES
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["100", "400", "1,040"]
    assert list(axes.lines[2].get_ydata()) == pytest.approx([0.54, 0.6, 0.65])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0.47)
    assert len({line.get_color() for line in axes.lines}) == 3


def marks(axes: Axes, base: int) -> tuple[list[float], list[float]]:
    line = axes.containers[base].lines[0]  # type: ignore[attr-defined]
    return list(line.get_xdata()), list(line.get_ydata())


def test_ablation_has_a_row_a_confounder_and_a_mark_a_base() -> None:
    figure = draw("ablation")
    assert [axes.get_title() for axes in figure.axes] == [
        "ELBO\nGMVAE Z = 10, H = 100",
        *(f"Accuracy\n{title}" for title in TITLES),
    ]
    rows = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert rows == [
        "First rows, no random sample",
        "Softmax applied twice",
        "Output biases start at zero",
    ]
    assert list(figure.axes[0].get_yticks()) == [0, -1, -2]
    x, y = marks(figure.axes[2], 0)
    # Points of accuracy, as-run above the row's middle; the table has the rows in reverse.
    assert x == pytest.approx([3, 2, 1])
    assert y == pytest.approx([-1.84, -0.84, 0.16])
    assert marks(figure.axes[2], 1)[1] == pytest.approx([-2.16, -1.16, -0.16])
    assert legend(figure) == ["from as run, by leaving it out", "from controlled, by adding it"]


def test_ablation_of_one_base_has_its_marks_in_the_middle_and_no_other_in_the_legend() -> None:
    table = ablations()
    figure = c.ablation_figure(table[table["base"] == "controlled"])
    assert legend(figure) == ["from controlled, by adding it"]
    assert all(y == round(y) for axes in figure.axes for y in marks(axes, 0)[1])


@pytest.mark.parametrize(
    ("effect", "ticks"),
    [
        (5.0, ["−10", "0", "10"]),
        (300.0, ["−100", "0", "100"]),
        (2800.0, ["−1,000", "−10", "0", "10", "1,000"]),
    ],
)
def test_bounds_have_every_second_power_of_ten(effect: float, ticks: list[str]) -> None:
    table = ablations()
    table = table[table["measure"] == "elbo"].assign(effect=effect, low=effect, high=effect)
    axes = c.ablation_figure(table).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    assert "  " not in axes.get_xlabel()


def test_ablation_scales_bounds_by_magnitude_and_accuracies_alike() -> None:
    bound, *accuracies = draw("ablation").axes
    assert bound.get_xscale() == "symlog"
    assert marks(bound, 1)[0] == [-110.0, 3.0, -2800.0]
    assert bound.get_xlim()[0] < -2800 - 1400
    assert len({axes.get_xlim() for axes in accuracies}) == 1
    low, high = accuracies[0].get_xlim()
    assert low == -high < -4.5
    # What was not run is a dash.
    assert [t.get_text() for t in accuracies[0].texts] == ["–"]
    assert [t.get_text() for t in accuracies[1].texts] == []


def test_probabilities_fill_each_bar_and_small_ones_are_not_written() -> None:
    axes = draw("probability").axes[0]
    widths = [[bar.get_width() for bar in axes.patches[i : i + 3]] for i in (0, 3, 6)]
    assert widths[0] == pytest.approx([71, 23, 6])
    assert [sum(row) for row in widths] == pytest.approx([100] * 3)
    assert [text.get_text() for text in axes.texts] == ["71", "23", "6", "20", "80", "99"]
    assert [t.get_text() for t in axes.get_yticklabels()] == [TITLES[0], TITLES[0], TITLES[1]]


def test_pair_without_probabilities_says_why() -> None:
    table = pairs()
    table.loc[0, [column for column in table if "probability" in column]] = np.nan
    table.loc[0, "note"] = "one replicate: no interval"
    axes = c.probability_figure(table).axes[0]
    assert axes.texts[0].get_text() == "one replicate: no interval"
    assert len(axes.patches) == 6


def test_detectable_differences_are_read_off_at_marked_numbers() -> None:
    figure = draw("detectable")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [
        "29.0",
        "15.4",
        "10.4",
        "11.3",
        "7.4",
        "none",
    ]
    assert axes.get_xscale() == "log"
    ticks = [t.get_text() for t in axes.get_xticklabels()]
    assert ticks == ["26", "130", "300", "3,000"]  # 20 is too near 26
    assert len(legend(figure)) == 2


def test_protocols_stand_beside_published_values() -> None:
    figure = draw("protocol")
    axes = figure.axes[0]
    assert legend(figure) == ["as run", "as stated", "controlled", "published"]
    x, y = marks(axes, 2)
    assert x == pytest.approx([0.67, 0.62, 0.57])
    assert y == pytest.approx([-0.22, -1.22, -2.22])
    published = axes.lines[-1]
    assert list(published.get_xdata())[:2] == [0.655, 0.569]
    unpublished = c.protocol_figure(protocols().assign(published=np.nan))
    assert legend(unpublished) == ["as run", "as stated", "controlled"]


def test_inputs_of_a_kind_get_colours_of_their_own() -> None:
    table = pd.concat(
        [curve_table(), curve_table().query("input == 'raw'").assign(input="pca-k10")]
    )
    axes = c.learning_curve_figure(table).axes[0]
    assert len({line.get_color() for line in axes.lines}) == 4


def test_contrasts_have_a_row_a_pair_a_panel_a_measure_and_a_mark_a_level() -> None:
    figure = draw("contrast")
    against_raw, against_pca = figure.axes[:3], figure.axes[3:]
    assert [axes.get_title() for axes in against_raw] == [
        *("Accuracy", "Balanced accuracy", "Macro-F1")
    ]
    assert against_raw[0].get_ylabel() == "Baseline:\nRaw counts"
    assert against_pca[0].get_ylabel() == "Baseline:\nPCA, k = 50"
    gmvae = "GMVAE Z = 10, H = 100"
    assert [t.get_text() for t in against_raw[0].get_yticklabels()] == [
        *(f"PCA, k = 50, {by}" if name == "pca" else f"{gmvae}, {by}"
          for by in ("ffnn", "knn") for name in ("pca", "gmvae"))
    ]  # fmt: skip
    assert [t.get_text() for t in against_pca[0].get_yticklabels()] == [f"{gmvae}, ffnn"]
    x, y = marks(against_raw[1], 0)
    assert x == pytest.approx([2, 4, 6, 8])
    assert y == pytest.approx([0.15, -0.85, -1.85, -2.85])
    x, y = marks(against_pca[2], 1)
    assert (x, y) == (pytest.approx([15 - 5]), pytest.approx([-0.15]))
    whisker = against_pca[2].containers[1].lines[2][0].get_segments()[0]  # type: ignore[attr-defined]
    assert whisker[:, 0].tolist() == pytest.approx([7, 13])
    assert legend(figure) == ["types", "T cells merged"]
    low, high = against_raw[0].get_xlim()
    assert low == -high < -18
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_contrasts_show_the_line_at_zero_and_the_region() -> None:
    for axes in contrast_figure(contrasts(), rope=0.02).axes:
        (zero,) = (line for line in axes.lines if list(line.get_xdata()) == [0, 0])
        assert zero.get_visible()
        band = axes.patches[0]
        assert (band.get_x(), band.get_width()) == pytest.approx((-2, 4))


def test_contrasts_of_many_classifiers_are_those_of_the_first() -> None:
    table = contrasts().query("classifier == 'ffnn' and level == 'types'")
    many = pd.concat([table.assign(classifier=f"c{i}") for i in range(20)])
    rows = [t.get_text() for t in contrast_figure(many).axes[0].get_yticklabels()]
    # Three pairs of each: thirteen classifiers have 39.
    assert len(rows) == 2 * 13
    assert rows[0].endswith(", c0")
    assert rows[-1].endswith(", c12")
    wide = pd.concat([table.assign(first=f"nmf-k{i}") for i in range(50)])
    assert len(contrast_figure(wide).axes[0].get_yticks()) == 50


def test_probabilities_are_those_of_the_accuracy() -> None:
    turned = pairs()
    turned.loc[turned["measure"] == "macro_f1", "probability_equal"] = np.nan
    assert written(c.probability_figure(turned)) == written(draw("probability"))


def test_contrasts_of_one_level_have_marks_in_the_middle_of_their_rows() -> None:
    table = contrasts().query("level == 'types' and second == 'raw' and classifier == 'ffnn'")
    figure = contrast_figure(table)
    assert len(figure.axes) == 3
    assert marks(figure.axes[0], 0)[1] == pytest.approx([0, -1])
    assert GMVAE in set(table["first"])
