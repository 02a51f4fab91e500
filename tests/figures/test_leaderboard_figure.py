"""Quality against cost: every pair is there, named, and within what accuracies can be."""

import pandas as pd
import pytest
from example_tables import GMVAE, latents, leaderboard

from latentcell.config.names import input_title
from latentcell.figures.leaderboard import latent_quality, leaderboard_figure
from latentcell.figures.style import save


@pytest.fixture
def table():
    return leaderboard()


def points(axes):
    lines = [line for line in axes.get_lines() if line.get_marker() not in ("None", None)]
    return {(float(line.get_xdata()[0]), float(line.get_ydata()[0])): line for line in lines}


def test_each_pair_is_a_point_coloured_by_representation_and_marked_by_classifier(table):
    (axes,) = leaderboard_figure(table).axes
    found = points(axes)
    assert set(found) == {(0.4, 0.71), (25.0, 0.65), (0.2, 0.64)}
    first, other, same = (found[key] for key in ((0.4, 0.71), (25.0, 0.65), (0.2, 0.64)))
    assert first.get_color() == same.get_color() != other.get_color()
    assert len({line.get_marker() for line in found.values()}) == 3
    assert axes.get_xscale() == "log"
    assert "accuracy" in axes.get_ylabel()
    assert "CPU seconds" in axes.get_xlabel()


def test_pairs_without_interval_are_dots(table):
    (axes,) = leaderboard_figure(table).axes
    heights = sorted(collection.get_segments()[0][:, 1].tolist() for collection in axes.collections)
    assert heights == [[0.0, 1.0], [0.68, 0.74]]


def test_the_best_are_named_and_the_floor_is_a_line(table):
    figure = leaderboard_figure(table)
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert "1. hvg-pca-k50, logistic" in texts
    ranks = {text.get_text(): text.xy for text in axes.texts if text.get_weight() == "bold"}
    assert ranks == {"1": (0.4, 0.71), "2": (25.0, 0.65), "3": (0.2, 0.64)}
    assert max(axes.get_yticks()) == pytest.approx(1)
    assert "most frequent type for every cell" in texts
    floors = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert [float(line.get_ydata()[0]) for line in floors] == [0.29]
    # Above all points and their intervals.
    lowest = min(text.xyann[1] for text in axes.texts if text.get_text()[1:2] == ".")
    bottom, top = axes.get_ylim()
    assert bottom + (lowest - 0.045) * (top - bottom) >= 1.0
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["hvg-pca-k50", "scvi-z10", "ffnn", "knn", "logistic"]


def test_many_pairs_have_colours_of_their_own_and_the_same_bytes(table, tmp_path):
    many = pd.concat(
        [table.assign(representation=f"nmf-k{k}", seconds=k / 10) for k in range(1, 12)],
        ignore_index=True,
    )
    (axes,) = leaderboard_figure(many).axes
    assert len({line.get_color() for line in points(axes).values()}) == 11
    first = [path.read_bytes() for path in save(leaderboard_figure(many), tmp_path / "a")]
    second = [path.read_bytes() for path in save(leaderboard_figure(many), tmp_path / "b")]
    assert first == second


def test_without_the_floor_and_with_no_time_at_all_it_is_drawn(table, tmp_path):
    plain = table[table["classifier"] != "majority"].assign(seconds=[0.0, 25.0, 0.2])
    assert len(save(leaderboard_figure(plain), tmp_path / "plain")) == 3


def test_representations_are_in_the_order_of_their_nmi_and_keep_their_accuracy():
    table = latents()
    figure = latent_quality(table)
    nmi, ari, accuracy = figure.axes
    rows = [tick.get_text() for tick in nmi.get_yticklabels()]
    order = [GMVAE, "hvg-pca-k50", "vae-z10-h100", "pca-k50"]
    assert rows == [input_title(name) for name in order]
    means = table.set_index("representation").loc[order]
    for axes, columns in (
        (nmi, ("nmi", "test_nmi")),
        (ari, ("ari", "test_ari")),
        (accuracy, ("accuracy",)),
    ):
        drawn = [list(container.lines[0].get_xdata()) for container in axes.containers]
        assert drawn == [means[f"{column}_mean"].tolist() for column in columns]
    places = accuracy.containers[0].lines[0].get_ydata()
    assert list(places) == pytest.approx([-0.12, -1.12, -2.12, -3.12])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["all cells", "test cells alone"]


def test_quality_of_nothing_says_so():
    figure = latent_quality(latents()[:0])
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["nothing was run"] * 3
