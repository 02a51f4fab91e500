"""What the written tables look like in each format."""

from pathlib import Path

import pandas as pd
import pytest

from latentcell.tables.build import ACCURACY_MEASURES
from latentcell.tables.render import (
    escape_latex,
    latex_table,
    markdown_table,
    reading_columns,
    write_table,
)

NOTHING = float("nan")


def accuracies(published: float = 0.655, sd: float = 0.0123, replicates: int = 10) -> pd.DataFrame:
    keys = {"input": "raw", "subset": 1300, "model": pd.NA, "dim": pd.NA, "hidden_units": pd.NA}
    measures = {}
    for measure in ACCURACY_MEASURES:
        measures |= {f"{measure}_mean": 0.61249, f"{measure}_sd": sd}
        measures |= {f"{measure}_published": published if measure == "accuracy" else NOTHING}
    row = keys | measures | {"test_cells_mean": 130.0, "replicates": replicates}
    return pd.DataFrame([row]).astype({"model": "Int64", "dim": "Int64", "hidden_units": "Int64"})


def models(number: int = 9) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": [number],
            "latent_dim": [50],
            "hidden_units": [100],
            "kind": ["gmvae"],
            "elbo_mean": [-2001.26],
            "elbo_sd": [3.14159],
            "elbo_published": [-4519.8],
            "components_used_mean": [4.25],
            "components_used_sd": [NOTHING],
            "replicates": [10],
        }
    )


def test_every_format_is_written_by_the_suffix(tmp_path: Path) -> None:
    paths = [tmp_path / f"table5.{suffix}" for suffix in ("csv", "md", "tex")]
    write_table("table5", accuracies(), map(str, paths))
    csv, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    assert csv.splitlines()[1].startswith("raw,1300,,,,0.61249,0.0123,0.655,")
    assert "| raw | 1300 |  |  |  | 0.612 ± 0.012 | 0.655 |" in markdown
    assert r"raw & 1300 &  &  &  & 0.612 $\pm$ 0.012 & 0.655 &" in latex


def test_markdown_says_what_the_numbers_are() -> None:
    text = markdown_table("table5", accuracies())
    assert text.startswith("# Test accuracy of the classifier by input\n")
    assert "| Accuracy mean ± sd | Accuracy published |" in text
    assert "over 10 replicates" in text
    assert "test cells" in text
    assert "of one run each" in text


def test_one_replicate_shows_no_deviation() -> None:
    text = markdown_table("table5", accuracies(sd=NOTHING, replicates=1))
    assert "±" not in text
    assert "| Accuracy value |" in text
    assert "One replicate" in text


def test_nothing_published_leaves_no_column_and_no_note() -> None:
    text = markdown_table("table5", accuracies(published=NOTHING))
    assert "published" not in text.lower()


def test_slips_of_the_study_are_told_where_the_model_is_shown() -> None:
    assert "Model 9, published ELBO: printed is the ENRE" in markdown_table("table3", models(9))
    assert "3 / 2.6" in markdown_table("table3", models(9))
    assert "ENRE;" not in markdown_table("table3", models(11))


def test_tables_without_rows_say_so() -> None:
    text = markdown_table("table4", models().iloc[:0])
    assert "one subset only" in text


def test_variance_has_plain_columns() -> None:
    table = pd.DataFrame({"k": [10, 25], "explained_variance_percent": [3.14159, 6.5]})
    assert "| 10 | 3.14 |\n| 25 | 6.50 |" in markdown_table("pca_variance", table)
    assert r"\cmidrule" not in latex_table("pca_variance", table)


def test_latex_is_a_booktabs_table_with_headings_over_their_columns() -> None:
    lines = latex_table("table3", models()).splitlines()
    assert r"\begin{tabular}{rrrlrrrr}" in lines
    header = lines.index(r"\toprule")
    assert lines[header + 1] == (
        r" &  &  &  & \multicolumn{2}{c}{ELBO} & \multicolumn{1}{c}{Components used} &  \\"
    )
    assert lines[header + 2] == r"\cmidrule(lr){5-6}\cmidrule(lr){7-7}"
    assert lines[header + 5] == (
        r"9 & 50 & 100 & gmvae & $-$2001.3 $\pm$ 3.1 & $-$4519.8 & 4.2 & 10 \\"
    )
    assert lines[-1] == r"\end{table}"
    columns = {line.count("&") for line in lines if line.endswith(r"\\") and "multi" not in line}
    assert columns == {7}


def test_latex_leaves_out_what_has_no_room_of_models_but_nothing_of_classifiers() -> None:
    table = models().assign(kl_z_mean=18.0, kl_z_sd=1.0, accuracy_mean=0.4, accuracy_sd=0.1)
    assert "KL(z)" in markdown_table("table3", table)
    text = latex_table("table3", table)
    assert "KL(z)" not in text
    assert "Accuracy" not in text
    assert r"\multicolumn{2}{c}{Accuracy}" in latex_table("table5", accuracies())


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50 % & more_#1", r"50 \% \& more\_\#1"),
        ("a^b~c\\d{$}", r"a\textasciicircum{}b\textasciitilde{}c\textbackslash{}d\{\$\}"),
    ],
)
def test_latex_special_characters_are_escaped(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def test_bars_in_markdown_cells_do_not_break_the_table() -> None:
    table = accuracies().assign(input="a|b")
    assert r"| a\|b |" in markdown_table("table5", table)


def test_unknown_columns_are_left_out_of_the_reading_version() -> None:
    headings = [column.heading for column in reading_columns(models().assign(extra=1))]
    assert headings == ["Model", "Z", "H", "Kind", "mean ± sd", "published", "value", "Replicates"]
