"""Every figure from a run's files: what is in it, that it is labelled, that nothing overlaps."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from example_tables import TABLES, accuracies
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from synthetic_run import STUDY_TYPES, make_run, run_of_everything, run_settings

from latentcell.config.names import input_title
from latentcell.config.settings import Settings
from latentcell.figures import catalogue
from latentcell.figures.catalogue import (
    FIGURES,
    figure_inputs,
    figure_names,
    figure_stems,
    make_figure,
)
from latentcell.figures.confusion import (
    ConfusionPanel,
    accuracy,
    confusion_matrices,
    row_shares,
    sum_confusions,
)
from latentcell.figures.curves import curve_statistics, robust_limits
from latentcell.figures.data import (
    FigureData,
    classified,
    key_inputs,
    largest_subset,
    map_file,
    map_pca,
    map_representations,
    umi_counts,
)
from latentcell.figures.latents import point_size, round_numbers
from latentcell.figures.legends import NO_PANEL, panel_letter
from latentcell.figures.measures import accuracy_by_dimension, class_shares
from latentcell.figures.style import DOUBLE_COLUMN, SINGLE_COLUMN, save, type_styles
from latentcell.runtime import provenance
from latentcell.tables import few_labels, leaderboard
from latentcell.tables.catalogue import table_entry, table_names

Run = tuple[Path, Settings, str, list[str]]
NAMES = list(FIGURES)
STUDY = [*(name for name in NAMES if name.startswith("figure")), "accuracy_by_dimension"]
MINE = {"name": "mine", "path": "mine.h5ad"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two subsets, two replicates, two latent dimensions, and every figure."""
    folder = tmp_path_factory.mktemp("run")
    settings = run_of_everything()
    return folder, settings, "pbmc68k-study", make_run(folder, settings, cells=60, epochs=4)


@pytest.fixture(scope="module")
def two_datasets(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same with a second data set, of other types."""
    folder = tmp_path_factory.mktemp("two")
    settings = run_of_everything(datasets=["pbmc68k-study", MINE])
    return folder, settings, "mine", make_run(folder, settings, cells=60, epochs=4)


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One replicate of all the cells, two types with awkward names, no raw counts, one epoch."""
    folder = tmp_path_factory.mktemp("odd")
    settings = run_settings(sizes=["all"], latent_dims=[2], baselines=["pca-k3"], datasets=[MINE])
    types = {"_<b>$x^2$ & 100 % \\frac": 20, "B{cells}#": 10}
    return folder, settings, "mine", make_run(folder, settings, types, cells=30, epochs=1)


@pytest.fixture(scope="module")
def inputs(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder for each figure that has the figure's inputs alone."""
    folder, settings, dataset, chosen = run

    def linked(name: str) -> Path:
        alone = tmp_path_factory.mktemp(name)
        for path in figure_inputs(name, settings, dataset, chosen):
            (alone / path).parent.mkdir(parents=True, exist_ok=True)
            (alone / path).symlink_to(folder / path)
        return alone

    return linked


@pytest.fixture(scope="module")
def saved(
    run: Run, inputs: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Figure, list[Path]]]:
    """Each figure of the run, drawn once from its inputs alone, and its files."""
    files = tmp_path_factory.mktemp("saved")

    def draw(name: str) -> tuple[Figure, list[Path]]:
        figure = make_figure(name, inputs(name), *run[1:])
        return figure, save(figure, files / name)

    return cache(draw)


@pytest.fixture(scope="module")
def drawn(saved: Callable[[str], tuple[Figure, list[Path]]]) -> Callable[[str], Figure]:
    """Each figure of the run, laid out as in its files."""
    return lambda name: saved(name)[0]


def rendered(figure: Figure) -> Any:
    """Lay a figure out; returns the renderer that can measure its parts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return canvas.get_renderer()


def visible_axes(figure: Figure) -> Iterator[Axes]:
    return (a for a in figure.axes if a.get_visible() and a.get_label() != NO_PANEL)


def texts(figure: Figure) -> list[Any]:
    from matplotlib.text import Text

    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def assert_all_labelled(figure: Figure) -> None:
    """The left column names its y axis and the lowest row its x axis; colour bars their colours."""
    labels = {(a.get_xlabel() != "", a.get_ylabel() != "") for a in visible_axes(figure)}
    assert (True, True) in labels
    for axes in visible_axes(figure):
        assert axes.get_xlabel() or axes.get_ylabel() or axes.get_title()


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_and_labelled(
    saved: Callable[[str], tuple[Figure, list[Path]]], name: str
) -> None:
    figure, files = saved(name)
    assert_all_labelled(figure)
    assert figure.get_figwidth() in (SINGLE_COLUMN, DOUBLE_COLUMN)
    assert [path.name for path in files] == [f"{name}.{suffix}" for suffix in ("pdf", "png", "svg")]
    for path in files:
        assert path.stat().st_size > 2000
    assert "<text" in files[2].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_smaller_than_6_points(drawn: Callable[[str], Figure], name: str) -> None:
    assert min(text.get_fontsize() for text in texts(drawn(name))) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_of_several_has_its_letter(drawn: Callable[[str], Figure], name: str) -> None:
    figure = drawn(name)
    panels = [axes for axes in visible_axes(figure) if axes.get_label() != "<colorbar>"]
    marks = [[t.get_text() for t in a.texts if t.get_weight() == "bold"] for a in panels]
    if len(panels) > 1:
        assert marks == [[panel_letter(index)] for index in range(len(panels))]
    else:
        assert "a" not in marks[0]


def test_letters_go_on_after_z() -> None:
    assert [panel_letter(i) for i in (0, 25, 26, 51, 52, 701, 702)] == [
        *("a", "z", "aa", "az", "ba", "zz", "aaa")
    ]


@pytest.mark.parametrize("name", ["figure2", "figure3", "figureS1", "figureS3", "figureS4"])
def test_panels_of_a_kind_have_one_size(drawn: Callable[[str], Figure], name: str) -> None:
    figure = drawn(name)
    rendered(figure)
    sizes: dict[str, list[Any]] = {}
    for axes in visible_axes(figure):
        if axes.get_label() != "<colorbar>":
            kind = "matrix" if axes.images else "map" if axes.collections else "curves"
            sizes.setdefault(kind, []).append(axes.get_window_extent().size)
    for kind, found in sizes.items():
        np.testing.assert_allclose(found, np.broadcast_to(found[0], (len(found), 2)), atol=1.5)
        assert kind == "curves" or len(found) > 1


def test_bounds_have_one_axis_with_numbers_at_the_left(drawn: Callable[[str], Figure]) -> None:
    panels = [a for a in drawn("figure2").axes if a.get_xlabel() == "Epoch"]
    assert len({axes.get_ylim() for axes in panels}) == 1
    named = [any(tick.label1.get_visible() for tick in a.yaxis.get_major_ticks()) for a in panels]
    assert named == [True, False, False, False]


def test_the_colour_bar_takes_the_place_that_matrices_leave(run: Run) -> None:
    labels = [f"type {index}" for index in range(11)]
    panel = ConfusionPanel("one", labels, np.eye(11, dtype=np.int64))
    figure = confusion_matrices([panel] * 5)
    free = [axes for axes in figure.axes if axes.get_label() == NO_PANEL]
    assert len(free) == 1
    (bar,) = free[0].child_axes
    assert "Percentage" in bar.get_xlabel()
    full = confusion_matrices([panel] * 6)
    assert not [axes for axes in full.axes if axes.get_label() == NO_PANEL]
    assert full.axes[-1].get_xlabel() == bar.get_xlabel()


def test_matrices_show_percentages_and_the_cells_of_each_type() -> None:
    counts = np.array([[150, 50, 0], [1, 299, 0], [0, 0, 0]])
    axes = confusion_matrices([ConfusionPanel("one", ["A", "B", "C"], counts)]).axes[0]
    written = [text.get_text() for text in axes.texts]
    assert written == ["75", "25", "100", "n"]
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["200", "300", "0"]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_of_each_of_two_data_sets(two_datasets: Run, name: str) -> None:
    folder, settings, _, chosen = two_datasets
    for dataset in settings.dataset_names():
        if name not in figure_names(settings, dataset):
            assert (name, dataset) == ("table5_deposit", "mine")
            continue
        figure = make_figure(name, folder, settings, dataset, chosen)
        assert_all_labelled(figure)
        renderer = rendered(figure)
        heads = [text for text in texts(figure) if text.get_text() == f"Data set {dataset}"]
        assert len(heads) == 1
        box = heads[0].get_window_extent(renderer)
        assert box.y1 <= figure.bbox.height + 1
        for axes in visible_axes(figure):
            panel = axes.get_tightbbox(renderer)
            assert panel is not None
            assert panel.y1 <= box.y0 + 1


@pytest.mark.parametrize("name", [n for n in STUDY if n not in ("figureS5", "figureS6")])
def test_every_figure_copes_with_one_replicate_and_two_awkward_types(
    odd_run: Run, name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    figure = make_figure(name, *odd_run)
    assert_all_labelled(figure)
    save(figure, tmp_path / name)
    shown = " ".join(text.get_text() for text in texts(figure))
    assert "replicate" not in shown
    assert "published" not in shown
    assert [str(w.message) for w in recwarn if "glyph" in str(w.message).lower()] == []


@pytest.mark.parametrize("name", ["figureS1", "figureS4"])
def test_two_drawings_have_the_same_bytes(
    run: Run, saved: Callable[[str], tuple[Figure, list[Path]]], name: str, tmp_path: Path
) -> None:
    _, first = saved(name)
    second = save(make_figure(name, *run), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["figure2", "figureS1", "figureS7", "accuracy_by_dimension"])
def test_legends_lie_outside_all_panels(drawn: Callable[[str], Figure], name: str) -> None:
    figure = drawn(name)
    renderer = rendered(figure)
    boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
    assert boxes
    for axes in visible_axes(figure):
        panel = axes.get_tightbbox(renderer)
        assert panel is not None
        for box in boxes:
            # A pixel of rounding.
            assert panel.y0 >= box.y1 - 1 or panel.y1 <= box.y0 + 1
    for box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width


@pytest.mark.parametrize("name", ["figure3", "figureS3", "figureS4", "figure2"])
def test_titles_of_neighbours_do_not_overlap(drawn: Callable[[str], Figure], name: str) -> None:
    figure = drawn(name)
    renderer = rendered(figure)
    boxes = [a.title.get_window_extent(renderer) for a in visible_axes(figure) if a.get_title()]
    assert len(boxes) > 3
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_sixty_types_are_all_named_in_matrices_and_legends(tmp_path: Path) -> None:
    types = {f"type {index} <of> $many$": 1 + index for index in range(60)}
    settings = run_settings(sizes=["all"], latent_dims=[2], baselines=["raw", "pca-k3"])
    chosen = make_run(tmp_path, settings, types, cells=120, epochs=2)
    figure = make_figure("figure2", tmp_path, settings, "pbmc68k", chosen)
    (legend,) = (legend for legend in figure.legends if legend.get_title().get_text())
    assert len(legend.get_texts()) == 60
    figure = make_figure("figureS3", tmp_path, settings, "pbmc68k", chosen)
    first = figure.axes[0]
    assert len(first.get_yticklabels()) == 60
    assert len(first.get_xticklabels()) == 30
    assert [text.get_text() for text in first.texts] == ["a"]  # no room for numbers


def test_two_hundred_types_are_named_in_part_and_the_axis_says_so() -> None:
    labels = [f"type {index}" for index in range(200)]
    panel = ConfusionPanel("many", labels, np.eye(200, dtype=np.int64))
    axes = confusion_matrices([panel]).axes[0]
    assert len(axes.get_yticks()) == 50
    assert axes.get_ylabel() == "True type (every 4th is named)"


def test_figure_2_shows_every_type_in_its_own_colour(drawn: Callable[[str], Figure]) -> None:
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_hex

    figure = drawn("figure2")
    styles = type_styles(STUDY_TYPES)
    maps = [axes for axes in figure.axes if axes.get_xlabel() == "tSNE 1"]
    assert len(maps) == 4  # two models on two subsets
    for axes in maps:
        points = [c for c in axes.collections if isinstance(c, PathCollection)]
        colours = [to_hex(c.get_facecolor()[0]).upper() for c in points]
        assert set(colours) == {style.colour for style in styles.values()}
        assert sum(len(c.get_offsets()) for c in points) == 60
    assert "1,300 cells, 2 replicates" in figure.axes[0].get_title()


def test_figure_3_has_the_inputs_of_the_study(drawn: Callable[[str], Figure]) -> None:
    titles = [axes.get_title() for axes in drawn("figure3").axes]
    firsts = [title.split("\n")[0] for title in titles if title]
    inputs = ["Raw counts", "PCA, k = 25", "GMVAE Z = 25, H = 250", "GMVAE Z = 25, H = 250"]
    assert firsts == inputs * 2
    assert "15,000 cells" in titles[3]


def test_figure_s2_shows_means_of_the_run_and_not_of_its_variants(
    drawn: Callable[[str], Figure],
) -> None:
    (axes,) = drawn("figureS2").axes
    share = np.cumsum(1 / np.arange(1, 26) ** 0.6)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 1.03 * share)
    assert [text.get_text() for text in drawn("figureS2").legends[0].get_texts()] == [
        "1,300 cells, 2 replicates",
        "1,300 cells, 2 replicates, test cells",
        "15,000 cells, 2 replicates",
        "15,000 cells, 2 replicates, test cells",
    ]


def test_dimension_figure_shows_means_bars_and_published_points(
    drawn: Callable[[str], Figure],
) -> None:
    figure = drawn("accuracy_by_dimension")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "raw counts",
        "raw counts, published",
        "nmf-k20",
        "PCA",
        "PCA, published",
        "GMVAE",
        "GMVAE, published",
    ]
    axes = figure.axes[0]
    assert axes.get_title() == "1,300 cells, 130 to test, 2 replicates"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["10", "25"]
    published = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert list(published[0].get_ydata()) == [0.58, 0.556]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_reads_no_more_than_its_inputs(drawn: Callable[[str], Figure], name: str) -> None:
    assert drawn(name).axes  # of a folder with its inputs alone


def test_no_input_is_listed_twice(run: Run) -> None:
    _, settings, dataset, chosen = run
    for name in NAMES:
        paths = figure_inputs(name, settings, dataset, chosen)
        assert len(paths) == len(set(paths)) > 0


def test_models_that_fill_no_row_leave_empty_places(tmp_path: Path) -> None:
    settings = run_settings(sizes=["all"], latent_dims=[2, 3, 4, 5, 6], baselines=["pca-k3"])
    chosen = make_run(tmp_path, settings, cells=40, epochs=30)
    history = tmp_path / "pbmc68k" / "all" / "r1" / chosen[0] / "history.csv"
    frame = pd.read_csv(history)
    frame.loc[frame["epoch"] == 1, "elbo"] = -1e7
    frame.to_csv(history, index=False)
    figure = make_figure("figure2", tmp_path, settings, "pbmc68k", chosen)
    assert [axes.get_visible() for axes in figure.axes] == ([True] * 6) + [True, True, False] * 2
    assert figure.axes[0].get_ylim()[0] > -5000


def test_a_panel_for_each_subset_and_no_more() -> None:
    row = {"input": "raw", "accuracy_mean": 0.5, "accuracy_sd": 0.1, "accuracy_published": None}
    row |= {"dim": None, "hidden_units": None, "test_cells_mean": 3.0, "replicates": 1}
    table = pd.DataFrame([row | {"subset": size} for size in (1000, 20, 30, 40)])
    figure = accuracy_by_dimension(table)
    assert not [bar for a in figure.axes for bar in (*a.containers, *a.patches)]
    titles = [f"{size} cells, 3 to test" for size in ("1,000", "20", "30", "40")]
    assert [a.get_title() for a in visible_axes(figure)] == titles


def test_dimension_figure_has_lines_for_inputs_without_dimensions() -> None:
    settings = run_settings(latent_dims=[3], baselines=["raw", "hvg-g50"], datasets=[MINE])
    table = accuracies(settings, "mine", ["vae-z3-h250"])
    figure = accuracy_by_dimension(table)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["raw counts", "hvg-g50", "VAE"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3
    empty = accuracy_by_dimension(table[:0])
    assert "nothing was run" in [text.get_text() for text in texts(empty)]


def test_inputs_of_the_dimension_figure_have_a_colour_and_a_line_each() -> None:
    names = ["raw", "hvg-g50", "PCA", "semi-GMVAE", "scVAE", "scVAE, recommended"]
    table = pd.DataFrame({"input": names, "dim": [None, None, 3, 3, 3, 3], "hidden_units": 9})
    table = pd.concat([table.assign(subset=20), table[3:].assign(subset=30)])
    table = table.assign(accuracy_mean=0.5, accuracy_sd=0.1, accuracy_published=None)
    figure = accuracy_by_dimension(table.assign(test_cells_mean=3.0, replicates=1))
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["raw counts", "hvg-g50", "PCA", "GMVAE", "semi-GMVAE", "GMVAE, recommended"]
    first, second = ([line.get_color() for line in a.lines] for a in visible_axes(figure))
    assert len(set(first)) == len(first) == 6
    assert second == first[3:]


def test_figures_are_those_that_the_settings_ask_for() -> None:
    assert figure_names(run_of_everything()) == NAMES
    plain = figure_names(run_settings())
    assert plain == [*STUDY, "contrasts"]
    assert set(STUDY) - set(figure_names(run_settings(sizes=[700]))) == {"figureS5", "figureS6"}
    ranked = run_settings(grid={"classifiers": ["ffnn", "knn"]})
    assert set(figure_names(ranked)) - set(plain) == {"leaderboard"}
    measured = run_settings(grid={"quality": 2})
    assert set(figure_names(measured)) - set(plain) == {"latent_quality"}
    few = run_settings(comparison={"labelled_shares": [0.1]})
    assert set(figure_names(few)) - set(plain) == {"few_labels"}
    compared = run_settings(comparison={"protocols": ["as-run"]})
    assert set(figure_names(compared)) - set(plain) == {
        "protocols",
        "probabilities",
        "learning_curve",
        "ablations",
        "detectable",
    }


def test_figures_of_tables_are_wanted_where_the_tables_are() -> None:
    several = [
        run_settings(),
        run_of_everything(),
        run_of_everything(comparison={}, datasets=["pbmc68k"]),
        run_settings(comparison={"training_cells": [200], "ablation_model": "gmvae-z10-h250"}),
        run_settings(comparison={"protocols": ["as-run"]}, protocol="as-run"),
        run_settings(grid={"classifiers": ["logistic"]}),
    ]
    for settings in several:
        tables = set(table_names(settings))
        figures = set(figure_names(settings))
        for name, entry in FIGURES.items():
            if entry.table or name == "table5_deposit":
                assert (name in figures) == ((entry.table or name) in tables), name


def test_examples_have_columns_of_the_tables() -> None:
    assert set(TABLES["leaderboard"]().columns) <= set(leaderboard.COLUMNS)
    assert set(TABLES["few_labels"]().columns) <= set(few_labels.COLUMNS)


def test_figures_of_what_the_grid_lacks_are_not_wanted() -> None:
    without_pca = figure_names(run_settings(baselines=["raw", "nmf-k20"]))
    assert set(STUDY) - set(without_pca) == {"figureS1", "figureS2"}
    without_network = figure_names(run_settings(grid={"classifiers": ["logistic"]}))
    assert without_network == ["figure2", "figureS1", "figureS2", "figureS7", "contrasts"]


def test_figures_of_a_data_set_and_of_a_part_of_the_report() -> None:
    settings = run_of_everything(datasets=["pbmc68k-study", MINE])
    own = figure_names(settings, "mine")
    assert set(figure_names(settings, "pbmc68k-study")) - set(own) == {"table5_deposit"}
    assert figure_names(settings) == NAMES
    stems = figure_stems(settings)
    assert set(stems) == {f"pbmc68k-study/{name}" for name in NAMES} | {
        f"mine/{name}" for name in own
    }
    figures = [name for name in own if FIGURES[name].category == "Figures"]
    assert figures == [*STUDY, "leaderboard", "latent_quality"]


def test_grids_without_the_usual_inputs_have_figure_3_and_matrices() -> None:
    settings = run_settings(baselines=["nmf-k20"], grid={"replicates": {"nmf-k20": 1}})
    assert key_inputs(settings, "pbmc68k", []) == [("n1300", "nmf-k20"), ("n15000", "nmf-k20")]
    settings = run_settings(baselines=["nmf-k20", "pca-k10"])
    names = [name for _, name in key_inputs(settings, "pbmc68k", ["gmvae-z2-h3", "vae-z5-h3"])]
    assert names == ["pca-k10", "vae-z5-h3", "vae-z5-h3"]


def test_types_that_a_model_gives_are_not_classified_once_more() -> None:
    chosen = ["gmvae-z2-h3", "semi-gmvae-z9-h3"]
    keys = classified(run_settings(baselines=["raw"]), "pbmc68k", chosen, ["n1300"])
    assert [name for _, name in keys] == ["raw", "gmvae-z2-h3"]


def test_a_representation_of_other_data_sets_is_in_no_figure() -> None:
    settings = run_settings(
        baselines=["raw", "label-rule"], datasets=["pbmc68k-study", "zheng-sorted"]
    )
    needed = {
        dataset: [
            path
            for name in ("figure3", "figureS3", "figureS4", "figureS5", "figureS6")
            for path in figure_inputs(name, settings, dataset, ["gmvae-z10-h250"])
            if "label-rule" in path
        ]
        for dataset in settings.dataset_names()
    }
    assert needed["zheng-sorted"] == []
    assert needed["pbmc68k-study"]


def test_a_representation_of_fewer_replicates_says_so_and_needs_fewer_files(run: Run) -> None:
    _, settings, dataset, chosen = run
    files = figure_inputs("figureS3", settings, dataset, chosen)
    assert [path for path in files if "nmf" in path] == [
        f"{dataset}/n1300/r1/nmf-k20/ffnn/metrics.json"
    ]
    titles = [axes.get_title() for axes in make_figure("figureS3", *run).axes]
    (own,) = [title for title in titles if title.startswith("nmf-k20")]
    assert own.split("\n")[1] == "1,300 cells"
    assert sum("2 replicates" in title for title in titles) == len(titles) - 2  # and the colour bar


def test_names_and_inputs_are_known_without_pandas_and_matplotlib() -> None:
    code = (
        "import sys; from latentcell.config.settings import parse_settings\n"
        "from latentcell.figures.catalogue import figure_inputs, figure_names\n"
        "settings = parse_settings({})\n"
        "for name in figure_names(settings):\n"
        "    assert figure_inputs(name, settings, settings.dataset_names()[0], ['gmvae-z1-h2'])\n"
        "print(*{'pandas', 'matplotlib', 'numpy', 'anndata'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_digest_of_the_script_covers_every_drawing() -> None:
    script = Path(__file__).parents[2] / "workflow/scripts/plot_figure.py"
    files = {path.name for path in provenance._reachable(script)}
    drawing = Path(catalogue.__file__).parent.glob("*.py")
    assert {path.name for path in drawing} <= files


def test_rows_of_a_table_are_those_of_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "protocols.csv"
    path.write_text("dataset,input,note\n10,NA,\n11,raw,x\n")
    settings = run_settings(datasets=[MINE])
    table = FigureData(tmp_path, settings, "10", []).table("protocols")
    assert table["input"].tolist() == ["NA"]
    assert list(table.columns) == ["input", "note"]
    assert table["note"].isna().all()


def test_types_that_are_numbers_stay_names_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "class_contrasts.csv"
    path.write_text("dataset,cell_type,difference_mean\nmine,1,0.5\nmine,10,\n")
    table = FigureData(tmp_path, run_settings(datasets=[MINE]), "mine", []).table("class_contrasts")
    (column,) = table_entry("class_contrasts").columns(table[["cell_type"]])
    assert column.cells == ["1", "10"]


def test_largest_subset_and_its_map() -> None:
    assert largest_subset(run_settings(sizes=[1300, 15000, 300])) == "n15000"
    assert largest_subset(run_settings(sizes=[1300, "all"])) == "all"
    assert map_pca(run_settings()) == "pca-k50"
    assert map_pca(run_settings(baselines=["pca-k100", "pca-k10"])) == "pca-k10"
    settings = run_settings()
    assert map_representations(settings, ["vae-z2-h3"], "n15000") == ["pca-k50", "vae-z2-h3"]
    assert map_representations(settings, ["vae-z2-h3"], "n1300") == ["vae-z2-h3"]
    without = run_settings(baselines=["raw"])
    assert map_representations(without, ["vae-z2-h3"], "n15000") == ["vae-z2-h3"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("raw", "Raw counts"),
        ("pca-k10", "PCA, k = 10"),
        ("vae-z10-h100", "VAE Z = 10, H = 100"),
        ("nmf-k20", "nmf-k20"),
    ],
)
def test_inputs_are_called_by_words(name: str, title: str) -> None:
    assert input_title(name) == title


def test_umi_counts_are_row_sums_in_parts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import anndata

    monkeypatch.setattr("latentcell.figures.data._CHUNK", 7)
    path = run[0] / "pbmc68k-study" / "n1300" / "r1" / "cells.h5ad"
    expected = np.asarray(anndata.read_h5ad(path).X.sum(axis=1)).ravel()
    np.testing.assert_array_equal(umi_counts(path), expected)


def test_points_follow_barcodes_not_rows(run: Run, tmp_path: Path) -> None:
    folder, settings, dataset, chosen = run
    key = ("n1300", chosen[0])
    for name in ("dataset.h5ad", map_file(*key)):
        target = tmp_path / dataset / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / dataset / name).read_bytes())
    before = FigureData(tmp_path, settings, dataset, chosen).points(key)
    before.drop(columns="cell_type")[::-1].to_csv(target, index=False)
    after = FigureData(tmp_path, settings, dataset, chosen).points(key)
    pd.testing.assert_frame_equal(after, before[::-1].reset_index(drop=True))


def test_band_is_mean_and_sd_over_the_replicates_that_got_so_far() -> None:
    history = pd.DataFrame(
        {
            "replicate": ["r1", "r2", "r3", "r4", "r5", "r1"],
            "split": "training",
            "epoch": [1, 1, 1, 1, 1, 2],
            "accuracy": [0.2, 0.4, 0.3, 0.3, 0.3, 0.5],
        }
    )
    statistics = curve_statistics(history, "accuracy")
    assert statistics["mean"].tolist() == pytest.approx([0.3, 0.5])
    assert statistics["sd"].tolist() == pytest.approx([0.005**0.5, np.nan], nan_ok=True)


def test_only_first_epochs_far_away_are_cut_off() -> None:
    steady = np.linspace(-2000, -1900, 100)
    assert robust_limits(steady) is None
    assert robust_limits(np.full(10, -3.0)) is None
    limits = robust_limits(np.concatenate([[-1e6], steady]))
    assert limits is not None
    assert -2010 < limits[0] < -1980
    assert -1900 < limits[1] < -1890


def test_confusions_of_different_types_are_summed_by_name(tmp_path: Path) -> None:
    matrices = [(["B", "T"], [[1, 2], [3, 4]]), (["A", "T"], [[5, 0], [1, 6]])]
    paths = []
    for index, (labels, matrix) in enumerate(matrices):
        paths.append(tmp_path / f"{index}.json")
        paths[-1].write_text(json.dumps({"confusion": {"labels": labels, "matrix": matrix}}))
    labels, counts = sum_confusions(paths)
    assert labels == ["A", "B", "T"]
    assert counts.tolist() == [[5, 0, 0], [0, 1, 2], [1, 3, 10]]
    assert accuracy(counts) == pytest.approx(16 / 22)


def test_types_without_cells_have_no_shares() -> None:
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    assert shares[0].tolist() == [0.75, 0.25]
    assert np.isnan(shares[1]).all()
    assert np.isnan(accuracy(np.zeros((2, 2), dtype=np.int64)))


def test_panels_of_different_types_are_all_named() -> None:
    panels = [
        ConfusionPanel("one", ["A", "B"], np.array([[1, 0], [0, 1]])),
        ConfusionPanel("two", ["A", "C"], np.array([[1, 0], [0, 1]])),
    ]
    for axes, names in zip(confusion_matrices(panels).axes, (["A", "B"], ["A", "C"]), strict=False):
        assert [label.get_text() for label in axes.get_yticklabels()] == names
        assert [label.get_text() for label in axes.get_xticklabels()] == names


def test_shares_are_percentages_of_each_set_largest_type_on_top() -> None:
    counts = {
        "all": pd.Series({"A": 60, "B": 20, "C": 20}),
        "some": pd.Series({"A": 1, "B": 3}),
    }
    axes = class_shares(counts, type_styles("ABC")).axes[0]
    assert axes.get_yticklabels()[-1].get_text() == "A"
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths == [20, 20, 60, 75, 0, 25]
    assert sum(widths[:3]) == sum(widths[3:]) == 100


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (300, 6000, [500, 1000, 2000, 5000]),
        (1, 10, [1, 2, 5, 10]),
        (6, 7, [6, 7]),
        (3, 3, [3]),
    ],
)
def test_ticks_of_counts_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_numbers(low, high) == ticks


def test_points_shrink_with_their_number() -> None:
    assert point_size(0) == point_size(10) == 12
    assert point_size(68_579) == 0.8
    assert point_size(1300) == pytest.approx(3.846, abs=0.001)
