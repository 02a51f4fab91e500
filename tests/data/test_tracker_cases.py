"""Files of users as public trackers report them: read as what they are, or refused with what helps.

The files are made by `tracker_cases`; docs/cases.md lists the reports and outcomes.
"""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from case_helpers import annotated, assert_counts, says, trained
from tracker_cases import IDS, MAKERS, QUERY, REFERENCE, REPORTS, TYPES

from latentcell.annotate.files import load_query, read_query, read_reference
from latentcell.config.settings import DatasetSettings
from latentcell.data.finding import find
from latentcell.data.importing import import_dataset
from latentcell.runtime.errors import InputError

pytestmark = [
    pytest.mark.usefixtures("maps_once"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.xdist_group("tracker-cases"),
]
SYMBOLS = QUERY.var_names.tolist()
BARCODES = QUERY.obs_names.tolist()
BARE = [name.removesuffix("-1") for name in BARCODES]
REFERENCE_TYPES = REFERENCE.obs["cell_type"].tolist()

# Reports whose counts are read in full, with the identifiers, symbols and barcodes that are meant.
READ = {
    "genes_in_one_column": (SYMBOLS, SYMBOLS, BARCODES),
    "prefix_with_genes_tsv": (IDS, SYMBOLS, BARCODES),
    "features_in_two_columns": (IDS, SYMBOLS, BARCODES),
    "features_unpacked": (IDS, SYMBOLS, BARCODES),
    "parse_biosciences": (IDS, SYMBOLS, BARCODES),
    "numbers_for_genes": ([str(109_979 + i) for i in range(60)], SYMBOLS, BARCODES),
    "expression_atlas": (IDS, IDS, [f"SAMEA1-{name}" for name in BARCODES]),
    "genes_without_symbols": (
        IDS,
        [SYMBOLS[i] if i % 2 else IDS[i] for i in range(60)],
        BARCODES,
    ),
    "one_name_for_two_categoricals": (SYMBOLS, SYMBOLS, BARCODES),
    "one_number_for_a_category": (SYMBOLS, SYMBOLS, BARCODES),
    "embedding_of_other_names": (IDS, SYMBOLS, BARCODES),
    "unsigned_numbers": (IDS, SYMBOLS, BARCODES),
    "layers_of_other_tools": (IDS, SYMBOLS, BARCODES),
    "index_named_like_a_column": (IDS, SYMBOLS, BARCODES),
    "booleans_with_gaps": (IDS, SYMBOLS, BARCODES),
    "loom_of_anndata": (IDS, SYMBOLS, BARCODES),
    "loom_with_identifiers_as_genes": (IDS, SYMBOLS, BARCODES),
    "feature_counts": (SYMBOLS, SYMBOLS, [f"bam/{name}.bam" for name in BARCODES]),
    "rows_of_no_gene": (SYMBOLS, SYMBOLS, BARCODES),
    "rhapsody": (SYMBOLS, SYMBOLS, [str(i + 1) for i in range(30)]),
    "commas_in_quoted_names": (
        SYMBOLS,
        SYMBOLS,
        [f"astrocyte,day{i},rep1" for i in range(30)],
    ),
    "tabs_in_a_csv": (SYMBOLS, SYMBOLS, BARCODES),
}
# Reports that are refused, with the sentence.
REFUSED = {
    "starsolo_velocity": "expected one matrix, found 3: name one of them in place of the folder",
    "hashtags_alone": "expected genes, found antibodies or hashtags alone, such as HTO_A-ACCC",
    "alevin_usa": "found the spliced, unspliced and ambiguous counts of each, such as "
    f"{IDS[0]} and {IDS[0]}-U",
    "pointers_overflowed": "found -2,147,483,113 among them, as 32-bit numbers do beyond "
    "2,147,483,647 values: write the file again",
    "tail_lost_when_joined": "the last cells would be empty; join them again with anndata 0.10.7",
    "corrected_counts": "counts: counts with fractions (195 of 778 values are not whole): take the "
    "counts before a correction (SoupX, CellBender, decontX)",
    "scaled_and_normalised_alone": "found X: scaled values (-1.73 to 2.72); raw: log-transformed "
    "values (up to 7.57): store the counts as the layer 'counts'",
    "truncated": "(truncated file: eof = 18488, sblock->base_addr = 0, stored_eof = 36976)): copy "
    "or download it again",
    "page_in_place_of_a_file": "found a web page, such as one to sign in: download the file again",
    "fragments": "found regions of the genome, as in fragments or peaks of ATAC: take the matrix",
    "cells_without_counts": "found only columns about cells or genes (tissue, "
    "annotated_cell_identity.text): name the file with the counts",
    "a_row_for_each_count": "found a line for each count (gene, cell, count): make a column of "
    "each gene",
}
# References whose types are read.
TYPED = (
    "column_named_but_absent",
    "column_added_by_hand",
    "types_with_an_order",
    "types_of_no_cell",
    "types_with_gaps",
)
OTHERS = (
    *("other_symbols_same_identifiers", "identifiers_with_versions", "proteins_without_a_mark"),
    *("types_that_became_codes", "genes_that_became_dates", "types_by_other_barcodes"),
    "barcodes_with_points",
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return the path of a case, which is made once."""
    done = {}

    def make(name):
        if name not in done:
            done[name] = MAKERS[name](tmp_path_factory.mktemp(name))
        return done[name]

    return make


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A bundle trained on the cells that all cases start from."""
    return trained(REFERENCE, tmp_path_factory.mktemp("bundle"), variable_genes=40, components=5)


def test_every_case_has_an_outcome_and_a_report():
    outcomes = [*READ, *REFUSED, *TYPED, *OTHERS]
    assert sorted(outcomes) == sorted(MAKERS)
    assert len(MAKERS) >= 30
    assert len(set(REPORTS.values())) == len(REPORTS)
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", report) for report in REPORTS.values())


def test_the_log_has_every_report():
    page = (Path(__file__).parents[2] / "docs/cases.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"https://github\.com/([\w.-]+/[\w.-]+)/issues/(\d+)", page))
    listed |= set(re.findall(r"https://github\.com/([\w.-]+/[\w.-]+)/pull/(\d+)", page))
    assert listed == {tuple(report.split("#")) for report in REPORTS.values()}


@pytest.mark.parametrize("name", READ)
def test_counts_are_read_in_full(made, name):
    identifiers, symbols, barcodes = READ[name]
    read = read_query(made(name))
    assert_counts(read, QUERY)
    assert read.var_names.tolist() == identifiers
    assert read.var["symbol"].tolist() == symbols
    assert read.obs_names.tolist() == barcodes


@pytest.mark.parametrize("name", REFUSED)
def test_check_and_annotate_refuse_with_the_same_sentence(made, bundle, name, capsys, tmp_path):
    path, output = made(name), tmp_path / "typed.h5ad"
    status, out, error = says(capsys, "check", path)
    assert status == 1
    assert REFUSED[name] in out + error
    assert "Traceback" not in error
    status, _, error = says(capsys, "annotate", "--bundle", bundle, path, "-o", output)
    assert status == 1
    assert REFUSED[name] in error
    assert not output.exists()


@pytest.mark.parametrize("name", READ)
def test_queries_get_the_types_of_the_plain_one(made, bundle, name, capsys, tmp_path):
    if name == "numbers_for_genes":  # Symbols match as well.
        assert set(READ[name][1]) == set(SYMBOLS)
    typed = annotated(capsys, bundle, made(name), tmp_path)
    truth = np.array(TYPES)[np.arange(QUERY.n_obs) % 3]
    assert (typed.obs["cell_type_first"] == truth).mean() >= 0.9


@pytest.mark.parametrize("name", TYPED)
def test_types_of_references_are_those_of_the_cells(made, name):
    read = read_reference(made(name))
    types = REFERENCE_TYPES[30:] if name == "types_with_gaps" else REFERENCE_TYPES
    assert read.obs["cell_type"].tolist() == types
    assert read.obs["cell_type"].cat.categories.tolist() == list(TYPES)
    assert_counts(read, REFERENCE[30:] if name == "types_with_gaps" else REFERENCE)


def test_one_of_three_velocity_matrices_can_be_named(made):
    read = read_query(made("starsolo_velocity") / "spliced.mtx")
    assert_counts(read, QUERY)
    assert read.var_names.tolist() == IDS


def test_categories_of_genes_are_not_taken_for_types(made, capsys):
    path = made("one_name_for_two_categoricals")
    status, out, _ = says(capsys, "check", path)
    assert status == 1
    assert "lincRNA" not in out
    assert "'cell_type'" not in find(path).obs
    said = find(path).choose_labels()[1]
    assert "columns that cannot be read: cell_type" in said
    with pytest.raises(InputError, match="'cell_type', found values that cannot be read"):
        find(path).choose_labels("cell_type")


def test_the_layer_called_raw_is_taken_of_four(made):
    assert find(made("layers_of_other_tools")).counts.place == "raw"


def test_a_table_of_other_names_is_left_out_of_the_result(made, bundle, capsys, tmp_path):
    with pytest.warns(UserWarning, match=r"left out of the result, .*: obsm\['X_proteins'\]"):
        load_query(made("embedding_of_other_names"))
    typed = annotated(capsys, bundle, made("embedding_of_other_names"), tmp_path)
    assert "X_proteins" not in typed.obsm
    assert typed.obs_names.tolist() == BARCODES


def test_gaps_of_booleans_are_kept(made, bundle, capsys, tmp_path):
    typed = annotated(capsys, bundle, made("booleans_with_gaps"), tmp_path)
    assert typed.obs["is_doublet"].isna().tolist() == [True, False, False] * 10
    assert typed.obs["is_doublet"].dropna().astype(bool).tolist() == [True, False] * 10


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("other_symbols_same_identifiers", 60),
        ("identifiers_with_versions", 60),
        ("proteins_without_a_mark", 60),
        ("genes_that_became_dates", 58),
    ],
)
def test_as_many_genes_match_as_can(made, bundle, name, matched, capsys, tmp_path):
    typed = annotated(capsys, bundle, made(name), tmp_path)
    report = pd.read_json(tmp_path / "typed.json", typ="series")["query"]
    assert report["genes"]["matched"] == matched
    truth = np.array(TYPES)[np.arange(QUERY.n_obs) % 3]
    assert (typed.obs["cell_type_first"] == truth).mean() >= 0.9


def test_dates_are_named(made, capsys):
    out = says(capsys, "check", made("genes_that_became_dates"))[1]
    assert "2 genes are dates, such as 1-Mar, which spreadsheets make of names" in out


def test_codes_are_offered_as_types(made):
    found = find(made("types_that_became_codes"))
    taken, question = found.choose_labels()
    assert taken is None
    assert "of which these divide the cells into groups: orig_cellAnno (3)" in question
    named = read_reference(made("types_that_became_codes"), "orig_cellAnno")
    codes = REFERENCE.obs["cell_type"].cat.codes.astype(str).tolist()
    assert named.obs["cell_type"].tolist() == codes


def imported(path):
    settings = {"name": "own", "path": str(path.parent / "reference.h5ad"), "labels": str(path)}
    return import_dataset(DatasetSettings(**settings))


def test_points_in_barcodes_are_hyphens(made):
    assert imported(made("barcodes_with_points")).obs["cell_type"].tolist() == REFERENCE_TYPES


def test_barcodes_of_other_samples_are_not_taken_for_these(made, tmp_path):
    with pytest.raises(InputError, match=r"but lines such as '[ACGT]{16}_1, B'"):
        imported(made("types_by_other_barcodes"))
    # Numbers at the end that differ are those of samples.
    REFERENCE.write_h5ad(tmp_path / "reference.h5ad")
    named = enumerate(zip(REFERENCE.obs_names, REFERENCE_TYPES, strict=True))
    lines = [f"{name[:-1]}{place % 2 + 2},{kind}\n" for place, (name, kind) in named]
    (tmp_path / "types.csv").write_text("".join(["cell,cell_type\n", *lines]))
    with pytest.raises(InputError, match="expected barcodes such as"):
        imported(tmp_path / "types.csv")


@pytest.mark.parametrize("place", [999, -1])
def test_check_and_annotate_see_the_same_damage(bundle, capsys, tmp_path, place):
    path = tmp_path / "query.h5ad"
    QUERY.write_h5ad(path)
    with h5py.File(path, "a") as file:
        file["X/indices"][3] = place
    said = "in X/indices, found "
    assert said in says(capsys, "check", path)[2]
    assert said in says(capsys, "annotate", "--bundle", bundle, path, "-o", tmp_path / "t.h5ad")[2]
