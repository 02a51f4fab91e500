"""Consensus of neighbours, restricted and known types, Cell Ontology ids, markers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.annotate import annotate, annotate_cells, learn, write_annotation
from latentcell.annotate.apply import UNASSIGNED, restricted_types
from latentcell.annotate.files import complete, read_reference
from latentcell.annotate.labels import (
    ontology_of_column,
    ontology_of_file,
    with_known,
    with_ontology,
)
from latentcell.annotate.neighbours import COLUMNS, resolution_for, with_consensus
from latentcell.annotate.report import query_lines
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError

SETTINGS = AnnotateSettings(
    variable_genes=60, components=8, penalties=[0.1, 1.0], density=False, candidates=["hvg-pca"]
)
TYPES = ("type 000", "type 001", "type 002")


@pytest.fixture(scope="module")
def learnt(simulate):
    return learn(simulate([60, 40, 30], genes=60, depth=400, seed=1), SETTINGS)


@pytest.fixture(scope="module")
def query(simulate):
    return simulate([40, 40, 40], genes=60, depth=400, seed=2)


@pytest.fixture(scope="module")
def found(learnt, query):
    return annotate_cells(learnt, sp.csr_matrix(query.X), query.var)


def test_cells_have_the_commonest_type_of_their_cluster(found, query):
    wrong = found.cells.copy()
    # Single cells with another likeliest type are outvoted; the cells themselves keep it.
    rows = np.arange(0, 120, 17)
    first = wrong["cell_type_first"].astype(str).to_numpy(object)
    first[rows] = np.where(first[rows] == "type 000", "type 001", "type 000")
    wrong["cell_type_first"] = pd.Categorical(first, list(TYPES))
    smoothed = with_consensus(replace(found, cells=wrong), seed=1)
    cells = smoothed.cells
    assert list(cells)[-3:] == list(COLUMNS)
    truth = query.obs["cell_type"].to_numpy(str)
    consensus = cells["cell_type_consensus"].to_numpy(str)
    assert (consensus == truth).mean() > (first == truth).mean()
    assert (cells["cell_type_first"].to_numpy(object) == first).all()
    for _, members in cells.groupby("cell_type_cluster", observed=True):
        [name] = set(members["cell_type_consensus"])
        shares = (members["cell_type_first"].astype(str) == name).mean()
        np.testing.assert_allclose(members["cell_type_consensus_share"], shares)
        assert shares == members["cell_type_first"].value_counts(normalize=True).max()
    report = smoothed.report["consensus"]
    assert report["clusters"] == cells["cell_type_cluster"].nunique() > 3
    assert report["changed"] == (consensus != first).sum() > 0
    assert any("clusters of neighbours" in line for line in query_lines(smoothed))


def test_cells_with_few_counts_have_no_vote(learnt, query):
    counts = sp.csr_matrix(sp.diags((np.arange(120) >= 10).astype(np.float32)) @ query.X)
    found = with_consensus(annotate_cells(learnt, counts, query.var), seed=1)
    few = found.cells["unassigned_reason"].isin(["few counts", "few known genes"])
    assert few[:10].all()
    for column in COLUMNS:
        np.testing.assert_array_equal(found.cells[column].isna(), few)


def test_few_cells_are_not_clustered(learnt, query):
    found = annotate_cells(learnt, sp.csr_matrix(query.X[:19]), query.var)
    assert with_consensus(found, seed=1) is found


@pytest.mark.parametrize(("cells", "wanted"), [(20, 5), (5000, 10), (99_999, 20), (10**6, 30)])
def test_the_resolution_grows_with_the_cells(cells, wanted):
    assert resolution_for(cells) == wanted


def test_types_can_be_restricted(learnt, query, found):
    kept = restricted_types(TYPES, excluded=["type 001"])
    fewer = annotate_cells(learnt, sp.csr_matrix(query.X), query.var, types=kept)
    assert fewer.types == ("type 000", "type 002")
    wanted = found.probabilities[:, [0, 2]].astype(float)
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(fewer.probabilities, wanted, atol=1e-4)
    assert set(fewer.cells["cell_type"]) <= {"type 000", "type 002", UNASSIGNED}
    assert fewer.report["restricted_to"] == ["type 000", "type 002"]
    assert "restricted  to the types type 000, type 002" in query_lines(fewer)
    assert "restricted_to" not in found.report


def test_a_single_type_is_certain(learnt, query):
    one = annotate_cells(learnt, sp.csr_matrix(query.X), query.var, types=["type 001"])
    assert (one.probabilities == 1).all()
    assert set(one.cells["cell_type_first"]) == {"type 001"}


@pytest.mark.parametrize(
    ("kept", "excluded", "wanted"),
    [
        ([], [], TYPES),
        (["type 002", "type 000"], [], ("type 000", "type 002")),
        (["type 002", "type 000"], ["type 000"], ("type 002",)),
    ],
)
def test_types_are_those_that_are_named_and_not_excluded(kept, excluded, wanted):
    assert restricted_types(TYPES, kept, excluded) == wanted


def test_unknown_types_are_named_with_the_known_ones():
    said = r"expected types of the reference \(type 000, type 001, type 002\), found B, type 2"
    with pytest.raises(InputError, match=said):
        restricted_types(TYPES, ["type 000", "B"], ["type 2"])
    with pytest.raises(InputError, match="at least one type that is left, found none"):
        restricted_types(TYPES, [], TYPES)


def test_known_types_are_kept_and_marked(found):
    labels = np.full(120, np.nan, dtype=object)
    labels[:3] = ["type 002", "a new type", " "]
    kept = with_known(found, labels)
    assert kept.cells["cell_type"][:2].tolist() == ["type 002", "a new type"]
    assert kept.cells["cell_type_known"].to_numpy().nonzero()[0].tolist() == [0, 1]
    assert not kept.cells["unassigned_reason"][:2].notna().any()
    rest = ["cell_type_first", "cell_type_probability"]
    pd.testing.assert_frame_equal(kept.cells[rest], found.cells[rest])
    pd.testing.assert_series_equal(
        kept.cells["cell_type"][2:].astype(str), found.cells["cell_type"][2:].astype(str)
    )
    alike = float(found.cells["cell_type_first"].iloc[0] == "type 002")
    assert kept.report["known"] == {
        "cells": 2, "of_types_of_reference": 1, "named_alike": alike,
    }  # fmt: skip
    assert kept.report["types"]["a new type"] == 1
    assert any(line.startswith("known       2 cells keep") for line in query_lines(kept))
    none = with_known(found, np.full(120, "a new type"))
    assert none.report["known"]["named_alike"] is None


def test_unassigned_is_no_known_type(found):
    labels = np.array(["unassigned", *["type 001"] * (len(found.cells) - 1)])
    changed = with_known(found, labels)
    assert changed.cells["cell_type_known"].tolist() == [False] + [True] * (len(labels) - 1)
    assert changed.cells["cell_type"].iloc[0] == found.cells["cell_type"].iloc[0]
    assert changed.report["known"]["cells"] == len(labels) - 1


def test_known_types_come_from_a_column_of_the_query(learnt, query, tmp_path):
    query = query.copy()
    query.obs["mine"] = pd.Categorical(["x"] * 5 + [None] * 115)
    query.write_h5ad(tmp_path / "query.h5ad")
    adata, found = annotate(learnt, tmp_path / "query.h5ad", known="mine")
    assert adata.obs["cell_type"][:5].tolist() == ["x"] * 5
    assert found.report["known"]["cells"] == 5
    write_annotation(adata, found, learnt, tmp_path / "typed.h5ad")
    with pytest.raises(InputError, match=r"the column 'yours'.*\(--known-types\), found the col"):
        annotate(learnt, tmp_path / "query.h5ad", known="yours")


def test_ontology_ids_come_from_the_reference(simulate, tmp_path, query):
    cells = simulate([60, 40, 30], genes=60, depth=400, seed=1)
    ids = {"type 000": "CL:0000236", "type 001": "CL:0000623", "type 002": "CL:0000084"}
    cells.obs["cell_type_ontology_term_id"] = cells.obs["cell_type"].map(ids)
    row = cells.obs_names[cells.obs["cell_type"] == "type 002"][0]
    cells.obs.loc[row, "cell_type_ontology_term_id"] = "CL:0000625"  # Two ids: none is taken.
    cells.write_h5ad(tmp_path / "reference.h5ad")
    annotator = learn(read_reference(tmp_path / "reference.h5ad"), SETTINGS)
    wanted = {name: ids[name] for name in TYPES[:2]}
    assert annotator.reference["ontology"] == wanted
    found = complete(annotate_cells(annotator, sp.csr_matrix(query.X), query.var), annotator)
    column = found.cells["cell_type_ontology_term_id"]
    expected = found.cells["cell_type"].astype(str).map(wanted)
    pd.testing.assert_series_equal(column.astype(object), expected, check_names=False)


def test_ontology_ids_come_from_a_file(simulate, tmp_path):
    simulate([30, 30], genes=60, depth=400).write_h5ad(tmp_path / "reference.h5ad")
    ids = tmp_path / "ids.tsv"
    ids.write_text("type\tid\ntype 001\tCL:1\nanother\tCL:2\n")
    annotator = learn(read_reference(tmp_path / "reference.h5ad", ontology=ids), SETTINGS)
    assert annotator.reference["ontology"] == {"type 001": "CL:1"}


def test_files_of_ids_are_refused(tmp_path):
    for name, text, said in (
        ("a.csv", "type\nB\n", "expected a column of types and a column of ids, found 1 column"),
        ("b.csv", "type,id\nB,CL:1\nB,CL:2\n", "expected each type once, found 'B' twice"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=said):
            ontology_of_file(tmp_path / name)
    for name, content in (
        ("empty.csv", b""),
        ("latin.csv", "type,id\nTé,CL:1\n".encode("latin-1")),
        ("ragged.csv", b"type,id\nB,CL:1\nT,CL:2,x\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: expected a CSV or TSV file of types and"):
            ontology_of_file(tmp_path / name)
    with pytest.raises(InputError, match="expected a file of types and ids, found none"):
        ontology_of_file(tmp_path / "absent.csv")


def test_blanks_and_types_without_id_in_a_file_are_left_out(tmp_path):
    (tmp_path / "ids.csv").write_text("type,id\n B ,CL:1 \nT,\n")
    assert ontology_of_file(tmp_path / "ids.csv") == {"B": "CL:1"}


def test_ids_of_a_column_skip_cells_without_any(found):
    types = ["B", "B", None, "T", "T", "NK"]
    ids = ["CL:1", "CL:1", "CL:2", "CL:3", "CL:4", None]
    assert ontology_of_column(types, ids) == {"B": "CL:1"}
    added = with_ontology(found, {"type 000": "CL:9"}).cells
    there = (added["cell_type"] == "type 000").to_numpy()
    np.testing.assert_array_equal(added["cell_type_ontology_term_id"].notna(), there)


def test_markers_are_in_the_report_of_the_reference(learnt):
    markers = learnt.reference["markers"]
    assert list(markers) == list(TYPES)
    for place, genes in enumerate(markers.values()):
        own = {f"GENE{gene}A" for gene in range(8 * place, 8 * place + 8)}
        assert len(own & {one["gene"] for one in genes[:8]}) >= 5
        weights = [one["weight"] for one in genes]
        assert weights == sorted(weights, reverse=True)
        assert weights[-1] > 0
