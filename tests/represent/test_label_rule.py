"""The rule by which 10x labelled the 68k cells, as a representation."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr

from latentcell.config.fitting import Labelled, Options
from latentcell.config.methods import representation, serves
from latentcell.config.settings import parse_settings
from latentcell.grid.points import classifier_points
from latentcell.grid.representing import aligned
from latentcell.grid.variants import variants
from latentcell.represent.methods.label_rule import fit, rank_correlations
from latentcell.runtime.errors import InputError

GRID = {"representations": ["raw", "label-rule"], "classifiers": ["logistic", "naive-bayes"]}


def test_correlations_are_spearmans():
    rng = np.random.default_rng(3)
    cells, profiles = rng.poisson(0.7, (6, 40)).astype(float), rng.gamma(1, 1, (3, 40))
    found = rank_correlations(cells, profiles)
    for i, cell in enumerate(cells):
        expected = [spearmanr(cell, profile).statistic for profile in profiles]
        np.testing.assert_allclose(found[i], expected, atol=1e-12)
    assert rank_correlations(np.zeros((1, 40)), profiles).tolist() == [[0, 0, 0]]


def test_cells_of_a_population_correlate_most_with_its_profile():
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.5, 2, (3, 80))
    codes = np.repeat([0, 1, 2], 30)
    draw = lambda: sp.csr_matrix(rng.poisson(rates[codes]).astype(np.int32))  # noqa: E731
    reference = Labelled(draw(), codes, ("a", "b", "c"))
    training = draw()
    transform = fit(Labelled(training, codes), 0, Options(1, reference=reference))
    features = transform(draw())
    assert features.shape == (90, 3)
    learnt = transform(training)
    np.testing.assert_allclose(learnt.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(learnt.std(0), 1, atol=1e-5)
    assert (features.argmax(1) == codes).mean() > 0.9


def test_a_reference_has_the_genes_of_the_cells():
    cells = ad.AnnData(np.zeros((2, 3), np.int32), var=pd.DataFrame(index=["a", "b", "c"]))
    reference = ad.AnnData(
        sp.csr_matrix(np.array([[1, 2, 3], [4, 5, 6]], np.int32)),
        obs=pd.DataFrame({"cell_type": pd.Categorical(["T", "B"])}, index=["x", "y"]),
        var=pd.DataFrame(index=["c", "z", "a"]),
    )
    found = aligned(reference, cells)
    assert found.features.toarray().tolist() == [[3, 0, 1], [6, 0, 4]]
    assert found.codes.tolist() == [1, 0]
    assert found.types == ("B", "T")


def test_it_serves_the_data_sets_that_were_labelled_so_and_needs_the_purified_cells():
    names = ["pbmc68k-study", "zheng-sorted"]
    settings = parse_settings({"datasets": names, "grid": GRID})
    (main,) = variants(settings).values()
    points = {(one.dataset, one.representation) for one in classifier_points(main)}
    assert ("pbmc68k-study", "label-rule") in points
    assert ("zheng-sorted", "label-rule") not in points
    assert ("zheng-sorted", "raw") in points
    assert representation("label-rule").reference == "zheng-sorted"
    assert serves("gmvae-z10-h100", "zheng-sorted")
    with pytest.raises(InputError, match="label-rule needs the data set zheng-sorted"):
        parse_settings({"datasets": names[:1], "grid": GRID})
    with pytest.raises(InputError, match="expected the purified cells of zheng-sorted"):
        fit(Labelled(sp.csr_matrix((2, 3)), np.array([0, 1])), 0, Options(1))
