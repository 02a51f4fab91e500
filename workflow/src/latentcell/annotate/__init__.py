"""Annotate cells: train on a labelled reference and apply the result to unlabelled cells.

>>> from latentcell.annotate import annotate, train
>>> annotator = train("reference.h5ad", bundle="model")
>>> cells, annotation = annotate(annotator, "query.h5ad")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentcell.annotate.annotator import Annotator, learn
    from latentcell.annotate.apply import Annotation, annotate_cells
    from latentcell.annotate.bundle import load_bundle, save_bundle
    from latentcell.annotate.files import annotate, train, write_annotation

_PLACES = {
    "Annotation": "apply",
    "Annotator": "annotator",
    "annotate": "files",
    "annotate_cells": "apply",
    "learn": "annotator",
    "load_bundle": "bundle",
    "save_bundle": "bundle",
    "train": "files",
    "write_annotation": "files",
}
__all__ = [
    "Annotation",
    "Annotator",
    "annotate",
    "annotate_cells",
    "learn",
    "load_bundle",
    "save_bundle",
    "train",
    "write_annotation",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use: all modules together take seconds."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
