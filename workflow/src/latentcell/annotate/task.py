"""What is computed of the cells of a query and of the reference to annotate the query."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.alignment import widened
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.calibration import Doubles, unassigned_threshold
from latentcell.annotate.classifier import codes_of
from latentcell.annotate.density import row_sums
from latentcell.annotate.evidence import Calibration
from latentcell.annotate.kept import thin
from latentcell.annotate.novelty import (
    Seen,
    fit_components,
    flag_cells,
    flag_groups,
    has_groups,
    relative_distances,
)
from latentcell.annotate.reasons import Evidence
from latentcell.data.checks import tidy
from latentcell.data.naming import GeneMatch
from latentcell.runtime.job import limit_threads, return_memory
from latentcell.runtime.pieces import gathered, in_file, read_rows

Result = TypeVar("Result")

# Cells that are annotated together: a few hundred megabytes of expected counts.
_TOGETHER = 500
# Cells of a query to which components of query and reference are fitted.
_FITTED = 5000
# Smallest probability, so that probabilities can be divided by their sum.
_SMALLEST = 1e-300


@dataclass(frozen=True)
class Task:
    """A query with the annotator and the calibration that type it.

    Attributes
    ----------
    annotator
        Trained annotator.
    match
        Genes that query and reference have in common.
    counts
        Counts of the query.
    types
        Types to which the cells are restricted.
    calibration
        Calibration for these genes.
    threads
        Number of pieces of cells that are processed at a time.
    """

    annotator: Annotator
    match: GeneMatch
    counts: Any
    types: tuple[str, ...]
    calibration: Calibration
    threads: int

    def see_query(self) -> tuple[Seen, Doubles]:
        """Compute all that is needed of the cells of the query, and their counts in all its genes.

        Both come from one walk over the counts, which may be in a file.
        """
        see, arrange = _piece_function(self.annotator, self.match.present), self.match.arrange

        def work(piece: sp.csr_matrix) -> tuple[Seen, Doubles]:
            return see(arrange(piece)), row_sums(piece)

        seen, totals = zip(*_in_pieces(work, self.counts, self.threads), strict=True)
        return Seen.together(seen), np.concatenate(totals)

    def see(self, counts: sp.csr_matrix) -> Seen:
        """Compute all that is needed of cells of the reference."""
        work = _piece_function(self.annotator, self.match.present)
        return Seen.together(_in_pieces(work, counts, self.threads))

    def see_thinned(self, query: Seen, enough: NDArray[np.int64]) -> Seen:
        """Compute what is needed of held-out cells at the depth of the query."""
        depth = np.median(query.counts[enough]) if len(enough) else np.inf
        held_out = self.annotator.held_out.within(self.match.present)
        rng = np.random.default_rng([self.annotator.settings.seed, 16])
        return self.see(thin(held_out, depth, rng))

    def evidence(self, query: Seen, totals: Doubles) -> Evidence:
        """Return the counts of the cells, and those that a type needs."""
        needs = self.annotator.reference["evidence"]
        return Evidence(
            query.counts,
            totals,
            self.calibration.counts_for(needs["accuracy_needed"]),
            np.inf if needs["counts_needed"] is None else needs["counts_needed"],
        )

    def probabilities(self, seen: Seen, temperature: float = 1.0) -> Doubles:
        """Compute calibrated and widened probabilities of the types (n x types)."""
        classifier = self.annotator.classifier
        found = self.calibration.probabilities(classifier.logits(seen.features), seen.counts)
        kept = [classifier.types.index(name) for name in self.types]
        return _restrict(widened(found, temperature), kept)

    def threshold(self, held_out: Seen, temperature: float) -> float:
        """Return the probability below which no type is assigned.

        Of held-out cells with widened probabilities, too, so many may be unassigned.
        """
        usual = self.annotator.classifier.threshold
        if temperature <= 1:
            return usual
        codes = codes_of(self.annotator.held_out.types, self.types)
        share = self.annotator.settings.unassigned_share
        wide = self.probabilities(held_out, temperature)
        return min(usual, unassigned_threshold(wide, codes, share))

    def novel(
        self, query: Seen, enough: NDArray[np.int64], held_out: Seen
    ) -> tuple[NDArray[np.bool_], float | None]:
        """Flag novel cells among those with enough counts, and return the limit of single cells.

        Without a density there are none, and no limit.
        """
        novel = np.zeros(len(query.counts), bool)
        if self.annotator.density is None:
            return novel, None
        mine = query.of(enough)
        novel[enough], limit = flag_cells(mine, held_out, self.annotator.density.limit)
        if has_groups(mine, held_out):
            novel[enough] |= self._novel_groups(mine, enough, held_out)
        return novel, limit

    def _novel_groups(
        self, mine: Seen, enough: NDArray[np.int64], held_out: Seen
    ) -> NDArray[np.bool_]:
        """Flag cells in groups that the reference lacks."""
        first, theirs = (self.probabilities(seen).argmax(1) for seen in (mine, held_out))
        far = relative_distances(mine, first, held_out, theirs)
        reference, kept = self.annotator.kept(self.match.present)
        placed, kept_placed = self._shared_components(enough, reference)
        codes = codes_of(kept, self.types)
        return flag_groups(placed, first, far, kept_placed, codes, self.annotator.settings.seed)

    def _shared_components(
        self, rows: NDArray[np.int64], reference: sp.csr_matrix
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Place some cells of the query and the reference in components of both."""
        seed, arrange = self.annotator.settings.seed, self.match.arrange
        some = np.random.default_rng([seed, 18]).permutation(len(rows))[:_FITTED]
        few = _tidy(self.counts, gathered(self.counts, rows[np.sort(some)]))
        fitted = fit_components(arrange(few), reference, seed)
        placed = _in_pieces(
            lambda piece: fitted.transform(arrange(piece)), self.counts, self.threads, rows
        )
        return np.concatenate(placed), fitted.transform(reference)


def _restrict(probabilities: Doubles, columns: Sequence[int]) -> Doubles:
    """Return the probabilities given that the type is one of these columns."""
    if len(columns) == probabilities.shape[1]:
        return probabilities
    left = np.maximum(probabilities[:, list(columns)], _SMALLEST)
    return np.asarray(left / left.sum(1, keepdims=True))


def _piece_function(
    annotator: Annotator, present: NDArray[np.bool_]
) -> Callable[[sp.csr_matrix], Seen]:
    """Return the function that computes all that is needed of cells with the reference's genes."""

    def work(piece: sp.csr_matrix) -> Seen:
        features = annotator.classifier.features(piece, present)
        genes = np.diff(piece.indptr).astype(np.float64)
        seen = Seen(row_sums(piece), genes, features, annotator.classifier.scores(features))
        if annotator.density is None:
            return seen
        unexplained, latent = annotator.density.explain(piece, present)
        return replace(seen, unexplained=unexplained, latent=latent)

    return work


def _in_pieces(
    work: Callable[[sp.csr_matrix], Result],
    counts: Any,
    threads: int,
    rows: NDArray[np.int64] | None = None,
) -> list[Result]:
    """Apply a function to pieces, one thread each, so that results do not depend on `threads`.

    Of counts in a file a piece is read when it is needed. `rows`, ascending, are the cells; None:
    all.
    """
    from threadpoolctl import threadpool_limits

    rows = np.arange(counts.shape[0]) if rows is None else rows
    parts = [rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER)]
    limit_threads(1)
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(lambda part: work(_tidy(counts, read_rows(counts, part))), parts))
    return_memory()
    return found


def _tidy(counts: Any, some: sp.csr_matrix) -> sp.csr_matrix:
    """Tidy cells that were read from a file; counts in memory are as they were given."""
    return tidy(some) if in_file(counts) else some
