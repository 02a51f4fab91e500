"""Quality by the number of labels: a line for each pair, bands within what accuracies can be."""

import pytest
from example_tables import few_labels

from latentcell.figures.few_labels import few_labels_figure
from latentcell.figures.style import save


def test_each_pair_has_a_line_in_both_panels_coloured_by_its_representation():
    figure = few_labels_figure(few_labels())
    accuracy, macro_f1 = figure.axes
    assert [len(axes.lines) for axes in figure.axes] == [3, 3]
    first, raw, _ = accuracy.lines
    assert first.get_xdata().tolist() == [50, 500]
    assert first.get_ydata().tolist() == [0.6, 0.6]
    assert macro_f1.lines[1].get_ydata().tolist() == pytest.approx([0.5, 0.5])
    assert raw.get_color() == "#555555"
    assert len({line.get_color() for line in accuracy.lines}) == 3
    assert len({line.get_marker() for line in accuracy.lines}) == 3
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["hvg-pca-k50", "Raw counts"]
    assert legend[3:] == ["logistic", "ffnn", "argmax"]


def test_bands_are_the_intervals_and_axes_name_cells_and_shares():
    accuracy, macro_f1 = few_labels_figure(few_labels()).axes
    heights = accuracy.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.5, 1.0)
    assert not macro_f1.collections
    assert [tick.get_text() for tick in accuracy.get_xticklabels()] == ["50\n(5 %)", "500\n(50 %)"]
    assert "accuracy" in accuracy.get_ylabel()
    assert "macro-F1" in macro_f1.get_ylabel()


def test_an_empty_table_says_so_and_bytes_are_the_same(tmp_path):
    figure = few_labels_figure(few_labels()[:0])
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["nothing was run"] * 2
    save(figure, tmp_path / "empty")
    first = [path.read_bytes() for path in save(few_labels_figure(few_labels()), tmp_path / "a")]
    again = [path.read_bytes() for path in save(few_labels_figure(few_labels()), tmp_path / "b")]
    assert first == again
