"""Types that the measures count, and groups of types."""

import pytest

from latentcell.config.settings import parse_settings
from latentcell.data.sources import POPULATIONS
from latentcell.runtime.errors import InputError

MINE = {"name": "mine", "path": "mine.h5ad"}


def groups_of(dataset):
    settings = parse_settings({"datasets": [dataset]})
    return settings.type_groups()[settings.dataset_names()[0]]


def test_by_default_types_of_ten_cells_count():
    assert parse_settings({}).measures.min_cells == 10
    assert parse_settings({"measures": {"min_cells": 1}}).measures.min_cells == 1


def test_the_pbmc_data_sets_have_t_cells():
    t_cells = groups_of("pbmc68k")["T cells"]
    assert len(t_cells) == 6
    for name in ("pbmc68k-study", "pbmc68k-sample", "zheng-sorted"):
        assert groups_of(name) == {"T cells": t_cells}
    others = {"CD34+", "CD19+ B", "CD14+ Monocyte", "CD56+ NK"}
    assert set(POPULATIONS.values()) == set(t_cells) | others
    assert groups_of("sc-mixology-celseq2") == groups_of(MINE) == {}


def test_groups_may_be_set_and_switched_off():
    assert groups_of(MINE | {"coarse_types": {"T": ["a", "b"]}}) == {"T": ["a", "b"]}
    assert groups_of({"name": "pbmc68k", "coarse_types": {}}) == {}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"measures": {"min_cells": 0}}, r"measures\.min_cells: .*greater than or equal to 1"),
        ({"measures": {"cells": 1}}, r"measures\.cells is not a known key"),
        ({"datasets": [MINE | {"coarse_types": {"T": ["a"]}}]}, r"coarse_types\.T: .*at least 2"),
        (
            {"datasets": [MINE | {"coarse_types": {"T": ["a", "b"], "B": ["b", "c"]}}]},
            "coarse_types names 'b' twice",
        ),
    ],
)
def test_what_cannot_be_is_refused(config, said):
    with pytest.raises(InputError, match=said):
        parse_settings(config)
