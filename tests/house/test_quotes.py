"""The numbers on the pages are those of docs/results."""

import gzip
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import quoted_tables  # noqa: E402
import quotes  # noqa: E402

# Decimals and percentages that are no results, on every page.
ALWAYS = {"95 %": "level of intervals"}
# Decimals that are typed by hand, by page: code and output of commands. They may only fall.
TYPED = {"docs/data.md": 1, "docs/development.md": 1, "docs/your-data.md": 10}
# Numbers that were measured and have no record in docs/results, by page. They may only fall.
UNRECORDED = {
    "docs/benchmarks.md": 5,
    "docs/data.md": 8,
    "docs/development.md": 1,  # the example
    "docs/engine.md": 37,
    "docs/methods.md": 6,
    "docs/model.md": 4,
    "docs/report.md": 6,
    "docs/study-checks.md": 7,
    "docs/study.md": 2,
    "docs/your-data.md": 19,
}
# Versions, written by `make licences`.
GENERATED = {"docs/licences.md"}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def numbers_on(page):
    found = quotes.typed_by_hand(page.read_text(encoding="utf-8"))
    return [(line, number) for line, number in found if number not in ALWAYS]


@pytest.mark.parametrize("page", quotes.PAGES, ids=name_of)
def test_quotes_are_as_make_quotes_writes_them(page):
    _, differences = quotes.quoted(page.read_text(encoding="utf-8"))
    found = [f"{name_of(page)}:{d.line}: {d.found!r}, expected {d.expected!r}" for d in differences]
    assert not found, "\n".join(["run `make quotes`:", *found])


@pytest.mark.parametrize("name", sorted(set(map(name_of, quotes.PAGES)) - GENERATED))
def test_no_number_is_typed_by_hand(name):
    found = [f"{name}:{line}: {number}" for line, number in numbers_on(ROOT / name)]
    expected = TYPED.get(name, 0)
    assert len(found) <= expected, "\n".join(["quote the result, or give its origin:", *found])
    assert len(found) == expected, f"lower the number of {name} in TYPED to {len(found)}"


@pytest.mark.parametrize("page", quotes.PAGES, ids=name_of)
def test_no_number_without_a_record_is_added(page):
    found = page.read_text(encoding="utf-8").count("<!-- unrecorded -->")
    expected = UNRECORDED.get(name_of(page), 0)
    assert found <= expected, "add the record to docs/results"
    assert found == expected, f"lower the number of {name_of(page)} in UNRECORDED to {found}"


def test_every_table_stands_on_a_page():
    text = "\n".join(page.read_text(encoding="utf-8") for page in quotes.PAGES)
    assert len(quoted_tables.TABLES) > 5
    for name in quoted_tables.TABLES:
        # An indented one is an example.
        assert text.count(f"\n<!-- begin: {name} -->\n") == 1, name


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Three records in place of docs/results, one of them compressed, and one table."""
    (tmp_path / "part-one").mkdir()
    (tmp_path / "part-one/a-b.csv").write_text(
        "input,cells,accuracy\nraw,10,0.6125\nraw,20,0.7\npca-k10,10,0.5\npca-k50,10,\n"
    )
    (tmp_path / "c.csv").write_text("nats,error\n-1934.85,1.5e-7\n")
    (tmp_path / "e.csv.gz").write_bytes(gzip.compress(b"f1\n0.25\n"))
    monkeypatch.setattr(quotes, "RESULTS", tmp_path)
    monkeypatch.setattr(quoted_tables, "RESULTS", tmp_path)
    quoted_tables.records.cache_clear()
    headings = {
        "input": quoted_tables.Heading("Input"),
        "accuracy": quoted_tables.Heading("Accuracy", 2),
    }
    monkeypatch.setitem(
        quoted_tables.TABLES,
        "tiny",
        lambda: quoted_tables.shown(quoted_tables.records("part-one/a-b").head(2), headings),
    )
    yield tmp_path
    quoted_tables.records.cache_clear()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('part_one.a_b.accuracy(input="raw", cells=20)', 0.7),
        ('max(part_one.a_b.accuracy(input="raw"))', 0.7),
        ('sd(part_one.a_b.accuracy(input="raw"))', 0.0875 / 2**0.5),
        ('mean(part_one.a_b.accuracy(input=("raw", "pca-k10"), cells=10))', 0.55625),
        ('count(part_one.a_b.cells(input="pca-*"))', 2),
        ('part_one.a_b.cells(input=("*-k10", "none"))', 10),
        ("min(part_one.a_b.cells())", 10),
        ('max(abs(part_one.a_b.accuracy(input="raw") - 0.65)) * 100', 5),
        ("-c.nats() / (2 + 3) * 1e2", 38697),
        ("e.f1()", 0.25),
    ],
)
def test_values_of_expressions(results, expression, expected):
    assert quotes.value(expression) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ('part_one.a_b.accuracy(input="raw")', "2 values"),
        ('part_one.a_b.accuracy(input="pca-k50")', "not one"),
        ('part_one.a_b.accuracy(input="nmf")', "no row"),
        ('part_one.a_b.f1(input="raw")', "no column f1"),
        ("c.nats(cells=1)", "no column cells"),
        ("b.nats()", "no record"),
        ("nats()", "not part"),
        ("c.nats", "not part"),
        ("c.nats(1)", "not part"),
        ("c.nats(error=open('x'))", "not a value"),
        ("__import__('os').getcwd()", "not the name of a record"),
        ("c.nats().__class__()", "not the name of a record"),
        ("eval('1')", "not part"),
        ("2 ** 9", "not part"),
        ("'text'", "not part"),
        ("1 / 0", "division by zero"),
        ("part_one.a_b.cells() - part_one.a_b.cells(cells=10)", "broadcast"),
        ("1 +", "invalid syntax"),
    ],
)
def test_expressions_that_are_refused(results, expression, error):
    with pytest.raises(quotes.QuoteError, match=error):
        quotes.value(expression)


@pytest.mark.parametrize(
    ("example", "number", "expected"),
    [
        ("0.000", 0.6125, "0.612"),
        ("0.5", 0.6125, "0.6"),
        ("+1", 2.4, "+2"),
        ("+1.0", -2.41, "-2.4"),
        ("-1", -1934.85, "-1,935"),
        ("2e-7", 1.5e-7, "2e-7"),
        ("1.00e-7", 1.5e-7, "1.50e-7"),
        ("-0.0", -0.01, "0.0"),
    ],
)
def test_numbers_are_written_like_the_example(example, number, expected):
    assert quotes.like(example, number) == expected


PAGE = """# Page

Raw 0.000<!--= max(part_one.a_b.accuracy(input="raw")) --> and `0.1<!--= code -->` and
-9.9<!--= c.nats() -->.

    0.2<!--= code -->

<!-- begin: tiny -->
| old |
<!-- end: tiny -->

End 10<!--= part_one.a_b.cells(input="pca-k10") -->.
"""


def test_a_line_may_begin_with_code(results):
    text, differences = quotes.quoted("`preset: scvae` reaches 0.0<!--= c.nats() -->.\n")
    assert text == "`preset: scvae` reaches -1,934.8<!--= c.nats() -->.\n"
    assert len(differences) == 1


def test_a_page_gets_its_numbers_and_tables(results):
    text, differences = quotes.quoted(PAGE)
    assert text == (
        PAGE.replace("0.000<", "0.700<")
        .replace("-9.9<", "-1,934.8<")
        .replace(
            "| old |",
            "\n| Input | Accuracy |\n| --- | ---: |\n| Raw | 0.61 |\n| Raw | 0.70 |\n".replace(
                "Raw", "raw"
            ),
        )
    )
    assert [(d.line, d.found, d.expected) for d in differences] == [
        (3, "0.000", "0.700"),
        (4, "-9.9", "-1,934.8"),
        (9, "| old |", ""),
    ]
    assert quotes.quoted(text) == (text, [])
    assert quotes.quoted(text.replace("| raw | 0.61 |", "| raw | 0.62 |"))[1] == [
        quotes.Difference(12, "| raw | 0.62 |", "| raw | 0.61 |")
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("\nx <!--= c.nats() -->", "line 2: no number before"),
        ("1<!--= c.nats()\n -->", "line 1: the comment is broken"),
        ("1<!--= b.nats() -->", "line 1: no record docs/results/b.csv"),
        ("<!-- begin: tiny -->\n", "line 1: the table has no end"),
        ("\n<!-- begin: none -->\n<!-- end: none -->\n", "line 2: no table none"),
    ],
)
def test_quotes_that_are_refused(results, text, error):
    with pytest.raises(quotes.QuoteError, match=error):
        quotes.quoted(text)


def test_make_quotes_writes_the_page_once(results, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    quotes.main([page])
    assert page.read_text() == quotes.quoted(PAGE)[0]
    assert f"{page}:3: 0.000 -> 0.700" in capsys.readouterr().out
    quotes.main([page])
    assert capsys.readouterr().out == ""
    page.write_text(f"{PAGE}1<!--= d.nats() -->")
    with pytest.raises(SystemExit, match=r"page.md: line 13: no record docs/results/d.csv"):
        quotes.main([page])


def test_typed_numbers_are_found():
    text = """A .638, 0.638 and -1,934.9 (+1.6) or ±0.01, range 1.002-1.004.
17 % or 17.8 % and 3e-4; versions 1.4.2, 1,300 cells, Z10, x0.5y.
`0.1` [0.2](results/0.3.csv) 0.4<!-- setting --> 5<!-- elsewhere --> % 0.6<!-- other -->

```
0.7
```
0.8<!--= 8 / 10 --> % <!-- 0.9 -->

<!-- begin: t -->
| 1.1 |
<!-- end: t -->

    accuracy 1.2
"""
    assert quotes.typed_by_hand(text) == [
        *((1, number) for number in (".638", "0.638", "-1,934.9", "+1.6", "±0.01")),
        *((1, number) for number in ("1.002", "1.004")),
        *((2, number) for number in ("17 %", "17.8 %", "3e-4")),
        *((3, number) for number in ("0.2", "0.6")),
        (14, "1.2"),
    ]


def test_wide_tables_keep_the_order_of_rows_and_columns():
    rows = pd.DataFrame(
        {"input": ["b", "b", "a", "a"], "cells": [20, 10, 20, 10], "accuracy_mean": [1, 2, 3, 4]}
    )
    wide = quoted_tables.pivoted(rows, ["input"], "cells", ["accuracy_mean"])
    assert list(wide) == ["input", "20_accuracy_mean", "10_accuracy_mean"]
    assert wide.to_numpy().tolist() == [["b", 1, 2], ["a", 3, 4]]
