"""What a representation or a classifier is given, and what it gives back: the one signature.

A file of ``represent/methods/`` has

    fit(training: Labelled, size: int, options: Options) -> Callable[[Counts], Features]

whose result turns counts of any cells into features, and a file of ``classify/methods/`` has

    fit(training: Labelled, validation: Labelled, options: Options) -> Fitted

No test cell is there while something is learnt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.settings import FfnnSettings

Counts = sp.csr_matrix | sp.csr_array
# CSR (``counts`` and ``log``) or a dense array (``scores``): a method says which it takes.
Features: TypeAlias = Any
Codes = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
Transform = Callable[[Counts], Features]


@dataclass(frozen=True)
class Labelled:
    """Cells whose types are known.

    Attributes
    ----------
    features
        Cells x columns; for a representation the counts of all genes.
    codes
        Type of each cell, from 0; each type that there is has training cells.
    """

    features: Features
    codes: Codes

    @property
    def classes(self) -> int:
        """Number of types, of training cells."""
        return int(self.codes.max()) + 1


@dataclass(frozen=True)
class Options:
    """What the configuration says: the replicate's seed, and what single methods look at.

    Attributes
    ----------
    seed
        Of everything that is random.
    epochs
        Of generative models from other libraries.
    ffnn
        The study's classifier.
    """

    seed: int
    epochs: int = 100
    ffnn: FfnnSettings = field(default_factory=FfnnSettings)


@dataclass(frozen=True)
class Fitted:
    """A classifier that has learnt.

    Attributes
    ----------
    predict
        Gives the class probabilities (cells x classes) of features.
    chosen
        The hyperparameters that were best on validation cells.
    """

    predict: Callable[[Features], Probabilities]
    chosen: Mapping[str, Any] = field(default_factory=dict)
