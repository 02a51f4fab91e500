"""Points of the grid: what is trained where, and on what the main run goes on."""

from dataclasses import fields

import pytest

from latentcell.config.names import is_model
from latentcell.config.settings import parse_settings
from latentcell.grid.points import Point, classifier_points, columns, model_points
from latentcell.grid.variants import variants

SMALL, LARGE = "gmvae-z2-h4", "gmvae-z2-h8"
CONFIG = {
    "run": "x",
    "datasets": ["pbmc68k-sample", {"name": "mine", "path": "mine.h5ad"}],
    "subset": {"sizes": [150, "all"]},
    "replicates": 3,
    "grid": {
        "representations": ["raw", "log", "pca-k5"],
        "models": [{"latent_dim": 2, "hidden_units": [4, 8]}],
        "classifiers": ["ffnn", "naive-bayes", "knn"],
        "replicates": {"pca-k5": 1, LARGE: 2},
    },
}
CHOSEN = {"pbmc68k-sample": [SMALL], "mine": [LARGE]}


def main(**changes):
    return next(iter(variants(parse_settings(CONFIG | changes)).values()))


def names(points, **wanted):
    return [
        (one.representation, one.replicate, one.classifier)
        for one in points
        if all(getattr(one, key) == value for key, value in wanted.items())
    ]


def test_the_whole_grid_of_models_is_trained_on_the_first_subset_alone():
    points = list(model_points(main()))
    assert {one.subset for one in points} == {"n150"}
    trained = [(SMALL, f"r{n}", "") for n in (1, 2, 3)] + [(LARGE, f"r{n}", "") for n in (1, 2)]
    for dataset in CHOSEN:
        assert names(points, dataset=dataset) == trained
    assert len(points) == 2 * len(trained)


def test_chosen_models_go_on_to_the_other_subsets():
    points = list(model_points(main(), CHOSEN))
    assert len(names(points, subset="n150")) == 10
    sample = names(points, subset="all", dataset="pbmc68k-sample")
    assert sample == [(SMALL, f"r{n}", "") for n in (1, 2, 3)]
    assert names(points, subset="all", dataset="mine") == [(LARGE, "r1", ""), (LARGE, "r2", "")]
    assert len(points) == len(set(points))


def test_classifiers_see_baselines_and_the_latents_of_chosen_models():
    points = list(classifier_points(main(), CHOSEN))
    for subset in ("n150", "all"):
        for dataset, (model,) in CHOSEN.items():
            here = names(points, subset=subset, dataset=dataset)
            assert {name for name, _, _ in here} == {"raw", "log", "pca-k5", model}
    assert len(points) == len(set(points))


def test_classifiers_take_what_they_can():
    points = classifier_points(main(), CHOSEN)
    here = names(points, subset="n150", dataset="mine", replicate="r1")
    assert here == [
        *(("raw", "r1", "ffnn"), ("raw", "r1", "naive-bayes"), ("log", "r1", "ffnn")),
        *(("pca-k5", "r1", "ffnn"), ("pca-k5", "r1", "knn")),
        *((LARGE, "r1", "ffnn"), (LARGE, "r1", "knn")),
    ]


def test_fewer_replicates_where_the_grid_says_so():
    points = list(classifier_points(main(), CHOSEN))
    for name, number in (("raw", 3), ("pca-k5", 1), (SMALL, 3), (LARGE, 2)):
        replicates = {one.replicate for one in points if one.representation == name}
        assert replicates == {f"r{n + 1}" for n in range(number)}


def test_all_models_are_classified_where_the_configuration_asks_for_it():
    points = list(classifier_points(main(choice={"classified": "all"}), CHOSEN))
    first = names(points, subset="n150", dataset="mine", replicate="r1", classifier="ffnn")
    assert {name for name, _, _ in first if is_model(name)} == {SMALL, LARGE}
    others = names(points, subset="all", dataset="mine", classifier="ffnn")
    assert {name for name, _, _ in others if is_model(name)} == {LARGE}


def test_a_consensus_is_classified_where_all_its_experts_are():
    pairs = {"two": ["raw/naive-bayes", "pca-k5/knn"], "rule": ["raw/ffnn", "label-rule/knn"]}
    grid = CONFIG["grid"] | {
        "representations": ["raw", "pca-k5", "label-rule"],
        "consensus": pairs,
    }
    datasets = ["zheng-sorted", "pbmc68k-study"]
    found = main(datasets=datasets, grid=grid, subset={"sizes": [150]})
    points = list(classifier_points(found))
    for dataset, wanted in zip(datasets, (["two"], ["two", "rule"]), strict=True):
        here = names(points, dataset=dataset, classifier="argmax", replicate="r1")
        assert [name for name, _, _ in here] == [f"consensus-{one}" for one in wanted]
    # pca-k5 has one replicate, and so has the consensus with it.
    two, rule = (
        [one.replicate for one in points if one.representation == f"consensus-{name}"]
        for name in pairs
    )
    assert two == ["r1", "r1"]
    assert rule == ["r1", "r2", "r3"]


def test_variants_have_the_first_subset_and_all_that_they_name():
    comparison = {"protocols": ["as-run"], "protocol_replicates": 1}
    found = variants(parse_settings(CONFIG | {"comparison": comparison}))
    points = list(classifier_points(found["x/variants/as-run"]))
    assert {one.run for one in points} == {"x/variants/as-run"}
    assert {one.subset for one in points} == {"n150"}
    assert {one.classifier for one in points} == {"ffnn"}
    assert {one.representation for one in points} == {"raw", "log", "pca-k5", SMALL, LARGE}
    assert {one.replicate for one in points} == {"r1"}


def test_a_data_set_without_a_choice_is_a_fault():
    with pytest.raises(KeyError, match="mine"):
        list(classifier_points(main(), {"pbmc68k-sample": [SMALL]}))


def test_points_are_columns_for_snakemake():
    point = Point("x", "mine", "all", "r1", "raw", "ffnn")
    other = Point("x", "mine", "all", "r2", SMALL)
    table = columns([point, other])
    assert table["replicate"] == ["r1", "r2"]
    assert table["classifier"] == ["ffnn", ""]
    assert list(table) == [field.name for field in fields(Point)]
    assert all(column == [] for column in columns([]).values())
