"""AnnData files of all times and makers: what is not needed need not be readable."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from scipy import sparse

from latentcell.annotate.files import load_query
from latentcell.config.settings import DatasetSettings
from latentcell.data.finding import find
from latentcell.data.h5ad import read_whole
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad

CELLS, GENES = [f"c{i}" for i in range(12)], [f"g{i}" for i in range(5)]
COUNTS = np.random.default_rng(0).poisson(2, (12, 5)).astype(np.float32) + 1
TYPES = ["B", "T", "B"] * 4


@pytest.fixture
def cells():
    obs = pd.DataFrame({"kind": pd.Categorical(TYPES), "depth": COUNTS.sum(1)}, index=CELLS)
    adata = ad.AnnData(sparse.csr_matrix(COUNTS), obs, pd.DataFrame(index=GENES))
    adata.layers["logs"] = np.log1p(COUNTS)
    adata.obsm["X_pca"] = np.ones((12, 2))
    adata.obsp["near"] = sparse.eye(12, format="csr")
    adata.varm["loadings"] = np.ones((5, 2))
    adata.uns["method"] = {"name": "x", "k": 3}
    adata.raw = adata.copy()
    return adata


@pytest.fixture
def path(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def assert_found(path):
    read = find(path).read()
    assert read.obs_names.tolist() == CELLS
    assert read.var_names.tolist() == GENES
    assert (sparse.csr_matrix(read.X).toarray() == COUNTS).all()
    return read


def test_what_can_be_read_is_kept_as_anndata_reads_it(path, tmp_path):
    whole, left_out = read_whole(path)
    assert left_out == []
    for name, adata in (("ours", whole), ("theirs", ad.read_h5ad(path))):
        write_h5ad(tmp_path / f"{name}.h5ad", adata)
    assert (tmp_path / "ours.h5ad").read_bytes() == (tmp_path / "theirs.h5ad").read_bytes()


def spoil_group(file, place):
    """Put a group that is nothing known in the place of a part."""
    if place in file:
        del file[place]
    file.create_group(place)["part"] = np.zeros(3)


SPOILT = ["obs/depth", "obsm/X_pca", "obsp/near", "varm/loadings", "layers/logs"]


@pytest.mark.parametrize("place", [*SPOILT, "obsm/nested/X_pca", "obsm/short", "obs/pickled"])
def test_a_part_that_cannot_be_read_blocks_nothing(path, tmp_path, place):
    with h5py.File(path, "a") as file:
        if place == "obsm/short":
            file[place] = np.zeros((3, 2))
        elif place == "obs/pickled":
            file[place] = np.array([b"\x80"] * 12, dtype="V1")
            file["obs"].attrs["column-order"] = ["kind", "depth", "pickled"]
        else:
            spoil_group(file, place)
    assert_found(path)
    whole, left_out = read_whole(path)
    group, name = place.split("/")[:2]
    assert left_out == [f"{group}[{name!r}]"]
    write_h5ad(tmp_path / "written.h5ad", whole)
    again = ad.read_h5ad(tmp_path / "written.h5ad")
    assert name not in getattr(again, group)
    assert again.obs["kind"].tolist() == TYPES
    with pytest.warns(UserWarning, match=r"cells\.h5ad: left out of the result, as it cannot"):
        load_query(path)


def test_a_part_that_cannot_be_written_is_left_out(cells, tmp_path, monkeypatch):
    from latentcell.data import h5ad

    write_elem = h5ad.write_elem

    def refuse(group, name, value, **rest):
        if isinstance(value, dict):
            raise TypeError("not this time")
        write_elem(group, name, value, **rest)

    cells.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr(h5ad, "write_elem", refuse)
    whole, left_out = read_whole(tmp_path / "cells.h5ad")
    assert left_out == ["uns['method']"]
    assert "method" not in whole.uns


def test_a_matrix_that_is_damaged_is_named_and_another_one_taken(cells, tmp_path):
    cells.layers["counts"] = cells.X.copy()
    del cells.raw
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "a") as file:
        del file["X/indices"]
        file["X/indices"] = np.array(["x"] * cells.X.nnz, dtype="S1")
    found = find(tmp_path / "cells.h5ad")
    assert found.counts.place == "counts"
    assert any(note.startswith("not read: ") for note in found.notes)
    with pytest.raises(InputError, match=r"cells\.h5ad: expected "):
        _ = find(DatasetSettings(name="own", path=str(tmp_path / "cells.h5ad"), layer="X")).counts


def test_a_matrix_of_another_size_than_its_tables_is_named(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "a") as file:
        file["raw/X"].attrs["shape"] = (12, 4)
    found = find(tmp_path / "cells.h5ad")
    assert "12 cells and 5 genes in raw, as many as are named, found 12 and 4" in found.notes[0]


@pytest.mark.parametrize("missing", [["obs"], ["var"], ["obs", "var"]])
def test_a_file_whose_writing_was_stopped(path, missing):
    with h5py.File(path, "a") as file:
        for name in missing:
            del file[name]
    with pytest.raises(InputError, match=rf"no {missing[0]}.*: if its writing was stopped, write"):
        find(path)


def compound(columns):
    texts = h5py.string_dtype()
    kinds = [
        (k, texts if np.asarray(v).dtype.kind in "UO" else np.asarray(v).dtype)
        for k, v in columns.items()
    ]
    table = np.empty(len(next(iter(columns.values()))), kinds)
    for name, values in columns.items():
        table[name] = values
    return table


@pytest.mark.parametrize("index", ["index", "names"])
def test_the_layout_of_anndata_0_6(tmp_path, index):
    counts = sparse.csr_matrix(COUNTS)
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = np.log1p(COUNTS[:, :3])
        codes = pd.Categorical(TYPES).codes
        file["obs"] = compound({index: CELLS, "kind": codes, "depth": COUNTS.sum(1)})
        file["uns/kind_categories"] = np.array(["B", "T"], dtype="S1")
        file["uns/kept"] = 7
        file["var"] = compound({index: GENES[:3], "n": np.ones(3, int)})
        file["obsm"] = np.array([((1.0, 2.0),)] * 12, dtype=[("X_pca", "f8", (2,))])
        group = file.create_group("raw.X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", counts.shape
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(counts, part)
        file["raw.var"] = compound({index: GENES})
    read = assert_found(tmp_path / "old.h5ad")
    assert read.obs["kind"].tolist() == TYPES
    whole, left_out = read_whole(tmp_path / "old.h5ad")
    assert left_out == []
    assert whole.shape == (12, 3)
    assert whole.raw.var_names.tolist() == GENES
    assert whole.obsm["X_pca"].tolist() == [[1.0, 2.0]] * 12
    assert whole.uns == {"kept": 7}
    write_h5ad(tmp_path / "new.h5ad", whole)
    assert ad.read_h5ad(tmp_path / "new.h5ad").raw.shape == (12, 5)


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int64, np.uint8, bool])
@pytest.mark.parametrize("form", ["dense", "csr", "csc", "unnamed csr", "unnamed csc"])
def test_counts_of_any_type_and_layout(tmp_path, kind, form):
    values = np.minimum(COUNTS, 1).astype(kind) if kind is bool else COUNTS.astype(kind)
    adata = ad.AnnData(np.zeros((12, 5)), pd.DataFrame(index=CELLS), pd.DataFrame(index=GENES))
    adata.write_h5ad(tmp_path / "a.h5ad")
    stored = (sparse.csc_matrix if "csc" in form else sparse.csr_matrix)(values.astype(float))
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["X"]
        if form == "dense":
            file["X"] = values
        else:
            for part in ("indices", "indptr"):
                file[f"X/{part}"] = getattr(stored, part)
            file["X/data"] = stored.data.astype(kind)
            if "unnamed" not in form:
                file["X"].attrs["encoding-type"] = f"{form}_matrix"
                file["X"].attrs["encoding-version"] = "0.1.0"
                file["X"].attrs["shape"] = values.shape
    read = find(tmp_path / "a.h5ad").read()
    assert (sparse.csr_matrix(read.X).toarray() == values).all()


def test_genes_in_obs_are_told(tmp_path):
    genes = ["CD3D", "LYZ", "MT-CO1", "RPL13", "NKG7"]
    turned = ad.AnnData(COUNTS.T, pd.DataFrame(index=genes), pd.DataFrame(index=CELLS))
    turned.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(
        InputError, match=r"found genes such as CD3D in obs: turn it, with adata\.T"
    ):
        find(tmp_path / "a.h5ad")


VAR = {
    "gaps": ({"ensembl_id": ["E1", None, "E3", "E4", "E5"]}, GENES, "lacks 1 genes"),
    "repeats": ({"gene_ids": ["E1", "E1", "E3", "E4", "E5"]}, GENES, "repeats 1 identifiers"),
    "second column": (
        {"gene_ids": ["", "E1", "E3", "E4", "E5"], "feature_id": list("vwxyz")},
        list("vwxyz"),
        "var['gene_ids'] lacks 1 genes",
    ),
    "symbols with gaps": ({"feature_name": ["A", None, "C", "D", "E"]}, GENES, ""),
}


@pytest.mark.parametrize("name", VAR)
def test_names_with_gaps_are_replaced_by_whole_ones(tmp_path, name):
    columns, index, note = VAR[name]
    var = pd.DataFrame(columns, index=GENES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ad.AnnData(COUNTS, pd.DataFrame(index=CELLS), var).write_h5ad(tmp_path / "a.h5ad")
    found = find(tmp_path / "a.h5ad")
    assert found.genes.index.tolist() == index
    assert note in " ".join(found.notes)
    if name == "symbols with gaps":
        assert found.genes["symbol"].tolist() == ["A", "g1", "C", "D", "E"]


def test_genomes_of_an_h5ad_are_asked_for(tmp_path):
    from latentcell.config.settings import DatasetSettings

    names = ["GRCh38_TP53", "GRCh38_CD3D", "GRCh38_LYZ", "mm10___Cd3d", "mm10___Lyz2"]
    var = pd.DataFrame(index=names)
    ad.AnnData(COUNTS, pd.DataFrame(index=CELLS), var).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="found GRCh38 and mm10: choose one with --genome GRCh38"):
        find(tmp_path / "a.h5ad")
    settings = DatasetSettings(name="q", path=str(tmp_path / "a.h5ad"), genome="mm10")
    assert find(settings).read().var_names.tolist() == ["Cd3d", "Lyz2"]
    with pytest.raises(InputError, match=r"the genome 'hg19' \(--genome.*found GRCh38 and mm10"):
        find(settings.model_copy(update={"genome": "hg19"}))


def test_cells_that_are_named_by_numbers_are_found_in_a_labels_file(cells, tmp_path):
    path, labels = tmp_path / "cells.h5ad", tmp_path / "labels.csv"
    cells.write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["obs/_index"]
        write_elem(file["obs"], "_index", np.arange(1, 13))
    labels.write_text("cell,kind\n" + "".join(f"{n},{t}\n" for n, t in enumerate(TYPES, start=1)))
    found = find(DatasetSettings(name="own", path=str(path), labels=str(labels)))
    assert found.obs["kind"].tolist() == TYPES
