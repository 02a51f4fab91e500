"""Every rule asks a scheduler for what its jobs take."""

import re
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from latentcell.config.resources import Size, small
from latentcell.config.settings import parse_settings
from latentcell.grid.demands import Demands
from latentcell.grid.variants import variants
from latentcell.study.deposited import DEPOSITED

ROOT = Path(__file__).parents[2]
SEMI = {"kind": "semi-gmvae", "latent_dim": 10, "hidden_units": 100}
SIZES = {"pbmc68k-sample": Size(700, 765, 174_000, 10), "mine": Size(50_000, 20_000, 5 * 10**7, 20)}


def rules():
    texts = [path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk"))]
    return sorted(set(re.findall(r'needs\("(\w+)"\)', "\n".join(texts))))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    query = tmp_path_factory.mktemp("query") / "query.h5ad"
    query.write_bytes(bytes(10**7))
    mine = query.with_name("mine.h5ad")
    mine.write_bytes(bytes(10**7))
    return {
        "run": "x",
        "replicates": 2,
        "datasets": ["pbmc68k-sample", {"name": "mine", "path": str(mine)}],
        "subset": {"sizes": [150, "all"]},
        "grid": {
            "representations": ["raw", "log", "pca-k50", "hvg-pca-k50", "scvi-z10"],
            "models": [{"latent_dim": 10, "hidden_units": [100, 500]}, SEMI],
            "classifiers": ["ffnn", "svm-rbf", "argmax"],
        },
        "vae": {"labelled_share": 0.5, "samples": 100},
        "annotate": {"query": str(query)},
        "comparison": {"protocols": ["as-run"]},
    }


def made(config, gpu=False):
    return Demands(variants(parse_settings(config)), SIZES.__getitem__, gpu)


@pytest.fixture(scope="module")
def demands(config):
    return made(config)


def wildcards(**others):
    usual = {
        **{"run": "x", "dataset": "mine", "subset": "all", "replicate": "r1", "cells": "cells"},
        **{"kind": "gmvae", "latent_dim": "10", "hidden_units": "100", "preset": "", "seeds": ""},
        **{"representation": "gmvae-z10-h100", "classifier": "ffnn", "deposited": "raw-n1300"},
        **{"table": "table5", "figure": "figure2", "record": "models"},
    }
    return SimpleNamespace(**usual | others)


def test_rules_are_found():
    assert {"import_dataset", "train_vae", "classify", "write_table"} <= set(rules())
    assert len(rules()) > 15


def test_every_demand_is_of_a_rule():
    """A rule that is renamed would ask for what a table asks for."""
    named = {name for name in vars(Demands) if name.startswith("_") and not name.startswith("__")}
    helpers = {"_cells", "_subset", "_learnt", "_training"}
    assert {name.removeprefix("_") for name in named - helpers} <= set(rules())


@pytest.mark.parametrize("rule", rules())
@pytest.mark.parametrize("run", ["x", "x/variants/as-run"])
def test_every_rule_demands_memory_and_time_and_more_when_tried_again(demands, rule, run):
    for dataset, subset in product(SIZES, ("n150", "all")):
        demand = demands.of(rule, wildcards(run=run, dataset=dataset, subset=subset), 2)
        assert 500 < demand.mem_mb(1) < demand.mem_mb(2) < 10**6
        assert 1 <= demand.runtime(1) < demand.runtime(2) < 10**6


@pytest.mark.parametrize("kind", ["gmvae", "vae", "semi-gmvae", "dca"])
def test_every_kind_of_model(demands, kind):
    small_one, wide = (
        demands.of("train_vae", wildcards(kind=kind, hidden_units=units), 1)
        for units in ("100", "1000")
    )
    assert wide.mem_mb(1) > small_one.mem_mb(1)


@pytest.mark.parametrize(
    "name", ["raw", "log", "pca-k50", "hvg-pca-k50", "scvi-z10", "semi-gmvae-z10-h100"]
)
@pytest.mark.parametrize("classifier", ["ffnn", "svm-rbf", "argmax"])
def test_every_representation_and_classifier(demands, name, classifier):
    here = wildcards(representation=name, classifier=classifier)
    for rule in ("classify",) if "gmvae" in name else ("represent", "classify"):
        assert demands.of(rule, here, 1).mem_mb(1) > 500


@pytest.mark.parametrize("name", DEPOSITED)
def test_every_deposited_input(demands, name):
    assert demands.of("repeat_ffnn", wildcards(deposited=name), 4).runtime(1) >= 1


@pytest.mark.parametrize(
    "rule",
    [
        *("subsample", "train_vae", "train_pool", "represent", "classify", "map_cells"),
        *("finish_cells", "measure_quality"),
    ],
)
def test_more_cells_take_more(demands, rule):
    few, many = (
        demands.of(rule, wildcards(dataset=dataset), 1) for dataset in ("pbmc68k-sample", "mine")
    )
    assert many.mem_mb(1) > few.mem_mb(1)
    assert many.runtime(1) >= few.runtime(1)


def test_a_query_is_asked_for_by_its_size(config, demands):
    table = small(SIZES["mine"].cells)
    assert demands.of("annotate", wildcards(), 1) != table
    none = config | {"annotate": {}}
    assert made(none).of("annotate", wildcards(), 1) == small()


def test_a_pool_takes_as_much_as_the_models_that_it_trains_at_once(demands):
    alone = demands.of("train_vae", wildcards(hidden_units="500"), 1)
    one, three = (demands.of("train_pool", wildcards(), threads) for threads in (1, 3))
    assert one.mem_mb(1) >= alone.mem_mb(1)
    assert three.mem_mb(1) > 1.5 * one.mem_mb(1)
    assert three.runtime(1) < one.runtime(1)


def test_gpus_are_for_trainings_that_may_use_one_where_some_are_granted(config, demands):
    def asking(found):
        first = wildcards(subset=found._main.subset_names()[0])
        return {rule for rule in rules() if found.gpus(rule, first)}

    assert not asking(demands)
    granted = made(config, gpu=True)
    assert asking(granted) == {"train_vae", "train_pool"}
    # The job of a model that was trained with all others moves files alone.
    pooled = made(config | {"jobs": {"pool_models": True}}, gpu=True)
    assert asking(pooled) == {"train_pool"}
    first = wildcards(subset=pooled._main.subset_names()[0])
    one, other = (found.of("train_vae", first, 1).mem_mb(1) for found in (pooled, demands))
    assert one < other
    on_cuda = made(
        config | {"ffnn": {"device": "cuda"}, "vae": config["vae"] | {"device": "cpu"}}, True
    )
    assert asking(on_cuda) == {"classify", "repeat_ffnn"}
    # Trainings without a GPU take as long as where none is granted.
    long = demands.of("train_vae", wildcards(), 1)
    assert on_cuda.of("train_vae", wildcards(), 1) == long
    assert granted.of("train_vae", wildcards(), 1).seconds < long.seconds


def test_what_is_about_all_data_sets_goes_by_the_largest(demands):
    assert demands.of("write_table", wildcards(), 1) == small(50_000)


def test_a_derived_data_set_is_made_from_all_its_sources(config):
    small_one = {"name": "other", "derived_from": "pbmc68k-sample", "test_on": "mine"}
    sizes = SIZES | {"other": Size(700, 765, 174_000, 10)}
    datasets = [*config["datasets"], small_one]
    runs = variants(parse_settings(config | {"datasets": datasets}))
    found = Demands(runs, sizes.__getitem__).of("import_dataset", wildcards(dataset="other"), 1)
    assert found.mb > 10 * SIZES["mine"].stored / 10**6


def test_cores_are_shared_by_the_models_of_a_run():
    models = [{"latent_dim": 10, "hidden_units": [100, 500]}]
    run = {"datasets": ["pbmc68k-sample"], "grid": {"models": models}, "replicates": 1}

    def threads(cores, gpu=False, **changes):
        return made(run | changes, gpu).threads(wildcards(), cores)

    assert threads(16) == 8
    assert threads(16, replicates=2) == 4
    assert threads(3) == 1
    assert threads(None) == 1
    assert threads(2, jobs={"threads": 4}) == 4
    assert threads(16, jobs={"pool_models": True}) == 1
    assert threads(16, gpu=True) == 1
