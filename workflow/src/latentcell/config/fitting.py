"""The interface of methods: arguments and results of representations and classifiers.

A file of ``represent/methods/`` has

    fit(training: Labelled, size: int, options: Options) -> Transform

and the transform computes features of any cells from their counts. A file of ``classify/methods/``
has

    fit(training: Labelled, validation: Labelled, options: Options) -> Fitted

Methods see no test cells during training. A representation that combines results of other pairs has

    combine(probabilities: Sequence[Probabilities]) -> Features

in place of `fit`; each item has the probabilities of all cells (cells x types) by one pair.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.config.settings import FfnnSettings, PcaSettings, Section

Counts = sp.csr_matrix | sp.csr_array
# CSR (``counts`` and ``log``) or a dense array (``scores`` and ``types``).
Features: TypeAlias = Any
Codes = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
Transform = Callable[[Counts], Features]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Labelled:
    """Cells with known types.

    Attributes
    ----------
    features
        Cells x columns; for a representation, the counts of all genes.
    codes
        Type of each cell, from 0; -1 for cells without a type, which representations with
        ``UNLABELLED = True`` alone see.
    types
        Name of each type, in the order of the codes; empty if names are not needed.
    """

    features: Features
    codes: Codes
    types: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Return the number of types."""
        return len(self.types) or int(self.codes.max()) + 1


@dataclass(frozen=True)
class Options:
    """Settings of methods.

    Attributes
    ----------
    seed
        Seed of all random numbers in this replicate.
    replicate
        Number of earlier replicates; added to the seeds of sections with their own seed.
    epochs
        Epochs of generative models from other libraries; in the workflow 0 for methods without
        ``EPOCHS = True``.
    ffnn
        Section ``ffnn`` of the configuration.
    pca
        Section ``pca`` of the configuration.
    reference
        Cells of the data set that a representation names as its ``REFERENCE``: counts of the same
        genes as the training cells.
    members
        Model of an ensemble, or expert of a consensus, that each column comes from; None for other
        features.
    """

    seed: int
    replicate: int = 0
    epochs: int = 100
    ffnn: FfnnSettings = field(default_factory=FfnnSettings)
    pca: PcaSettings = field(default_factory=PcaSettings)
    reference: Labelled | None = field(default=None, repr=False)
    members: NDArray[np.integer[Any]] | None = field(default=None, repr=False)

    def with_sections(self, sections: Mapping[str, Any]) -> "Options":
        """Return options with sections of the configuration, given as plain values by name."""
        kinds: dict[str, type[Section]] = {"ffnn": FfnnSettings, "pca": PcaSettings}
        parsed: dict[str, Any] = {
            name: kinds[name].model_validate(values) for name, values in sections.items()
        }
        return replace(self, **parsed)


@dataclass(frozen=True)
class Learnt:
    """A transform with learnt arrays, for ``model.safetensors``.

    Attributes
    ----------
    transform
        Computes features from counts.
    arrays
        Learnt arrays by name.
    about
        Description that is stored beside the arrays.
    """

    transform: Transform
    arrays: Arrays
    about: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, counts: Counts) -> Features:
        """Compute features from counts."""
        return self.transform(counts)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier.

    Attributes
    ----------
    predict
        Computes class probabilities (cells x classes) from features.
    chosen
        Hyperparameters chosen on validation cells.
    history
        Rows of the learning curve; empty for classifiers without epochs.
    arrays
        Learnt arrays by name, for ``model.safetensors``; empty for classifiers that do not consist
        of arrays.
    about
        Description that is stored beside the arrays.
    """

    predict: Callable[[Features], Probabilities]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    arrays: Arrays = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
