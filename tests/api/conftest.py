import pytest
from tiny_cells import make_cells


@pytest.fixture
def cells():
    return make_cells()
