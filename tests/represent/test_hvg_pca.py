import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA

from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.normalise import log_normalise
from latentcell.runtime import pieces
from latentcell.runtime.errors import InputError

CELLS, GENES = 120, 90
TRAINING = np.arange(CELLS) < 90


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(3)
    programmes = rng.gamma(1.0, size=(CELLS, 5)) @ rng.gamma(0.3, size=(5, GENES))
    counts = rng.poisson(programmes)
    counts[:, 7] = 0
    counts[90:, 8] = 50  # variable, but in no training cell
    counts[:90, 8] = 0
    return sp.csr_matrix(counts.astype(np.int32))


def test_normalisation_is_scanpys(counts):
    adata = AnnData(counts.astype(np.float64))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    found = log_normalise(counts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), adata.X.toarray(), rtol=1e-6)


def test_a_cell_without_counts_stays_empty():
    found = log_normalise(sp.csr_matrix(np.array([[0, 0], [1, 3]], np.int32)))
    assert found[0].nnz == 0
    np.testing.assert_allclose(found[1].toarray()[0], np.log1p([2500, 7500]), rtol=1e-6)


def test_scores_are_those_of_scanpy_and_scikit_learn(counts):
    model = HvgPca.fit(counts, TRAINING, components=6, genes=30)
    normalised = log_normalise(counts).toarray().astype(np.float64)
    reference = PCA(6, svd_solver="full").fit(normalised[TRAINING][:, model.genes])
    scores = model.transform(counts)
    assert scores.dtype == np.float32
    assert scores.shape == (CELLS, 6)
    np.testing.assert_allclose(
        scores, reference.transform(normalised[:, model.genes]), atol=1e-4, rtol=1e-4
    )


def test_only_training_cells_are_learnt_from(counts):
    changed = counts.copy().tolil()
    changed[90:] = counts[90:][:, ::-1]
    first = HvgPca.fit(counts, TRAINING, components=4, genes=30)
    second = HvgPca.fit(sp.csr_matrix(changed), TRAINING, components=4, genes=30)
    for name, tensor in first.tensors().items():
        np.testing.assert_array_equal(tensor, second.tensors()[name])
    assert not {7, 8} & set(first.genes.tolist())


def test_a_cell_has_the_same_scores_alone_and_among_others(counts):
    model = HvgPca.fit(counts, TRAINING, components=4, genes=30)
    np.testing.assert_allclose(
        model.transform(counts[100:101])[0], model.transform(counts)[100], atol=1e-5
    )


def test_tensors_come_back_from_a_file(counts, tmp_path):
    model = HvgPca.fit(counts, TRAINING, components=4, genes=30, seed=5)
    save_file(model.tensors(), tmp_path / "model.safetensors")
    again = HvgPca.from_tensors(load_file(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(model.transform(counts), again.transform(counts))
    assert again.pca.settings == model.pca.settings


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (
            lambda counts: HvgPca.fit(counts, TRAINING, components=40, genes=30),
            "40 components need at least 41 training cells and 40 variable genes, found 90 and 30",
        ),
        (
            lambda counts: HvgPca.fit(counts, TRAINING, components=4, genes=30).transform(
                counts[:, :5]
            ),
            "expected the 90 genes that it was fitted on, found 5",
        ),
        (lambda counts: HvgPca.from_tensors({}), "expected a tensor 'components', found none"),
    ],
)
def test_faults_are_one_sentence(counts, action, sentence):
    with pytest.raises(InputError, match=sentence):
        action(counts)


def test_scores_do_not_depend_on_the_size_of_pieces(counts, monkeypatch):
    fitted = HvgPca.fit(counts, TRAINING, components=4, genes=30)
    whole = fitted.transform(counts)
    monkeypatch.setattr(pieces, "PIECE", 7)
    np.testing.assert_array_equal(fitted.transform(counts), whole)
    assert fitted.transform(counts[:0]).shape == (0, 4)
