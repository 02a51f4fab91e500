"""Distribution of the tests over processes (`pytest -n 2 --dist loadgroup`)."""

import gc

import pytest


def shares(item):
    """Tell whether a test uses a fixture of this folder that is made for more than one test."""
    fixtures = [one for found in item._fixtureinfo.name2fixturedefs.values() for one in found]
    # Those of pytest and its plugins belong to no folder.
    return any(one.scope != "function" and one.baseid for one in fixtures)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep tests of a file that share a fixture in one process, or each process makes it."""
    for item in items:
        if not item.get_closest_marker("xdist_group") and shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish():
    """Leave what is imported and collected out of every later collection of garbage."""
    gc.freeze()
