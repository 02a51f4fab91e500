"""The order and names of what a file holds never change what is taken from it."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tracker_cases import QUERY, REFERENCE, cells

from latentcell.data.finding import find

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
COUNTS = REFERENCE.X.toarray()
LOGS = np.log1p(COUNTS / COUNTS.sum(1, keepdims=True) * 1e4)
SPLICED = np.floor(COUNTS * 0.8)
LAYERS = {
    "counts": COUNTS,
    "ambiguous": np.minimum(COUNTS, 1) * 2.0 * (COUNTS > 5),
    "binarized": (COUNTS > 0).astype(np.float32),
    "scaled": LOGS - LOGS.mean(0),
    "spliced": SPLICED,
    "unspliced": COUNTS - SPLICED,
}
TYPES = REFERENCE.obs["cell_type"].astype(str).to_numpy()
RANDOM = np.random.default_rng(3)
OBS = {
    "final_labels": TYPES,
    "HTO_classification.global": RANDOM.choice(["Singlet", "Doublet"], len(TYPES)),
    "Phase": RANDOM.choice(["G1", "S", "G2M"], len(TYPES)),
    "n_counts": COUNTS.sum(1),
    "orig.ident": RANDOM.choice(["donor1", "donor2"], len(TYPES)),
    "seurat_clusters": RANDOM.integers(0, 4, len(TYPES)),
}
FORMS = (np.asarray, sparse.csr_matrix, sparse.csc_matrix)


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_counts_and_types_of_an_h5ad(tmp_path_factory, data):
    layers = data.draw(st.permutations(sorted(LAYERS)))
    columns = data.draw(st.permutations(sorted(OBS)))
    genes = np.array(data.draw(st.permutations(range(COUNTS.shape[1]))))
    rows = np.array(data.draw(st.permutations(range(len(TYPES)))))
    form = data.draw(st.sampled_from(FORMS))
    prefix = data.draw(st.sampled_from(["", "s1_", "ячейка ", "0"]))
    names = [f"{prefix}{name}" for name in REFERENCE.obs_names[rows]]
    obs = pd.DataFrame({name: OBS[name][rows] for name in columns}, index=names)
    path = tmp_path_factory.mktemp("order") / "cells.h5ad"
    adata = ad.AnnData(LOGS[np.ix_(rows, genes)], obs=obs, var=REFERENCE.var.iloc[genes])
    adata.write_h5ad(path)
    with h5py.File(path, "a", track_order=True) as file:
        del file["layers"]
        group = file.create_group("layers", track_order=True)
        group.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        for name in layers:
            ad.io.write_elem(group, name, form(LAYERS[name][np.ix_(rows, genes)]))
    found = find(path)
    assert found.counts.place == "counts"
    assert found.choose_labels()[0].name == "final_labels"
    read = found.read()
    assert read.obs_names.tolist() == names
    assert read.var["symbol"].tolist() == REFERENCE.var_names[genes].tolist()
    assert (sparse.csr_matrix(read.X).toarray() == COUNTS[np.ix_(rows, genes)]).all()
    assert read.obs["final_labels"].tolist() == TYPES[rows].tolist()


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_counts_of_a_table_in_either_orientation(tmp_path_factory, data):
    genes = np.array(data.draw(st.permutations(range(QUERY.n_vars))))
    rows = np.array(data.draw(st.permutations(range(QUERY.n_obs))))
    frame = QUERY.to_df().iloc[rows, genes].astype(int)
    turned = data.draw(st.booleans())
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    path = tmp_path_factory.mktemp("order") / "cells.csv"
    (frame.T if turned else frame).to_csv(path, sep=separator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = find(path).read()
    assert read.obs_names.tolist() == frame.index.tolist()
    assert read.var_names.tolist() == frame.columns.tolist()
    assert (read.X.toarray() == frame.to_numpy()).all()


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_genes_and_cells_of_a_loom_file(tmp_path_factory, data):
    adata = cells(20, seed=data.draw(st.integers(0, 5)))
    rows = {
        "Accession": adata.var["gene_ids"].tolist(),
        "Chromosome": ["1"] * adata.n_vars,
        "Gene": adata.var_names.tolist(),
        "Selected": ["1"] * adata.n_vars,
    }
    columns = {
        "CellID": adata.obs_names.tolist(),
        "Clusters": ["0", "1"] * 10,
        "cell_type": adata.obs["cell_type"].tolist(),
    }
    path = tmp_path_factory.mktemp("order") / "cells.loom"
    with h5py.File(path, "w", track_order=True) as file:
        file["matrix"] = adata.X.toarray().T
        for group, attributes in (("row_attrs", rows), ("col_attrs", columns)):
            created = file.create_group(group, track_order=True)
            for name in data.draw(st.permutations(sorted(attributes))):
                created[name] = np.array(attributes[name], dtype=h5py.string_dtype())
    found = find(path)
    assert found.choose_labels()[0].name == "cell_type"
    read = found.read()
    assert read.var_names.tolist() == rows["Accession"]
    assert read.var["symbol"].tolist() == rows["Gene"]
    assert read.obs_names.tolist() == columns["CellID"]
