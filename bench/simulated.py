"""Simulate counts of the study's shape and sparsity without data.

Each cell type has a profile over genes, from which the UMIs of its cells are drawn. Some genes are
silent, the means of the others are log-normal. Cells have about 1,400 UMIs on 1.7 % of 32,738
genes; 13,500 genes are expressed in 1,300 cells and 20,300 in 68,579 cells.
"""

import numpy as np
import scipy.sparse as sp

GENES, TYPES = 32_738, 11
UMI = 1_400.0
# Chosen for the sparsity and the number of expressed genes of the deposited cells.
SILENT, SPREAD, TYPE_SPREAD, SIZE_SPREAD = 0.35, 2.8, 0.6, 0.35
CHUNK = 8_192


def simulate(
    cells: int, genes: int = GENES, types: int = TYPES, umi: float = UMI, seed: int = 0
) -> tuple[sp.csr_matrix, np.ndarray]:
    """Simulate counts (cells x genes, int32) and types of cells (int64), reproducibly."""
    # Separate random streams, so that larger sets have the same profiles.
    generator, of_genes = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 0])
    base = of_genes.normal(0.0, SPREAD, genes)
    base[of_genes.random(genes) < SILENT] = -np.inf
    profiles = np.exp(base + of_genes.normal(0.0, TYPE_SPREAD, (types, genes)))
    profiles /= profiles.sum(1, keepdims=True)
    kinds = generator.choice(types, size=cells, p=of_genes.dirichlet(np.full(types, 2.0)))
    # Each type has at least one cell.
    kinds[:types] = np.arange(types)[:cells]
    size = umi * np.exp(generator.normal(-(SIZE_SPREAD**2) / 2, SIZE_SPREAD, cells))
    parts, order = [], []
    for kind in range(types):
        members = np.flatnonzero(kinds == kind)
        for chunk in np.split(members, range(CHUNK, len(members), CHUNK)):
            parts.append(_draw(profiles[kind], size[chunk], generator))
            order.append(chunk)
    place = np.argsort(np.concatenate(order))
    return sp.csr_matrix(sp.vstack(parts, format="csr")[place]), kinds


def _draw(profile: np.ndarray, size: np.ndarray, generator: np.random.Generator) -> sp.csr_matrix:
    """Draw cells of one type: first the totals of genes, then the cells of the draws."""
    draws = np.maximum(1, np.rint(size)).astype(np.int64)
    totals = generator.multinomial(draws.sum(), profile)
    gene = np.repeat(np.arange(len(profile), dtype=np.int32), totals)
    # Cells are drawn in proportion to their size.
    urn = np.repeat(np.arange(len(size), dtype=np.int32), draws)
    cell = urn[generator.integers(len(urn), size=len(gene), dtype=np.uint32)]
    ones = np.ones(len(gene), dtype=np.int32)
    counts = sp.coo_matrix((ones, (cell, gene)), shape=(len(size), len(profile))).tocsr()
    counts.sum_duplicates()
    return counts
