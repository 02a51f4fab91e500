"""What the written tables look like in each format."""

import re
from pathlib import Path

import pandas as pd
import pytest

from latentcell.evaluate.metrics import MEASURES
from latentcell.tables.catalogue import TABLES
from latentcell.tables.headings import Heading
from latentcell.tables.render import (
    escape_latex,
    escape_markdown,
    latex_table,
    markdown_rows,
    markdown_table,
    reading_columns,
)

NOTHING = float("nan")


def accuracies(published: float = 0.655, sd: float = 0.0123, replicates: int = 10) -> pd.DataFrame:
    keys = {"dataset": "pbmc68k", "input": "raw", "subset": 1300, "model": pd.NA}
    keys |= {"dim": pd.NA, "hidden_units": pd.NA}
    measures = {}
    for measure in MEASURES:
        measures |= {f"{measure}_mean": 0.61249, f"{measure}_sd": sd}
        measures |= {f"{measure}_published": published if measure == "accuracy" else NOTHING}
    row = keys | measures | {"test_cells_mean": 130.0, "replicates": replicates}
    model = row | {"input": "scVAE", "model": 2, "dim": 10, "hidden_units": 250}
    return pd.DataFrame([row, model]).astype(
        {"model": "Int64", "dim": "Int64", "hidden_units": "Int64"}
    )


def models(number: int = 9) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": ["pbmc68k"],
            "model": [number],
            "latent_dim": [50],
            "hidden_units": [100],
            "kind": ["gmvae"],
            "elbo_mean": [-2001.26],
            "elbo_sd": [3.14159],
            "elbo_published": [-4519.8],
            "components_used_mean": [4.25],
            "components_used_sd": [NOTHING],
            "given_count_sum": [False],
            "replicates": [10],
        }
    )


def test_every_format_is_written_by_the_suffix(tmp_path: Path) -> None:
    paths = [tmp_path / f"table5.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    TABLES["table5"].write(accuracies(), [str(path) for path in paths])
    csv, markdown, latex, html = (path.read_text(encoding="utf-8") for path in paths)
    assert csv.splitlines()[1].startswith("pbmc68k,raw,1300,,,,0.61249,0.0123,0.655,")
    assert "| raw | 1300 |  |  |  | 0.612 ± 0.012 | 0.655 |" in markdown
    assert '<td>raw</td><td class="number">1300</td>' in html
    assert r"raw & 1300 &  &  &  & 0.612 $\pm$ 0.012 & 0.655 &" in latex


def test_markdown_says_what_the_numbers_are() -> None:
    text = TABLES["table5"].markdown(accuracies())
    assert text.startswith("# Test accuracy of the classifier by input\n")
    assert "| Accuracy mean ± sd | Accuracy published |" in text
    assert "over 10 replicates" in text
    assert "test cells" in text
    assert "from one run each" in text


def test_one_replicate_shows_no_deviation() -> None:
    text = TABLES["table5"].markdown(accuracies(sd=NOTHING, replicates=1))
    assert "±" not in text
    assert "| Accuracy value |" in text
    assert "One replicate" in text


def test_nothing_published_leaves_no_column_and_no_note() -> None:
    text = TABLES["table5"].markdown(accuracies(published=NOTHING))
    assert "published" not in text.lower()


def test_slips_of_the_study_are_told_where_the_model_is_shown() -> None:
    assert "Model 9, published ELBO: printed is the ENRE" in TABLES["table3"].markdown(models(9))
    assert "3 / 2.6" in TABLES["table3"].markdown(models(9))
    assert "ENRE;" not in TABLES["table3"].markdown(models(11))


def test_tables_without_rows_say_so() -> None:
    text = TABLES["table4"].markdown(models().iloc[:0])
    assert "the run has one subset" in text


def test_variance_has_plain_columns() -> None:
    table = pd.DataFrame({"k": [10, 25], "explained_variance_percent": [3.14159, 6.5]})
    table.insert(0, "dataset", "mine")
    assert "| 10 | 3.14 |\n| 25 | 6.50 |" in TABLES["pca_variance"].markdown(table)
    assert r"\cmidrule" not in TABLES["pca_variance"].latex(table)


def test_latex_is_a_booktabs_table_with_headings_over_their_columns() -> None:
    lines = TABLES["table3"].latex(models()).splitlines()
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
    assert "KL(z)" in TABLES["table3"].markdown(table)
    text = TABLES["table3"].latex(table)
    assert "KL(z)" not in text
    assert "Accuracy" not in text
    assert r"\multicolumn{2}{c}{Accuracy}" in TABLES["table5"].latex(accuracies())


def test_any_white_space_is_a_space() -> None:
    assert escape_markdown("a\n b\tc") == "a b c"
    assert escape_latex("a\nb") == "a b"


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
    assert r"| a\|b |" in TABLES["table5"].markdown(table)


ODD = "a|b_c*d*`e`\\ <f> [g](h) 50 % & #1 $x^2$ ~k~ {l}\nnaïve γδ T → −1 ± 2"


def test_odd_text_is_text_in_every_format() -> None:
    table = pd.DataFrame({"classifier": [ODD, "knn"], "replicates": [1, 2]})
    columns = reading_columns(table)
    markdown = markdown_table("Title", columns, []).splitlines()
    row = (
        r"| a\|b\_c\*d\*\`e\`\\ \<f> \[g\](h) 50 % & #1 \$x^2\$ \~k\~ {l} naïve γδ T → −1 ± 2 "
        "| 1 |"
    )
    assert markdown[4:] == [row, "| knn | 2 |", ""]
    latex = latex_table("odd_name", "Title", columns, []).splitlines()
    assert r"\label{tab:odd-name}" in latex
    body = latex[latex.index(r"\midrule") + 1]
    assert body == (
        r"a\textbar{}b\_c*d*`e`\textbackslash{} \textless{}f\textgreater{} [g](h) 50 \% \& \#1 "
        r"\$x\textasciicircum{}2\$ \textasciitilde{}k\textasciitilde{} \{l\} naïve γδ T "
        r"$\rightarrow$ $-$1 $\pm$ 2 & 1 \\"
    )
    # A text of this length may be broken over lines.
    assert r"\begin{tabular}{p{0.2\linewidth}r}" in latex


@pytest.mark.parametrize("odd", ["|", "_", "*", "`", "\\", "<", "[", "$", "~", "\n", "%", "&", "#"])
def test_one_odd_letter_changes_no_number_of_cells(odd: str) -> None:
    columns = reading_columns(pd.DataFrame({"classifier": [odd * 3], "replicates": [1]}))
    for text, cell in (
        (markdown_table("T", columns, []), "|"),
        (latex_table("t", "T", columns, []), "&"),
    ):
        (line,) = (line for line in text.splitlines() if line.endswith(("| 1 |", r"& 1 \\")))
        unescaped = re.sub(r"\\.", "", line)
        assert unescaped.count(cell) == (3 if cell == "|" else 1)


def test_thousands_are_separated_where_the_heading_asks_for_it() -> None:
    table = pd.DataFrame({"cells": [1300, 130], "nats": [-1934.85, 2.5]})
    headings = {"cells": Heading("Cells", 0, thousands=","), "nats": Heading("Nats", 1)}
    assert markdown_rows(reading_columns(table, headings)).splitlines() == [
        "| Cells | Nats |",
        "| ---: | ---: |",
        "| 1,300 | -1934.8 |",
        "| 130 | 2.5 |",
    ]


def test_code_in_notes_is_code_in_both_formats() -> None:
    columns = reading_columns(accuracies())
    note = "Within `comparison.rope` and `as-run`: 5 %."
    assert f"- {note}\n" in markdown_table("T", columns, [note])
    latex = latex_table("t", "T", columns, [note])
    assert r"T. Within \texttt{comparison.rope} and \texttt{as-run}: 5 \%." in latex


def test_intervals_stand_behind_their_mean() -> None:
    table = pd.DataFrame(
        {"accuracy_mean": [0.5875, 0.5], "accuracy_low": [-0.25, NOTHING]}
        | {"accuracy_high": [1.0, NOTHING], "difference": [-0.5, 0.25], "low": [-1.0, 0.0]}
        | {"high": [0.0, 0.5], "paired": [True, False]}
    )
    shown = {column.title: column.cells for column in reading_columns(table)}
    assert shown == {
        "Accuracy (95 %)": ["0.588 (-0.250 to 1.000)", "0.500"],
        "Difference (95 %)": ["-0.500 (-1.000 to 0.000)", "0.250 (0.000 to 0.500)"],
        "Paired": ["yes", "no"],
    }
    alone = {column.title for column in reading_columns(table.iloc[1:])}
    assert "Accuracy" in alone
    assert "$-$0.500 ($-$1.000 to 0.000)" in latex_table("t", "T", reading_columns(table), [])


def test_numbers_stand_to_the_right_and_texts_to_the_left() -> None:
    table = pd.DataFrame({"kind": ["3"], "k": [3], "paired": [True], "accuracy": [0.5]})
    numeric = {column.title: column.numeric for column in reading_columns(table)}
    assert numeric == {"Kind": False, "k": True, "Paired": False, "Accuracy": True}


def test_the_data_set_is_shown_where_there_are_several() -> None:
    one = accuracies()
    both = pd.concat([one, one.assign(dataset="mine")])
    assert "Data set" not in TABLES["table5"].markdown(one)
    assert "| Data set | Input |" in TABLES["table5"].markdown(both)
    assert "| mine | raw |" in TABLES["table5"].markdown(both)
    assert "Data set & Input &" in TABLES["table5"].latex(both)


def test_columns_without_a_value_are_left_out_unless_all_are() -> None:
    table = accuracies().iloc[:1]
    titles = [column.title for column in TABLES["table5"].columns(table)]
    assert titles[:3] == ["Input", "Cells", "Accuracy mean ± sd"]
    titles = [column.title for column in TABLES["table5"].columns(table.iloc[:0])]
    assert titles[:5] == ["Input", "Cells", "Model", "Dimensions", "H"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([False, False], []),
        ([True, True], ["The ELBOs are conditional on the count sum"]),
        ([False, True], ["Some ELBOs are conditional on the count sum"]),
    ],
)
def test_elbos_given_the_count_sum_are_told(given: list[bool], said: list[str]) -> None:
    table = pd.concat([models().iloc[:1]] * 2).assign(given_count_sum=given)
    notes = [
        note for note in TABLES["table3"].notes(table) if "conditional on the count sum" in note
    ]
    assert [note.split(" of each")[0] for note in notes] == said


def test_unknown_columns_are_left_out_of_the_reading_version() -> None:
    headings = [column.heading for column in reading_columns(models().assign(extra=1))]
    assert headings == [
        *("Model", "Z", "H", "Kind", "mean ± sd", "published", "value", "Given the count sum"),
        "Replicates",
    ]
