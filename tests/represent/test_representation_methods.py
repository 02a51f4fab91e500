"""Every representation: fitted on training cells alone, independent of other cells in a call."""

from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp

from latentcell.config import methods as m
from latentcell.config.fitting import Labelled, Options
from latentcell.config.settings import PcaSettings
from latentcell.represent.pca import fit_pca
from latentcell.represent.scvi_models import training_arguments
from latentcell.runtime.errors import InputError

# A consensus learns from no counts: tests/grid/test_experts.py.
NAMES = [
    name.replace("<number>", "4")
    for name in m.known_methods("represent")
    if not name.startswith("consensus-")
]
RATES = np.random.default_rng(6).gamma(0.5, 2, size=(4, 60))
REFERENCE = Labelled(sp.csr_matrix(np.rint(RATES).astype(np.int32)), np.arange(4), tuple("abcd"))
OPTIONS = Options(seed=2, epochs=3, reference=REFERENCE)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, 150)
    rates = rng.gamma(0.5, 2, size=(3, 60))
    rates[:, 7] = 0
    return sp.csr_matrix(rng.poisson(rates[codes]).astype(np.int32)), codes.astype(np.int64)


def learnt(name, counts, codes):
    method = m.representation(name)
    missing = [library for library in method.uses if find_spec(library.split(".")[0]) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (requirements-methods.txt)")
    return method.load()(Labelled(counts, codes), method.size, OPTIONS)


def training_of(cells):
    counts, codes = cells
    return counts[:100], codes[:100]


def dense(features):
    return features.toarray() if sp.issparse(features) else features


@pytest.mark.parametrize("name", ["hvg-pca-k4", "nmf-k4", "pca-k4"])
def test_too_few_cells_are_refused(name, cells):
    counts, codes = cells
    with pytest.raises(InputError, match=r"need at least .* found 3"):
        learnt(name, counts[:3], codes[:3])


@pytest.mark.parametrize("name", NAMES)
def test_cells_that_were_not_there_get_finite_features(name, cells):
    counts, codes = cells
    features = learnt(name, counts[:100], codes[:100])(counts)
    assert sp.issparse(features) == (m.gives(name) in ("counts", "log"))
    assert features.dtype == (np.int32 if name == "raw" else np.float32)
    assert features.shape == (150, 60 if name in ("raw", "log") else 4)
    assert np.isfinite(dense(features)).all()
    assert (dense(features).std(0) > 0).sum() >= min(4, features.shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_has_the_same_features_alone_and_among_others(name, cells):
    counts, codes = cells
    transform = learnt(name, counts[:100], codes[:100])
    # Shares of topics, in percent, are iterative: equal to the second decimal.
    close = 0.02 if name.startswith("nmf") else 1e-4
    np.testing.assert_allclose(
        dense(transform(counts[120:122])), dense(transform(counts))[120:122], atol=close
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name, cells):
    counts, codes = cells
    first, second = (learnt(name, counts[:100], codes[:100])(counts) for _ in range(2))
    np.testing.assert_array_equal(dense(first), dense(second))


def test_raw_counts_are_not_touched(cells):
    counts, codes = cells
    assert learnt("raw", counts[:100], codes[:100])(counts) is counts


def test_components_are_those_of_section_pca(cells):
    counts, codes = cells
    method = m.representation("pca-k4")
    assert method.nested
    training = Labelled(counts[:100], codes[:100])
    for section in (PcaSettings(), PcaSettings(fit_on="all"), PcaSettings(standardise=False)):
        options = Options(seed=2, pca=section)
        assert method.learns_from(options) == section.fit_on
        found = method.load()(training, 4, options)
        alone = fit_pca(counts[:100], ["training"] * 100, 4, section)
        np.testing.assert_array_equal(found(counts), alone.transform(counts))
        np.testing.assert_array_equal(found.arrays["components"], alone.components)
    # A smaller size of a nested representation is the first columns of a larger one.
    fewer = m.representation("pca-k2").load()(training, 2, OPTIONS)(counts)
    np.testing.assert_allclose(
        learnt("pca-k4", *training_of(cells))(counts)[:, :2], fewer, atol=1e-4
    )


def test_only_components_are_nested_and_may_see_all_cells():
    methods = [m.representation(name) for name in NAMES]
    assert [method.name for method in methods if method.nested] == ["pca-k4"]
    leaky = Options(seed=1, pca=PcaSettings(fit_on="all"))
    seeing = {method.name for method in methods if method.learns_from(leaky) == "all"}
    assert seeing == {"pca-k4"}


def test_shares_of_topics_are_percent(cells):
    counts, codes = cells
    features = learnt("nmf-k4", counts[:100], codes[:100])(counts)
    np.testing.assert_allclose(features.sum(1), 100, rtol=1e-4)
    doubled = learnt("nmf-k4", counts[:100], codes[:100])(2 * counts)
    np.testing.assert_allclose(doubled, features, atol=1.5)


def test_types_teach_scanvi_and_not_scvi(cells):
    counts, codes = cells
    others = (codes + 1) % 3
    others[::2] = codes[::2]
    plain = [learnt("scvi-z4", counts[:100], c[:100])(counts) for c in (codes, others)]
    taught = [learnt("scanvi-z4", counts[:100], c[:100])(counts) for c in (codes, others)]
    np.testing.assert_array_equal(*plain)
    assert np.abs(taught[0] - taught[1]).max() > 1e-3


@pytest.mark.parametrize(("cells", "size"), [(1, 128), (256, 128), (257, 129), (16513, 130)])
def test_no_minibatch_of_scvi_has_one_cell(cells, size):
    found = training_arguments(cells)["batch_size"]
    assert found == size
    assert cells == 1 or cells % found != 1
