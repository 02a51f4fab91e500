"""Which column holds the cell types, and how well columns are predicted from the counts."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from latentcell.data.finding import find
from latentcell.data.h5ad import Block
from latentcell.data.labelling import choose_labels, label_column, label_columns
from latentcell.data.predicting import agreement_with_counts
from latentcell.runtime.errors import InputError

CELLS = 120
RNG = np.random.default_rng(3)
TYPES = np.repeat(["B", "T", "NK", "Mono"], CELLS // 4)
FINE = np.array([f"{name} {i % 2}" for i, name in enumerate(TYPES)])
NOISE = RNG.choice(["x", "y", "z"], CELLS)
MEANS = np.ones((CELLS, 60))
for place, name in enumerate(["B", "T", "NK", "Mono"]):
    MEANS[name == TYPES, place * 8 : place * 8 + 8] *= 8
COUNTS = RNG.poisson(MEANS).astype(np.float32)
OTHERS = {
    "HTO_classification.global": RNG.choice(["Singlet", "Doublet", "Negative"], CELLS),
    "scDblFinder.class": RNG.choice(["singlet", "doublet"], CELLS),
    "my_class": RNG.choice(["Singlet", "Doublet"], CELLS),
    "DF.classifications_0.25_0.09_500": RNG.choice(["Singlet", "Doublet"], CELLS),
    "MULTI_ID": RNG.choice(["BAR1", "BAR2"], CELLS),
    "RNA_snn_res.0.8": pd.Categorical(pd.factorize(TYPES)[0]),
    "celltype.stim": np.char.add(TYPES, RNG.choice(["_CTRL", "_STIM"], CELLS)),
    "label": RNG.choice(["ctrl", "stim"], CELLS),
    "Phase": RNG.choice(["G1", "S", "G2M"], CELLS),
    "orig.ident": RNG.choice(["s1", "s2"], CELLS),
    "sample_label": NOISE,
    "plate_annotation": NOISE,
    "seurat_clusters": pd.factorize(TYPES)[0],
    "nCount_RNA": COUNTS.sum(1),
}


def table(**columns):
    return pd.DataFrame(columns, index=[f"c{i}" for i in range(CELLS)])


def chosen(obs, counts=COUNTS):
    def agreement(columns):
        rows, places = np.nonzero(counts)
        genes = pd.Index([f"g{i}" for i in range(counts.shape[1])])
        blocks = iter([Block(rows, places, counts[rows, places])])
        return agreement_with_counts(obs, columns, genes, blocks)

    taken, question = choose_labels(label_columns(obs), obs, "a.h5ad", agreement)
    return (None if taken is None else taken.name), question


@pytest.mark.parametrize(
    "name",
    [
        *("cell_type", "CellType", "Cell type", "celltypes", "annotation", "final_labels"),
        *("CellType.l2", "predicted.celltype.l1", "Manual_Annotation", "lineage", "ident"),
        *("cell_identity", "majority_voting", "seurat_annotations", "author_cell_type", "subclass"),
        *("predicted.id", "SingleR.labels", "customclassif"),
    ],
)
def test_types_are_found_among_what_else_is_measured(name):
    assert chosen(table(**OTHERS, **{name: TYPES})) == (name, "")


@pytest.mark.parametrize("name", ["leiden", "seurat_clusters_2", "mine"])
def test_what_is_not_called_types_is_asked_for(name):
    taken, question = chosen(table(**OTHERS, **{name: TYPES}))
    assert taken is None
    assert f"{name} (4)" in question
    assert "name it with --labels COLUMN (datasets.label_column)" in question


def test_two_levels_of_types_are_asked_for():
    taken, question = chosen(table(annot_l1=TYPES, annot_l2=FINE, noise_annot=NOISE))
    assert taken is None
    assert "annot_l1 (4 groups, predicted from the counts with kappa " in question
    assert "annot_l2 (8 groups" in question
    assert "noise_annot" not in question
    assert question.endswith("as in --labels annot_l1 (datasets.label_column)")
    taken, question = chosen(table(cell_type=TYPES, celltype=FINE))
    assert taken is None
    assert "cell_type (4 groups), celltype (8 groups)" in question


def test_the_same_types_under_two_names_are_plain():
    renamed = np.char.add("type ", TYPES)
    assert chosen(table(my_annotation=TYPES, other_annotation=renamed))[0] == "my_annotation"


def test_annotated_types_come_before_predicted_ones():
    obs = table(**{"predicted.celltype.l1": FINE, "my_annotation": TYPES})
    assert chosen(obs)[0] == "my_annotation"


def test_a_name_that_the_counts_contradict_is_not_believed():
    taken, question = chosen(table(odd_annotation=NOISE))
    assert taken is None
    assert "odd_annotation (3)" in question


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_order_and_names_have_no_effect(data):
    columns = OTHERS | {"final_labels": TYPES, "noise_annotation": NOISE}
    names = data.draw(st.permutations(sorted(columns)))
    obs = table(**{name: columns[name] for name in names})
    genes = data.draw(st.permutations(range(COUNTS.shape[1])))
    obs.index = [f"{data.draw(st.integers(0, 9))}-{i}" for i in range(CELLS)]
    assert chosen(obs, COUNTS[:, genes]) == ("final_labels", "")
    assert [one.name for one in label_columns(obs)] == [
        one.name for one in label_columns(table(**columns))
    ]


def test_agreement_is_chance_for_noise_and_near_one_for_types():
    rows, places = np.nonzero(COUNTS)
    genes = pd.Index([f"g{i}" for i in range(60)])

    def agreement(order):
        blocks = iter([Block(rows, np.argsort(order)[places], COUNTS[rows, places])])
        obs = table(types=TYPES, noise=NOISE, few=[None] * 100 + ["a", "b"] * 10)
        return agreement_with_counts(obs, list(obs), genes[order], blocks)

    found = agreement(np.arange(60))
    assert found["types"] > 0.9
    assert abs(found["noise"]) < 0.2
    assert "few" not in found
    # Bit by bit, whatever the order of the genes.
    assert agreement(np.random.default_rng(0).permutation(60)) == found


def test_features_that_are_no_genes_do_not_count():
    # Antibodies that tell the noise apart.
    tags = (NOISE[:, None] == np.array(["x", "y", "z"])) * 500.0
    both = np.hstack([COUNTS, tags])
    rows, places = np.nonzero(both)
    kept = np.arange(63) < 60
    genes = pd.Index([f"g{i}" for i in range(60)])
    blocks = iter([Block(rows, places, both[rows, places])])
    found = agreement_with_counts(table(noise=NOISE), ["noise"], genes, blocks, kept)
    assert abs(found["noise"]) < 0.2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([None] * CELLS, "no type: all 120 values are missing"),
        (["B"] * CELLS, "one type alone, 'B', where at least two are needed"),
        (np.linspace(0, 1, CELLS), "numbers with fractions"),
        ([f"c{i}" for i in range(CELLS)], "120 types among 120 cells"),
    ],
)
def test_a_named_column_that_holds_no_types_is_refused_with_its_fault(values, said):
    obs = table(cell_type=values)
    with pytest.raises(
        InputError, match=f"expected cell types in the column 'cell_type', .*{said}"
    ):
        label_column(obs, "cell_type", "a.h5ad")
    with pytest.raises(InputError, match=f"'cell_type' has {said}"):
        label_column(obs, None, "a.h5ad")


def test_more_types_than_a_run_shows_are_refused():
    obs = pd.DataFrame({"kind": np.repeat([f"t{i}" for i in range(501)], 3)})
    with pytest.raises(InputError, match="501 types, more than 500"):
        label_column(obs, "kind", "a.h5ad")


def test_numbers_with_gaps_are_written_without_a_fraction(tmp_path):
    codes = pd.factorize(TYPES)[0].astype(float)
    codes[:5] = np.nan
    ad.AnnData(sparse.csr_matrix(COUNTS), obs=table(mine=codes)).write_h5ad(tmp_path / "a.h5ad")
    column, _ = find(tmp_path / "a.h5ad").choose_labels("mine")
    assert column.sizes.to_dict() == {"1": 30, "2": 30, "3": 30, "0": 25}
    assert column.missing == 5
