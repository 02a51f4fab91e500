r"""Cells drawn from a GMVAE whose parameters are known, with exact log p(x) and p(y | x).

The model has the form of `latentcell.models.gmvae` with a two-dimensional latent:

.. math:: y \sim \mathrm{Cat}(\pi), \quad z \mid y \sim N(\mu_y, \sigma_y^2), \quad
          x_g \mid z \sim \mathrm{NB}(r_g, p_g(z)), \quad
          \mathrm{logit}\, p_g(z) = (\mathrm{ReLU}(z A + a) B + b)_g .

Each hidden unit reads one latent variable, so that the kinks of all ReLUs are lines along an axis.
Between them the integrand is smooth, and Gauss-Legendre quadrature of panels that end at the kinks
gives log p(x) almost to rounding.
"""

from dataclasses import dataclass
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from latentcell.runtime.mark import SIMULATED

Floats = NDArray[np.float64]

NAME = "simulated-mixture"
CELLS = 2_000
GENES = 600
COMPONENTS = 6
LATENT_DIM = 2
HIDDEN_UNITS = 32
# Column of obs and arrays of obsm that hold the known truth.
TRUTH_COLUMN = "log_p"
TRUTH_ARRAYS = ("z", "z_mean", "posterior")

# Mean number of UMIs of a cell.
_DEPTH = 900.0
# Components lie around a circle of this radius, in the units of the latent.
_RADIUS = 2.0
# Standard deviations of the log mean of a gene, of the slopes of a gene and of those of all genes.
_PROFILE, _SLOPE, _SIZE = 1.2, 0.2, 0.2
# Latents over which the mean profile and the depth are set.
_REFERENCE = 10_000

# The integral ends at this number of standard deviations from the means of the components. It
# leaves out log-densities that lie further below the highest one of the prior.
_WIDTH, _NEGLIGIBLE = 7.0, 40.0
# Longest panel, and nodes of a panel along an axis.
_PANEL, _NODES = 0.5, 7
# Points at which all cells are evaluated at a time.
_BLOCK = 4_096


class Drawn(NamedTuple):
    """Cells of a model: counts (n x G, CSR), latents (n x 2) and components (n)."""

    counts: sparse.csr_matrix
    latent: Floats
    component: NDArray[np.int64]


class Known(NamedTuple):
    """Exact quantities of cells under a model.

    Attributes
    ----------
    log_p
        log p(x), nats, shape (n,).
    posterior
        p(y | x), shape (n, K).
    latent_mean
        E(z | x), shape (n, 2): the best prediction of z in the mean square.
    """

    log_p: Floats
    posterior: Floats
    latent_mean: Floats


@dataclass(frozen=True)
class KnownModel:
    """Parameters of a GMVAE with a two-dimensional latent.

    Attributes
    ----------
    shares
        p(y), shape (K,).
    means, scales
        Means and standard deviations of z given y, shape (K, 2).
    first, first_bias
        Hidden layer, shapes (2, H) and (H,); each column of `first` has one non-zero entry.
    second, second_bias
        Logit of p of each gene, shapes (H, G) and (G,).
    log_r
        Logarithm of the dispersion parameter r of each gene, shape (G,).
    """

    shares: Floats
    means: Floats
    scales: Floats
    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    log_r: Floats

    @classmethod
    def draw(cls, seed: int = 1, genes: int = GENES) -> "KnownModel":
        """Draw the parameters of a model with a mean of 1.5 UMIs per gene and cell."""
        rng = np.random.default_rng([seed, 0])
        angles = 2 * np.pi * np.arange(COMPONENTS) / COMPONENTS
        ring = _RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        units = np.arange(HIDDEN_UNITS)
        first = np.zeros((LATENT_DIM, HIDDEN_UNITS))
        first[units % LATENT_DIM, units] = sign = rng.choice([-1.0, 1.0], HIDDEN_UNITS)
        slopes = rng.normal(0, _SLOPE, (HIDDEN_UNITS, genes)) * rng.exponential(size=genes)
        slopes += rng.normal(0, _SIZE, (HIDDEN_UNITS, 1))
        centred = cls(
            shares=rng.dirichlet(np.full(COMPONENTS, 8.0)),
            means=ring + rng.normal(0, 0.4, ring.shape),
            scales=rng.uniform(0.5, 0.9, ring.shape),
            first=first,
            first_bias=sign * rng.uniform(-4, 4, HIDDEN_UNITS),
            second=slopes / np.sqrt(HIDDEN_UNITS / LATENT_DIM),
            second_bias=np.zeros(genes),
            log_r=rng.normal(np.log(2), 0.5, genes),
        )
        return centred._with_depth(_DEPTH * genes / GENES, rng)

    def _with_depth(self, depth: float, rng: np.random.Generator) -> "KnownModel":
        """Draw the mean profile of the genes, with a mean count sum of `depth`."""
        log_mean = self.log_mean(self._draw_latent(_REFERENCE, rng)[1])
        profile = rng.normal(0, _PROFILE, len(self.log_r)) - log_mean.mean(axis=0)
        total = np.exp(log_mean + profile).sum(axis=1).mean()
        bias = profile + np.log(depth / total)
        return KnownModel(**{**vars(self), "second_bias": bias})

    def _draw_latent(
        self, cells: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], Floats]:
        component = rng.choice(len(self.shares), cells, p=self.shares)
        noise = rng.normal(size=(cells, LATENT_DIM))
        return component, self.means[component] + self.scales[component] * noise

    def logit(self, latent: Floats) -> Floats:
        """Logit of p of each gene at latents (n x 2), shape (n, G)."""
        hidden = np.maximum(latent @ self.first + self.first_bias, 0.0)
        return np.asarray(hidden @ self.second + self.second_bias)

    def log_mean(self, latent: Floats) -> Floats:
        """Logarithm of the mean count of each gene at latents (n x 2), shape (n, G)."""
        return self.logit(latent) + self.log_r

    def draw_cells(self, cells: int, seed: int = 1) -> Drawn:
        """Draw cells; another seed gives other cells of the same model."""
        rng = np.random.default_rng([seed, 1])
        component, latent = self._draw_latent(cells, rng)
        rate = rng.gamma(np.exp(self.log_r), np.exp(self.logit(latent)))
        return Drawn(sparse.csr_matrix(rng.poisson(rate)), latent, component)

    def log_joint_density(self, latent: Floats) -> Floats:
        """Log p(y, z) of latents (n x 2), shape (n, K)."""
        distance = (latent[:, None] - self.means) / self.scales
        normal = 0.5 * (distance**2).sum(axis=-1) + np.log(self.scales).sum(axis=-1)
        return np.asarray(np.log(self.shares) - normal - np.log(2 * np.pi))

    def known(self, counts: sparse.csr_matrix, *, nodes: int = _NODES) -> Known:
        """Compute log p(x), p(y | x) and E(z | x) of cells by quadrature over z.

        p(x | z) is the same for all components, so that one grid serves all. The error of log p(x)
        for cells of the model is below 1e-7 nats (``tests/data/test_simulated.py``).

        Parameters
        ----------
        counts
            Cells x genes, CSR.
        nodes
            Nodes of a panel along an axis.
        """
        dense = np.asarray(counts.toarray(), dtype=np.float64)
        points, weights = self._grid(nodes)
        prior = np.exp(self.log_joint_density(points)) * weights[:, None]
        # Integrals of p(x, y, z) over z for each y, and of p(x, z) z.
        integrands = np.hstack([prior, prior.sum(axis=1, keepdims=True) * points])
        peak = np.full(len(dense), -np.inf)
        totals = np.zeros((len(dense), integrands.shape[1]))
        for start in range(0, len(points), _BLOCK):
            block = slice(start, start + _BLOCK)
            log_likelihood = self._log_likelihood(dense, points[block])
            # Relative to the largest value so far, which would underflow by itself.
            higher = np.maximum(peak, log_likelihood.max(axis=1))
            totals *= np.exp(peak - higher)[:, None]
            totals += np.exp(log_likelihood - higher[:, None]) @ integrands[block]
            peak = higher
        joint, first_moment = np.split(totals, [len(self.shares)], axis=1)
        density = joint.sum(axis=1, keepdims=True)
        log_p = np.log(density[:, 0]) + peak + self._constant(dense)
        return Known(log_p, joint / density, first_moment / density)

    def _log_likelihood(self, counts: Floats, latent: Floats) -> Floats:
        """Log p(x | z) without `_constant`, cells x points: linear in the counts."""
        logit = self.logit(latent)
        log_rest = -np.logaddexp(0.0, logit)
        fixed = log_rest @ np.exp(self.log_r)
        return np.asarray(counts @ (logit + log_rest).T + fixed)

    def _constant(self, counts: Floats) -> Floats:
        """Terms of log p(x | z) that do not depend on z, shape (n,)."""
        r = np.exp(self.log_r)
        terms = gammaln(counts + r) - gammaln(r) - gammaln(counts + 1)
        return np.asarray(terms.sum(axis=1))

    def _grid(self, nodes: int) -> tuple[Floats, Floats]:
        """Points (P x 2) and weights (P) of the quadrature."""
        axes = [self._axis(axis, nodes) for axis in range(LATENT_DIM)]
        (x, y), (x_weight, y_weight) = zip(*axes, strict=True)
        points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, LATENT_DIM)
        density = self.log_joint_density(points).max(axis=1)
        kept = density > density.max() - _NEGLIGIBLE
        return points[kept], np.outer(x_weight, y_weight).ravel()[kept]

    def _axis(self, axis: int, nodes: int) -> tuple[Floats, Floats]:
        """Nodes and weights along an axis: Gauss-Legendre on panels between the kinks."""
        reach = _WIDTH * self.scales[:, axis]
        low, high = (self.means[:, axis] - reach).min(), (self.means[:, axis] + reach).max()
        units = np.flatnonzero(self.first[axis])
        kinks = -self.first_bias[units] / self.first[axis, units]
        inside = kinks[(low < kinks) & (kinks < high)]
        borders = np.concatenate([np.arange(low, high, _PANEL), inside, [high]])
        edges = np.unique(borders)
        middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        standard, weights = np.polynomial.legendre.leggauss(nodes)
        points = middle[:, None] + half[:, None] * standard
        return points.ravel(), np.outer(half, weights).ravel()


def read_simulated_mixture() -> tuple[anndata.AnnData, NDArray[np.str_]]:
    """Draw the cells of the data set `NAME`, with their truth and the names of their components."""
    model = KnownModel.draw()
    drawn = model.draw_cells(CELLS)
    known = model.known(drawn.counts)
    cells = [f"{SIMULATED}-mixture-{number:04d}" for number in range(1, CELLS + 1)]
    genes = [f"gene-{number:03d}" for number in range(1, GENES + 1)]
    adata = anndata.AnnData(
        drawn.counts,
        obs=pd.DataFrame({TRUTH_COLUMN: known.log_p}, index=cells),
        var=pd.DataFrame({"symbol": genes}, index=genes),
        obsm={"z": drawn.latent, "z_mean": known.latent_mean, "posterior": known.posterior},
    )
    return adata, component_names(drawn.component)


def component_names(component: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the names of components, whose order is that of the columns of ``posterior``."""
    return np.array([f"component {number + 1}" for number in component], dtype=np.str_)
