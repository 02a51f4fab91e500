"""Standardisation and principal components of sparse counts, which are never made dense.

With the counts X (n x G), the genes' means mu and scales s, the standardised matrix is
Z = (X - 1 mu') / s. Centring would fill it, so that only X / s is kept, and the rest is applied to
products: with A = X / s and m = mu / s, Z v = A v - 1 (m' v) and Z' u = A' u - m (1' u). The left
singular vectors u of Z are the eigenvectors of Z Z', found from that n x n matrix itself where n is
small and by Lanczos iteration above; the components are Z' u / |Z' u|.
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

from latentcell.errors import InputError
from latentcell.settings import PcaSettings
from latentcell.tensors import read_tensors, unfit, write_arrays

Sparse = sp.csr_matrix | sp.csr_array
Doubles = NDArray[np.float64]

_FORMAT = "latentcell-pca-1"
# Cells up to which all of Z Z' is decomposed; beyond, Lanczos iteration is the faster way.
GRAM_LIMIT = 2000
# Relative precision of the eigenvalues that Lanczos iteration stops at.
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Pca:
    """A scaler and the principal components behind it.

    Attributes
    ----------
    components
        k x G float32, orthonormal rows; in each, the entry of largest magnitude is positive.
    mean, scale
        Float64 (G,): a count x of gene g becomes (x - mean) / scale; a gene that does not vary, or
        any gene where nothing is standardised, has scale 1.
    explained_variance_ratio
        Float64 (k,): share of the variance of the fitted cells.
    settings
        How it was fitted.
    """

    components: NDArray[np.float32]
    mean: Doubles
    scale: Doubles
    explained_variance_ratio: Doubles
    settings: PcaSettings

    def transform(self, counts: Sparse) -> NDArray[np.float32]:
        """Scores of cells, float32 (n x k).

        Raises
        ------
        InputError
            If the genes are not as many as those fitted.
        """
        if counts.shape[1] != len(self.mean):
            raise InputError(
                f"PCA: expected the {len(self.mean)} genes that it was fitted on, "
                f"found {counts.shape[1]}"
            )
        directions = self.components.T.astype(np.float64)
        scores = _divide_columns(counts, self.scale) @ directions
        scores -= (self.mean / self.scale) @ directions
        return np.asarray(scores, np.float32)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, the settings in its metadata, atomically."""
        about = {"format": _FORMAT, "settings": self.settings.model_dump(mode="json")}
        tensors: dict[str, NDArray[Any]] = {
            "components": self.components,
            "mean": self.mean,
            "scale": self.scale,
            "explained_variance_ratio": self.explained_variance_ratio,
        }
        write_arrays(path, tensors, about)


def load_pca(path: str | Path) -> Pca:
    """Read what `Pca.save` wrote.

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
    settings: PcaSettings,
    *,
    solver: Literal["auto", "gram", "lanczos"] = "auto",
) -> Pca:
    """Learn means, scales and the largest of the configured numbers of components.

    Means and scales are those of scikit-learn's ``StandardScaler`` (population standard
    deviation), components and explained variance those of its ``PCA``.

    Parameters
    ----------
    counts
        Cells x genes, CSR.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    settings
        Which cells to learn from, how many components, and the seed of the iteration.
    solver
        ``gram`` decomposes Z Z', ``lanczos`` iterates until the eigenvalues stand to eight digits,
        ``auto`` goes by the number of cells.

    Raises
    ------
    InputError
        If there are more components than the cells or genes allow, or a value is not finite.
    """
    if settings.fit_on == "training":
        counts = counts[np.flatnonzero(np.asarray(split) == "training")]
    cells, genes = counts.shape
    k = max(settings.components)
    if k > min(cells - 1, genes):
        raise InputError(
            f"pca.components: {k} components need at least {k + 1} cells and {k} genes, "
            f"found {cells} cells ({settings.fit_on}) and {genes} genes"
        )
    if not np.isfinite(counts.data).all():
        raise InputError("PCA: expected finite counts, found NaN or infinity")
    mean, variance = _moments(counts)
    scale = np.sqrt(variance) if settings.standardise else np.ones(genes)
    scale[variance == 0] = 1.0

    scaled = _divide_columns(counts, scale)
    offset = mean / scale
    if solver == "gram" or (solver == "auto" and cells <= GRAM_LIMIT):
        vectors = _leading_vectors(scaled, offset, k)
    else:
        vectors = _lanczos_vectors(scaled, offset, k, settings.seed)
    projections = scaled.T @ vectors - np.outer(offset, vectors.sum(0))
    total = float(cells * (variance / scale**2).sum())
    components, ratio = _components(projections, total)
    return Pca(components, mean, scale, ratio, settings)


def variance_table(pca: Pca) -> pd.DataFrame:
    """Cumulative explained variance in percent: columns k and explained_variance_percent."""
    ratio = pca.explained_variance_ratio
    return pd.DataFrame(
        {"k": np.arange(1, len(ratio) + 1), "explained_variance_percent": 100 * ratio.cumsum()}
    )


def _moments(counts: Sparse) -> tuple[Doubles, Doubles]:
    """Mean and population variance of each column, float64; the variance of a constant is 0."""
    cells, genes = counts.shape
    values = counts.data.astype(np.float64)
    mean = np.bincount(counts.indices, values, minlength=genes) / cells
    # Squared deviations of what is stored, and of the zeros that are not: no cancellation.
    deviations = (values - mean[counts.indices]) ** 2
    stored = np.bincount(counts.indices, minlength=genes)
    squares = np.bincount(counts.indices, deviations, minlength=genes)
    variance = (squares + (cells - stored) * mean**2) / cells
    # Rounding of the mean leaves a trace of variance in a constant gene.
    constant = variance <= (cells * np.finfo(np.float64).eps * mean) ** 2
    return mean, np.where(constant, 0.0, variance)


def _divide_columns(counts: Sparse, scale: Doubles) -> sp.csr_matrix:
    values = counts.data / scale[counts.indices]
    return sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _leading_vectors(scaled: sp.csr_matrix, offset: Doubles, k: int) -> Doubles:
    """Eigenvectors of Z Z' to its k largest eigenvalues, largest first (n x k)."""
    gram = (scaled @ scaled.T).toarray()
    product = scaled @ offset
    gram -= product[:, None]
    gram -= product
    gram += offset @ offset
    last = len(gram) - 1
    _, vectors = scipy.linalg.eigh(gram, subset_by_index=(last - k + 1, last))
    return np.asarray(vectors[:, ::-1], np.float64)


def _lanczos_vectors(scaled: sp.csr_matrix, offset: Doubles, k: int, seed: int) -> Doubles:
    """The same by implicitly restarted Lanczos iteration, from a seeded start."""
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
    """Normalise Z' u (G x k) into components with a fixed sign; those beyond the rank become 0.

    `total` is the sum of squares of Z, of which the explained variances are shares.
    """
    lengths = np.sqrt((projections**2).sum(0))
    # Squared lengths are eigenvalues of Z Z', whose rounding is relative to the largest of them.
    present = lengths**2 > np.finfo(np.float64).eps * max(projections.shape) * lengths.max() ** 2
    directions = np.where(present, projections / np.where(present, lengths, 1.0), 0.0).T
    largest = np.abs(directions).argmax(1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1.0, 1.0)
    ratio = np.where(present, lengths**2 / (total or 1.0), 0.0)
    return (directions * signs[:, None]).astype(np.float32), ratio
