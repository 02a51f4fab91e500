"""A fixture for tests that annotate the same cells again and again."""

import pytest

_maps = {}


@pytest.fixture
def maps_once(monkeypatch):
    """Compute the map on the page of an annotation once for the same numbers and settings."""
    from latentcell.report import annotation

    compute = annotation.tsne

    def tsne(features, settings):
        key = features.tobytes(), features.shape, features.dtype, settings
        if key not in _maps:
            _maps[key] = compute(features, settings)
        return _maps[key]

    monkeypatch.setattr(annotation, "tsne", tsne)
