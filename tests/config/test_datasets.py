"""The table of data sets: built-in rows and rows of the user."""

import re
from pathlib import Path

import pytest

from latentcell.config import datasets
from latentcell.config.datasets import BUILT_IN, COLUMNS, known_datasets, read_rows
from latentcell.config.settings import BUILT_IN_DATASETS, DatasetSettings, parse_settings
from latentcell.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
HEADER = "\t".join(COLUMNS)
SHA256 = "ab" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()


def write(*rows, header=HEADER):
    text = "".join(line + "\n" for line in (header, *rows))
    Path("config/datasets.tsv").write_text(text, encoding="utf-8")


def test_the_table_of_the_repository_has_what_is_shipped():
    rows = {row.name: row for _, row in read_rows(ROOT / "config/datasets.tsv")}
    assert {name: rows[name] for name in BUILT_IN} == BUILT_IN
    assert (ROOT / "config/datasets.tsv").read_text().startswith(HEADER + "\n")


def test_built_in_rows_are_whole():
    assert tuple(BUILT_IN) == BUILT_IN_DATASETS
    assert BUILT_IN_DATASETS[:4] == ("pbmc68k-sample", "pbmc68k-study", "pbmc68k", "zheng-sorted")
    for row in BUILT_IN.values():
        assert all((row.source, row.licence, row.description))
    # Nobody publishes the SHA-256 of their archives, and simulated cells have no file.
    unknown = {name for name, row in BUILT_IN.items() if not row.sha256}
    assert unknown == {"zheng-sorted", "simulated-mixture", "frozen-pbmc-donor-a"}
    assert [name for name, row in BUILT_IN.items() if not row.label_column] == [
        "frozen-pbmc-donor-a"
    ]


def test_without_a_table_the_built_in_data_sets_are_known():
    assert known_datasets() == BUILT_IN


def test_a_row_makes_a_data_set_known_by_its_name():
    write(f"mine\tdata/mine.h5ad\t{SHA256}\tkind\tCC0\tmy cells", "", "other\tdata/matrix")
    settings = parse_settings({"datasets": ["mine", "other", "pbmc68k"]})
    assert settings.dataset("mine") == DatasetSettings(
        name="mine", path="data/mine.h5ad", sha256=SHA256, label_column="kind"
    )
    assert settings.dataset("other") == DatasetSettings(name="other", path="data/matrix")
    stored = settings.model_dump(mode="json")
    Path("config/datasets.tsv").unlink()
    assert parse_settings(stored) == settings


def test_the_configuration_wins_over_the_row():
    write(f"mine\tdata/mine.h5ad\t{SHA256}\tkind")
    given = {"name": "mine", "label_column": "leiden", "layer": "counts"}
    found = parse_settings({"datasets": [given]}).dataset("mine")
    assert (found.path, found.sha256, found.label_column, found.layer) == (
        *("data/mine.h5ad", SHA256, "leiden", "counts"),
    )
    own = parse_settings({"datasets": [{"name": "mine", "path": "x.h5ad"}]}).dataset("mine")
    assert own == DatasetSettings(name="mine", path="x.h5ad")
    assert own.sha256 is None


def test_columns_may_be_in_any_order_and_some_left_out():
    write("data/mine.h5ad\t mine ", header="source\tname")
    assert known_datasets()["mine"].source == "data/mine.h5ad"
    text = Path("config/datasets.tsv").read_text().replace("\n", "\r\n")
    Path("config/datasets.tsv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert known_datasets()["mine"].name == "mine"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["../mine\tx"], "row 2, column name: expected letters, .* found '../mine'"),
        (["\tx"], "row 2, column name: expected letters, .* found ''"),
        (["mine\tx", "mine\ty"], "row 3, column name: 'mine' is in an earlier row"),
        (["", "mine"], "row 3, column source: expected a file, .* for mine, found nothing"),
        (["mine\tx\tabc"], "row 2, column sha256: expected 64 lower-case .* found 'abc'"),
        ([f"mine\tx\t{SHA256.upper()}"], "row 2, column sha256: expected 64 lower-case"),
        (["mine\tx\t\ta\tb\tc\td"], "row 2: expected 6 columns as in row 1, found 7"),
        (["pbmc68k\tx"], "row 2, column source: expected https://.* for the built-in .* found 'x'"),
        (
            [f"pbmc68k\t{BUILT_IN['pbmc68k'].source}\t{SHA256}"],
            "row 2, column sha256: expected 3f35f3.*: choose another name for other data",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_column(rows, said):
    write(*rows)
    with pytest.raises(InputError, match=f"^config/datasets.tsv: {said}") as caught:
        known_datasets()
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"datasets\.0: config/datasets\.tsv: row"):
        parse_settings({"datasets": ["mine"]})


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("name,source", "name,source"),
        ("name\tsource\tname", "name, source, name"),
        ("name\tsha256", "name, sha256"),
        ("name\tsource\turl", "name, source, url"),
        ("", "none"),
    ],
)
def test_a_bad_header_is_refused(header, found):
    write(header=header)
    with pytest.raises(InputError, match=f"row 1: expected the columns name, .*found {found}$"):
        known_datasets()


def test_a_table_that_cannot_be_read_is_refused():
    Path("config/datasets.tsv").write_bytes(b"name\tsource\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"^config/datasets\.tsv: expected a readable table"):
        known_datasets()


def test_the_table_is_asked_only_where_a_path_is_missing(monkeypatch):
    monkeypatch.setattr(datasets, "TABLE", Path("nowhere.tsv"))
    write("broken row")
    assert parse_settings({"datasets": ["pbmc68k"]}).dataset_names() == ["pbmc68k"]


def test_what_is_not_in_the_table_is_said_to_be_missing_there():
    write("mine\tx.h5ad")
    said = re.escape(f"'theirs' is not built in ({', '.join(BUILT_IN)}) and has no")
    with pytest.raises(InputError, match=said):
        parse_settings({"datasets": ["theirs"]})


def test_the_row_that_the_documentation_shows_can_be_used():
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("    mine\t")]
    write(line.strip(), header=HEADER)
    found = parse_settings({"datasets": ["mine"]}).dataset("mine")
    assert (found.sha256, found.label_column) == (None, "cell_type")
    assert found.is_remote
