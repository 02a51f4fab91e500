"""Data sets derived from others, and replicates that are tested on another data set."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.config.settings import SplitSettings, SubsetSettings, parse_settings
from latentcell.data.deriving import with_common_genes, with_shares, with_test_cells
from latentcell.data.drawing import draw_cells
from latentcell.runtime.errors import InputError

PLUS, EQUAL = {"derived_from": "pbmc68k"}, {"shares": "equal"}


def cells(numbers, genes="abcde", start=0):
    types = np.repeat(list(numbers), list(numbers.values()))
    counts = start + np.arange(len(types) * len(genes)).reshape(len(types), len(genes))
    obs = pd.DataFrame({"cell_type": pd.Categorical(types)}, [f"c{i}" for i in range(len(types))])
    var = pd.DataFrame({"symbol": list(genes)}, list(genes))
    return ad.AnnData(sp.csr_matrix(counts.astype(np.int32)), obs=obs, var=var)


def numbers(adata):
    return adata.obs["cell_type"].value_counts().to_dict()


def test_equal_shares_are_limited_by_the_rarest_type():
    drawn = with_shares(cells({"B": 30, "NK": 12, "T": 50}), None, 1, "equal")
    assert numbers(drawn) == {"B": 12, "NK": 12, "T": 12}
    assert drawn.uns["dataset"] == "equal"
    assert drawn.obs_names.is_unique


def test_shares_of_another_data_set_give_as_many_cells_as_possible():
    like = cells({"B": 10, "T": 60, "NK": 20, "Dendritic": 10})
    drawn = with_shares(cells({"B": 100, "T": 90, "NK": 40}), like, 1, "like")
    assert numbers(drawn) == {"B": 15, "T": 90, "NK": 30}


def test_the_seed_decides_which_cells():
    source = cells({"B": 40, "T": 10})
    first, again, other = (with_shares(source, None, seed, "x").obs_names for seed in (1, 1, 2))
    assert list(first) == list(again)
    assert list(first) != list(other)


def test_another_data_set_is_joined_on_common_types_and_genes():
    joined = with_test_cells(
        cells({"B": 3, "T": 2, "NK": 4}, "abcd"),
        cells({"T": 2, "B": 1, "Dendritic": 5}, "dba", start=1000),
        "a-to-b",
        ("a", "b"),
    )
    assert list(joined.var_names) == ["a", "b", "d"]
    assert numbers(joined) == {"B": 4, "T": 4}
    assert joined.obs["held_out"].tolist() == [False] * 5 + [True] * 3
    assert joined.obs_names[0] == "c0|a"
    assert joined.obs_names[-1].endswith("|b")
    # The first cell of the second has the counts 1000, 1001, 1002 of the genes d, b, a.
    assert joined[joined.obs["held_out"]].X.toarray()[0].tolist() == [1002, 1001, 1000]


def test_nothing_in_common_is_said():
    with pytest.raises(InputError, match="at least two cell types that both data sets have"):
        with_test_cells(cells({"B": 3, "T": 2}), cells({"B": 3, "NK": 2}), "x", ("a", "b"))
    with pytest.raises(InputError, match="expected genes that a and b both have, found none"):
        with_test_cells(cells({"B": 3, "T": 2}), cells({"B": 3, "T": 2}, "xyz"), "x", ("a", "b"))
    with pytest.raises(InputError, match="at least two cell types"):
        with_shares(cells({"B": 3, "T": 2}), cells({"NK": 2, "T": 1}), 1, "x")


def test_test_cells_that_are_training_cells_too_are_left_out(capsys):
    source = cells({"B": 3, "T": 2}, "abc")
    new = cells({"B": 1, "T": 3}, "abc", start=1000)
    other = ad.concat([cells({"B": 2}, "abc"), new], index_unique="-")
    other.obs["cell_type"] = other.obs["cell_type"].astype("category")
    joined = with_test_cells(source, other[:, ["c", "a", "b"]], "x", ("a", "b"))
    assert joined.obs["held_out"].tolist() == [False] * 5 + [True] * 4
    assert joined.X.toarray()[5].tolist() == [1000, 1001, 1002]
    assert "x: 2 test cells have the counts of training cells: left out" in capsys.readouterr().err
    with pytest.raises(InputError, match="expected cells of b that a lacks, found none: all 5"):
        with_test_cells(source, source, "x", ("a", "b"))


def test_other_data_sets_leave_the_genes_that_they_have_too():
    source = cells({"B": 3, "T": 2}, "abcd")
    others = [cells({"B": 2}, "dxba"), cells({"B": 2}, "bad")]
    found = with_common_genes(source, others, "more", ("a", "b", "c"))
    assert list(found.var_names) == ["a", "b", "d"]
    assert list(found.obs_names) == list(source.obs_names)
    np.testing.assert_array_equal(found.X.toarray(), source.X.toarray()[:, [0, 1, 3]])
    assert found.uns["dataset"] == "more"
    with pytest.raises(InputError, match="expected genes that a, b have, found none"):
        with_common_genes(source, [cells({"B": 1}, "xyz")], "more", ("a", "b"))


def draw(obs, replicate="r1", **split):
    return draw_cells(obs, "all", SubsetSettings(), SplitSettings(**split), replicate)


def held_out(own, other):
    obs = pd.concat([cells(own).obs.assign(held_out=False), cells(other).obs.assign(held_out=True)])
    return obs.assign(cell_type=pd.Categorical(obs["cell_type"].astype(str)))


def test_held_out_cells_are_the_test_part_half_of_them_in_each_replicate():
    obs = held_out({"B": 60, "T": 40}, {"B": 31, "T": 20})
    halves = []
    for replicate in ("r1", "r2"):
        rows, drawn = draw(obs, replicate)
        assert (np.diff(rows) > 0).all()
        parts = drawn["split"].to_numpy(str)
        assert (drawn["held_out"] == (parts == "test")).all()
        assert [(parts == name).sum() for name in ("training", "validation", "test")] == [
            80,
            10,
            26,
        ]
        halves.append(set(rows[parts == "test"]))
    assert 5 < len(halves[0] & halves[1]) < 21


def test_training_cells_are_those_of_the_data_set_alone():
    obs = held_out({"B": 60, "T": 40}, {"B": 31, "T": 20})
    across, within = draw(obs), draw(obs[~obs["held_out"]])
    for part in ("training", "validation"):
        own = across[0][(across[1]["split"] == part).to_numpy()]
        assert own.tolist() == within[0][(within[1]["split"] == part).to_numpy()].tolist()


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([{"derived_from": "pbmc68k", "shares": "equal"}], "x needs pbmc68k: expected a data set"),
        (
            ["pbmc68k", {"derived_from": "pbmc68k"}],
            "one of shares, test_on and with_unlabelled for 'x', found none of them",
        ),
        (["pbmc68k", {"shares": "equal", "path": "a.h5ad"}], "shares: expected derived_from"),
        (
            ["pbmc68k", {"derived_from": "pbmc68k", "shares": "equal", "test_on": "pbmc68k"}],
            "found shares and test_on",
        ),
        (["pbmc68k", {"derived_from": "x", "shares": "equal"}], "that is not derived itself"),
        (
            ["pbmc68k", {"derived_from": "pbmc68k", "with_unlabelled": ["frozen-pbmc-donor-a"]}],
            "x needs frozen-pbmc-donor-a: expected a data set of the run with unlabelled: only, "
            "found none",
        ),
        (
            ["pbmc68k", "zheng-sorted", PLUS | {"with_unlabelled": ["zheng-sorted"]}],
            "x needs zheng-sorted: expected a data set of the run with unlabelled: only",
        ),
        (
            ["pbmc68k", "frozen-pbmc-donor-a", {"derived_from": "frozen-pbmc-donor-a"} | EQUAL],
            "x needs frozen-pbmc-donor-a: expected a data set of the run that is not derived",
        ),
        (["frozen-pbmc-donor-a"], "expected a data set with types, found frozen-pbmc-donor-a"),
        (["pbmc68k", PLUS | EQUAL | {"unlabelled": "only"}], "only a file can be without types"),
        (["pbmc68k", PLUS | EQUAL | {"unlabelled": "leave-out"}], "unlabelled: 'x' is derived"),
        (["pbmc68k", PLUS | EQUAL | {"batch_column": "donor"}], "batch_column: 'x' is derived"),
        (["pbmc68k", PLUS | EQUAL | {"label_column": "type"}], "label_column: 'x' is derived"),
        (["pbmc68k", PLUS | EQUAL | {"first_cells": 50}], "first_cells: 'x' is derived"),
    ],
)
def test_entries_that_do_not_go_together_are_refused(entries, sentence):
    named = [one if isinstance(one, str) else {"name": "x"} | one for one in entries]
    with pytest.raises(InputError, match=sentence):
        parse_settings({"datasets": named})


def test_batches_are_those_of_the_source():
    source = {"name": "mine", "path": "a.h5ad", "batch_column": "donor"}
    other = source | {"name": "other"}
    without = {"name": "none", "path": "b.h5ad", "unlabelled": "only"}

    def parsed(**way):
        derived = {"name": "x", "derived_from": "mine"} | way
        return parse_settings(
            {"datasets": [source, other, without, derived], "vae": {"batch_correction": True}}
        )

    assert parsed(shares="equal").datasets[-1].batch_column is None
    for way in ({"test_on": "other"}, {"with_unlabelled": ["none"]}):
        with pytest.raises(InputError, match="expected cells of the same batches, found x"):
            parsed(**way)
