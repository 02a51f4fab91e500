"""`latentcell.tl`: results in the AnnData, equal to those of the model and of the command."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tiny_cells import TINY, make_cells

import latentcell as lc
from latentcell.annotate import annotate as annotate_file
from latentcell.annotate import train as train_file
from latentcell.api.tl import _annotator
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError
from latentcell.runtime.mark import SIMULATED, SIMULATION_NOTE

SMALL = {
    **{"variable_genes": 30, "components": 5, "penalties": [0.1, 1.0], "latent_dim": 2},
    **{"hidden_units": 6, "epochs": 4, "early_stopping": 2, "learning_rate": 0.02},
}


def test_gmvae_fills_the_cells(cells, tmp_path):
    counts = cells.X.copy()
    options = {"labels_key": "cell_type", "split": "split"} | TINY
    assert lc.tl.gmvae(cells, **options) is None
    model = lc.GMVAE(cells, **options).train()
    assert np.array_equal(cells.obsm["X_gmvae"], model.get_latent_representation())
    assert cells.obs["gmvae_cluster"].dtype.categories.tolist() == ["0", "1"]
    assert np.array_equal(cells.obs["gmvae_cluster"].cat.codes, model.get_clusters().codes)
    about = cells.uns["gmvae"]
    assert about["settings"]["preset"] == "recommended"
    assert about["settings"]["learning_rate"] == 1e-3
    assert {name: about[name] for name in ("latent_dim", "hidden_units", "components")} == {
        "latent_dim": 2,
        "hidden_units": 6,
        "components": 2,
    }
    assert (about["best_epoch"], about["epochs_trained"], about["given_count_sum"]) == (2, 2, True)
    elbo = model.get_elbo(return_mean=False)
    assert about["elbo"] == {
        part: elbo[model.split == part].mean() for part in ("test", "training", "validation")
    }
    assert not (cells.X - counts).count_nonzero()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad").uns["gmvae"]
    assert read["elbo"] == about["elbo"]
    assert VaeKeys(read["settings"]) == VaeKeys(about["settings"])


class VaeKeys(dict):
    """Settings of an AnnData, whose numbers become NumPy's in a file."""

    def __init__(self, values):
        super().__init__({key: str(value) for key, value in values.items() if key != "dropout"})


def test_gmvae_of_a_copy_a_view_and_another_name(cells):
    copied = lc.tl.gmvae(cells, components=2, copy=True, key_added="mine", **TINY)
    assert {"X_mine"} == set(copied.obsm)
    assert {"mine"} == set(copied.uns)
    assert "mine_cluster" in copied.obs
    assert not cells.obsm
    view = cells[cells.obs["donor"] == "x"]
    with pytest.warns(ad.ImplicitModificationWarning):
        lc.tl.gmvae(view, components=2, **TINY)
    assert view.obsm["X_gmvae"].shape == (view.n_obs, 2)
    assert not cells.obsm
    assert "gmvae_cluster" not in cells.obs


def frames(adata):
    return adata.obs.filter(regex="^(cell_type|nov)"), dict(adata.obsm)


@pytest.mark.parametrize("density", [True, False])
def test_annotation_is_that_of_the_command(density, tmp_path):
    reference, query = make_cells(1, 150), make_cells(2, 40)
    reference.obs["cell_type"] = reference.obs["cell_type"].astype(object)
    reference.obs.iloc[3, 0] = None  # Left out.
    reference.layers["counts"] = reference.X.copy()
    reference.X = reference.X.log1p()
    files = {"reference": reference, "query": query}
    for name, adata in files.items():
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    settings = SMALL | {"density": density}
    with pytest.warns(UserWarning, match="1 cells without a type are left out"):
        annotator = train_file(
            tmp_path / "reference.h5ad",
            AnnotateSettings(**settings),
            labels="cell_type",
            layer="counts",
            bundle=tmp_path / "bundle",
        )
    expected, _ = annotate_file(annotator, tmp_path / "query.h5ad")
    before = query.X.copy()
    options = {"label_key": "cell_type", "reference_layer": "counts"}
    with pytest.warns(UserWarning, match="1 cells without a type are left out"):
        lc.tl.annotate(query, reference=reference, **options, **settings)
    assert not (query.X - before).count_nonzero()
    for found, wanted in zip(frames(query), frames(expected), strict=True):
        if isinstance(found, pd.DataFrame):
            pd.testing.assert_frame_equal(found, wanted)
        else:
            assert set(found) == set(wanted)
            assert all(np.array_equal(found[name], wanted[name]) for name in found)
    assert ("novel" in query.obs) == density
    assert "cell_type_before" in query.obs
    for trained in (annotator, tmp_path / "bundle"):
        again = lc.tl.annotate(make_cells(2, 40), reference=trained, copy=True)
        pd.testing.assert_frame_equal(frames(again)[0], frames(expected)[0])


def test_batches_and_ids_of_a_reference_count_as_with_the_command(tmp_path):
    reference = make_cells(1, 150)
    ids = {"B": "CL:0000236", "T": "CL:0000084"}
    reference.obs["cell_type_ontology_term_id"] = reference.obs["cell_type"].map(ids)
    reference.obs["sample"] = ["a", None] * 75  # Not complete.
    reference.write_h5ad(tmp_path / "reference.h5ad")
    settings = SMALL | {"density": False, "candidates": ["hvg-pca"]}
    wanted = train_file(
        tmp_path / "reference.h5ad", AnnotateSettings(**settings), labels="cell_type"
    ).reference
    found = _annotator(reference, "cell_type", None, settings).reference
    assert found == wanted | {"dataset": "reference"}
    assert (found["widening"]["batches"], found["ontology"]) == (2, ids)
    typed = lc.tl.annotate(
        make_cells(2, 40), reference=reference, label_key="cell_type", copy=True, **settings
    )
    assert set(typed.obs["cell_type_ontology_term_id"].dropna()) <= set(ids.values())


def test_a_backed_reference_may_lack_types(cells, tmp_path):
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(object)
    cells.obs.iloc[3, 0] = None
    cells.write_h5ad(tmp_path / "reference.h5ad")
    backed = ad.read_h5ad(tmp_path / "reference.h5ad", backed="r")
    small = {name: SMALL[name] for name in ("variable_genes", "components")}
    options = {"label_key": "cell_type", "density": False, "copy": True} | small
    with pytest.warns(UserWarning, match="1 cells without a type are left out"):
        found = lc.tl.annotate(make_cells(2, 40), reference=backed, **options)
    with pytest.warns(UserWarning, match="1 cells without a type are left out"):
        wanted = lc.tl.annotate(make_cells(2, 40), reference=cells, **options)
    pd.testing.assert_frame_equal(frames(found)[0], frames(wanted)[0])


def test_the_mark_of_simulated_cells_stays(cells):
    cells.obs_names = [f"{SIMULATED}-{name}" for name in cells.obs_names]
    typed = lc.tl.annotate(
        make_cells(2, 20),
        reference=cells,
        label_key="cell_type",
        density=False,
        copy=True,
        **{name: SMALL[name] for name in ("variable_genes", "components")},
    )
    assert typed.uns["latentcell"]["simulated"] == SIMULATION_NOTE


def test_annotation_refuses_what_does_not_fit(cells, tmp_path):
    query = make_cells(2, 20)

    def refuses(message, **options):
        with pytest.raises(InputError, match=message):
            lc.tl.annotate(query, **{"reference": cells, "label_key": "cell_type"} | options)
        assert not query.obsm

    refuses("expected label_key=", label_key=None)
    refuses("label_key: expected one of 'cell_type', .*found 'type'", label_key="type")
    refuses("annotate: sead is not a known key", sead=1)
    refuses("query_layer has an effect in the workflow alone", query_layer="counts")
    refuses("label_key is for a reference that is an AnnData", reference=tmp_path)
    refuses("seed is for a reference", reference=tmp_path, label_key=None, seed=2)
    refuses("layer: expected one of no layers", layer="counts")
    refuses("threads: expected a whole number of at least 1, found 0", threads=0)
    refuses("reference: expected an AnnData, an annot.* found NoneType", reference=None)
    with pytest.raises(InputError, match="query: expected an AnnData, found str"):
        lc.tl.annotate("query.h5ad", reference=cells, label_key="cell_type")
    with pytest.raises(InputError, match="adata: expected an AnnData, found str"):
        lc.tl.gmvae("cells.h5ad", components=2, copy=True)
    query.X = query.X.log1p()
    refuses(r"adata\.X: expected raw counts")


def test_the_sample_has_counts_and_types():
    cells = lc.datasets.pbmc68k_sample()
    assert cells.shape == (700, 765)
    assert cells.X.dtype == np.int32
    assert cells.obs["cell_type"].nunique() == 10
    assert "symbol" in cells.var
