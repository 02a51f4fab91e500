"""Standardisation and principal components of sparse counts without a dense matrix.

With the counts X (n x G), the genes' means mu and scales s, the standardised matrix is
Z = (X - 1 mu') / s. Centring would make it dense, so that only X / s is stored and the rest is
applied to products: with A = X / s and m = mu / s, Z v = A v - 1 (m' v) and
Z' u = A' u - m (1' u). The left singular vectors u of Z are the eigenvectors of Z Z', computed from
this n x n matrix if n is small and by Lanczos iteration otherwise; components are Z' u / |Z' u|.
With far more cells than genes, iteration gives the eigenvectors of Z' Z, the components themselves:
its vectors are short, and a product with Z' Z reads the counts once and stores nothing for a cell.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from latentcell.config.settings import PcaSettings
from latentcell.represent.moments import moments
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import pieces
from latentcell.runtime.tensors import read_tensors, unfit, write_arrays

Sparse = sp.csr_matrix | sp.csr_array
Doubles = NDArray[np.float64]

_FORMAT = "latentcell-pca-1"
# Number of cells up to which Z Z' is decomposed; Lanczos iteration is faster for more cells.
GRAM_LIMIT = 2000
# Number of cells from which Lanczos iteration is over genes.
GENES_LIMIT = 100_000
# Relative precision of the eigenvalues at which Lanczos iteration stops.
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Pca:
    """Standardisation and principal components.

    Attributes
    ----------
    components
        k x G float32, orthonormal rows; in each, the entry of largest magnitude is positive.
    mean, scale
        Float64 (G,): a count x of gene g becomes (x - mean) / scale. The scale is 1 for a constant
        gene, and for all genes without standardisation.
    explained_variance_ratio
        Float64 (k,): shares of the variance of the fitted cells.
    settings
        Settings of the fit.
    """

    components: NDArray[np.float32]
    mean: Doubles
    scale: Doubles
    explained_variance_ratio: Doubles
    settings: PcaSettings

    def transform(self, counts: Sparse) -> NDArray[np.float32]:
        """Compute scores of cells, float32 (n x k); counts may lie in an AnnData file.

        Raises
        ------
        InputError
            If the number of genes differs from the fit.
        """
        if counts.shape[1] != len(self.mean):
            raise InputError(
                f"PCA: expected the {len(self.mean)} genes that it was fitted on, "
                f"found {counts.shape[1]}"
            )
        directions = self.components.T.astype(np.float64)
        centre = (self.mean / self.scale) @ directions
        scores = np.empty((counts.shape[0], directions.shape[1]), np.float32)
        place = 0
        for piece in pieces(counts):
            scores[place : place + piece.shape[0]] = (
                _divide_columns(piece, self.scale) @ directions - centre
            )
            place += piece.shape[0]
        return scores

    def about(self) -> dict[str, Any]:
        """Describe the fit: format and settings."""
        return {"format": _FORMAT, "settings": self.settings.model_dump(mode="json")}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return components, means, scales and explained variances by name."""
        return {
            "components": self.components,
            "mean": self.mean,
            "scale": self.scale,
            "explained_variance_ratio": self.explained_variance_ratio,
        }

    def save(self, path: str | Path) -> None:
        """Write a safetensors file with the settings in its metadata, atomically."""
        write_arrays(path, self.arrays(), self.about())


def load_pca(path: str | Path) -> Pca:
    """Read a PCA written by `Pca.save`.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    what = "a PCA"
    tensors, about = read_tensors(path, what, _FORMAT)
    try:
        names = ("components", "mean", "scale", "explained_variance_ratio")
        components, mean, scale, ratio = (tensors[name] for name in names)
        return Pca(components, mean, scale, ratio, PcaSettings.model_validate(about["settings"]))
    except (KeyError, ValueError) as error:
        raise unfit(path, what, error) from None


def fit_pca(
    counts: Sparse,
    split: ArrayLike,
    components: int,
    settings: PcaSettings,
    *,
    solver: Literal["auto", "gram", "lanczos", "genes"] = "auto",
) -> Pca:
    """Fit means, scales and principal components.

    Means and scales are those of scikit-learn's ``StandardScaler`` (population standard
    deviation), components and explained variance those of its ``PCA``.

    Parameters
    ----------
    counts
        Cells x genes, CSR.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    components
        Number of components.
    settings
        Cells to fit on, standardisation, and seed of the iterative solver.
    solver
        ``gram`` decomposes Z Z', ``lanczos`` iterates until the eigenvalues are precise to eight
        digits, ``genes`` does so with Z' Z, ``auto`` chooses by the number of cells.

    Raises
    ------
    InputError
        If there are too few cells or genes for the components, or a value is not finite.
    """
    if settings.fit_on == "training":
        rows = np.flatnonzero(np.asarray(split) == "training")
        counts = counts if len(rows) == counts.shape[0] else counts[rows]
    cells, genes = counts.shape
    k = components
    if k > min(cells - 1, genes):
        raise InputError(
            f"pca-k{k}: {k} components need at least {k + 1} cells and {k} genes, "
            f"found {cells} cells ({settings.fit_on}) and {genes} genes"
        )
    if not np.isfinite(counts.data).all():
        raise InputError("PCA: expected finite counts, found NaN or infinity")
    mean, variance = moments(counts)
    scale = np.sqrt(variance) if settings.standardise else np.ones(genes)
    scale[variance == 0] = 1.0

    # Lanczos iteration over genes gives fewer components than genes.
    if k < genes and (solver == "genes" or (solver == "auto" and cells >= GENES_LIMIT)):
        projections = _lanczos_over_genes(counts, mean, scale, k, settings.seed)
    else:
        small = solver == "gram" or (solver == "auto" and cells <= GRAM_LIMIT)
        projections = _projections(counts, mean, scale, k, None if small else settings.seed)
    total = float(cells * (variance / scale**2).sum())
    directions, ratio = _components(projections, total)
    return Pca(directions, mean, scale, ratio, settings)


def held_out_variance(
    counts: Sparse, components: NDArray[np.floating[Any]], mean: Doubles, scale: Doubles
) -> Doubles:
    """Share of the variance of other cells that each component explains, float64 (k,).

    The variance is the sum of squares of the cells' standardised counts, about the mean of the
    fitted cells. All shares are 0 without such variance.

    Parameters
    ----------
    counts
        Cells x genes that the components were not fitted on, CSR.
    components, mean, scale
        Arrays of a `Pca`.
    """
    scaled = _divide_columns(counts, scale)
    offset = mean / scale
    directions = components.T.astype(np.float64)
    scores = scaled @ directions - offset @ directions
    cross = float((scaled @ offset).sum())
    total = float((scaled.data**2).sum()) - 2 * cross + counts.shape[0] * float(offset @ offset)
    return np.asarray((scores**2).sum(0) / total) if total > 0 else np.zeros(scores.shape[1])


def variance_table(ratio: ArrayLike) -> pd.DataFrame:
    """Tabulate the cumulative explained variance: columns k and explained_variance_percent.

    Parameters
    ----------
    ratio
        Share of the variance that each component explains.
    """
    shares = np.asarray(ratio, np.float64)
    percent = 100 * shares.cumsum()
    return pd.DataFrame({"k": np.arange(1, len(shares) + 1), "explained_variance_percent": percent})


def _divide_columns(counts: Sparse, scale: Doubles) -> sp.csr_matrix:
    values = counts.data / scale[counts.indices]
    return sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _projections(
    counts: Sparse, mean: Doubles, scale: Doubles, k: int, seed: int | None
) -> Doubles:
    """Compute Z' u of the k leading eigenvectors u of Z Z' (G x k); iterates if there is a seed."""
    scaled, offset = _divide_columns(counts, scale), mean / scale
    if seed is None:
        vectors = _leading_vectors(scaled, offset, k)
    else:
        vectors = _lanczos_vectors(scaled, offset, k, seed)
    return np.asarray(scaled.T @ vectors - np.outer(offset, vectors.sum(0)))


def _lanczos_over_genes(
    counts: Sparse, mean: Doubles, scale: Doubles, k: int, seed: int
) -> Doubles:
    """Compute the same from the eigenvectors of Z' Z."""
    from latentcell.represent.products import normal_product

    genes, offset = counts.shape[1], mean / scale

    def multiply(vector: Doubles) -> Doubles:
        vector = vector.ravel()
        out = np.zeros(genes)
        parts = (counts.indptr, counts.indices, counts.data)
        total = normal_product(*parts, vector / scale, float(offset @ vector), out)
        return out / scale - offset * total

    operator = LinearOperator((genes, genes), matvec=multiply, dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(genes)
    values, vectors = eigsh(operator, k, v0=start, ncv=min(genes, 2 * k + 20), tol=_TOLERANCE)
    order = np.argsort(-values)
    return np.asarray(vectors[:, order] * np.sqrt(np.maximum(values[order], 0)), np.float64)


def _leading_vectors(scaled: sp.csr_matrix, offset: Doubles, k: int) -> Doubles:
    """Compute eigenvectors of the k largest eigenvalues of Z Z', largest first (n x k)."""
    gram = (scaled @ scaled.T).toarray()
    product = scaled @ offset
    gram -= product[:, None]
    gram -= product
    gram += offset @ offset
    last = len(gram) - 1
    _, vectors = scipy.linalg.eigh(gram, subset_by_index=(last - k + 1, last))
    return np.asarray(vectors[:, ::-1], np.float64)


def _lanczos_vectors(scaled: sp.csr_matrix, offset: Doubles, k: int, seed: int) -> Doubles:
    """Compute them by implicitly restarted Lanczos iteration, from a seeded start."""
    cells = scaled.shape[0]
    transposed = scaled.T.tocsr()

    def multiply(vector: Doubles) -> Doubles:
        vector = vector.ravel()
        inner = transposed @ vector - offset * vector.sum()
        return np.asarray(scaled @ inner - offset @ inner)

    operator = LinearOperator((cells, cells), matvec=multiply, dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(cells)
    values, vectors = eigsh(operator, k, v0=start, ncv=min(cells, 2 * k + 20), tol=_TOLERANCE)
    return np.asarray(vectors[:, np.argsort(-values)], np.float64)


def _components(projections: Doubles, total: float) -> tuple[NDArray[np.float32], Doubles]:
    """Normalise Z' u (G x k) to components with a fixed sign; those beyond the rank are 0.

    `total` is the sum of squares of Z, the denominator of the explained variances.
    """
    lengths = np.sqrt((projections**2).sum(0))
    # Squared lengths are eigenvalues of Z Z', with rounding errors relative to the largest one.
    present = lengths**2 > np.finfo(np.float64).eps * max(projections.shape) * lengths.max() ** 2
    directions = np.where(present, projections / np.where(present, lengths, 1.0), 0.0).T
    largest = np.abs(directions).argmax(1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1.0, 1.0)
    ratio = np.where(present, lengths**2 / (total or 1.0), 0.0)
    return (directions * signs[:, None]).astype(np.float32), ratio
