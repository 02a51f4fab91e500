"""Variants: which there are, how often each is run, and what two of them share."""

import json
from pathlib import Path

import pytest

from latentcell.config.names import ModelName, is_model
from latentcell.config.protocols.confounders import CONFOUNDERS
from latentcell.config.settings import PRESETS, Settings, load_settings, parse_settings
from latentcell.grid.points import classifier_points, model_points
from latentcell.grid.variants import (
    classifiers_of,
    dependencies,
    model_draw,
    model_settings,
    models_share_cells,
    touches,
    variants,
)
from latentcell.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
MODEL = "gmvae-z10-h100"
SEMI = {"kind": "semi-gmvae", "latent_dim": 10, "hidden_units": 100}
CONFIG = {
    "run": "x",
    "protocol": "controlled",
    "replicates": 4,
    "grid": {
        "models": [{"latent_dim": [10, 50], "hidden_units": 100}],
        "representations": ["raw", "pca-k10", "pca-k50"],
    },
    "choice": {"classified": "all"},
    "comparison": {
        "protocols": ["as-run"],
        "protocol_replicates": 1,
        "ablations": ["as-run", "controlled"],
        "ablation_replicates": 3,
        "training_cells": [100],
    },
}
SHARES = {
    "run": "x",
    "replicates": 3,
    "grid": {
        "models": [{"latent_dim": 10, "hidden_units": 100}, SEMI],
        "representations": ["raw", "hvg-pca-k5"],
        "classifiers": ["ffnn", "logistic", "argmax"],
        "replicates": {"raw": 2},
    },
    "vae": {"labelled_share": 0.5},
    "comparison": {"labelled_shares": [0.05, 0.5]},
}


@pytest.fixture(scope="module")
def found():
    return {one.name: one for one in variants(parse_settings(CONFIG)).values()}


@pytest.fixture(scope="module")
def shares():
    return {one.name: one for one in variants(parse_settings(SHARES)).values()}


def depends(variant, stage, representation=MODEL):
    return dependencies(variant.settings, stage, representation)


def test_a_run_without_comparison_is_its_own_only_variant():
    found = variants(parse_settings({"run": "x"}))
    assert list(found) == ["x"]
    assert found["x"].name == "run"
    assert found["x"].folder == "x"


def test_folders_are_those_of_the_wildcard_run(found):
    by_folder = variants(parse_settings(CONFIG))
    assert next(iter(by_folder)) == "x"
    assert all(folder == one.folder for folder, one in by_folder.items())
    assert found["as-run"].folder == "x/variants/as-run"


def test_every_confounder_is_switched_in_both_directions(found):
    wanted = {"controlled", "as-run", "controlled-train100"}
    for confounder in CONFOUNDERS:
        wanted |= {f"as-run-without-{confounder.name}", f"controlled-with-{confounder.name}"}
    assert set(found) == wanted


def test_replicates_are_as_many_as_each_purpose_needs(found):
    assert set(found["controlled"].replicates.values()) == {4}
    as_run = found["as-run"].replicates
    assert as_run["gmvae-z50-h100"] == as_run["pca-k10"] == 1
    assert as_run["raw"] == as_run["pca-k50"] == as_run[MODEL] == 3
    assert dict(found["as-run-without-leaky-pca"].replicates) == {"pca-k50": 3}
    assert dict(found["controlled-with-slow-averages"].replicates) == {MODEL: 3}
    pairs = list(found["controlled-with-slow-averages"].pairs())
    assert pairs == [(MODEL, "r1"), (MODEL, "r2"), (MODEL, "r3")]


def test_what_the_run_sets_itself_holds_in_every_variant():
    config = CONFIG | {"ffnn": {"epochs": 7}, "split": {"seed": 9}}
    for one in variants(parse_settings(config)).values():
        assert one.settings.ffnn.epochs == 7
        assert one.settings.split.seed == 9


def test_fewer_replicates_of_a_representation_hold_for_the_run_alone():
    grid = CONFIG["grid"] | {"replicates": {"pca-k10": 2}}
    found = {one.name: one for one in variants(parse_settings(CONFIG | {"grid": grid})).values()}
    assert found["controlled"].replicates["pca-k10"] == 2
    assert found["controlled"].replicates["raw"] == 4
    assert found["as-run"].replicates["pca-k10"] == 1
    few = CONFIG["comparison"] | {"protocol_replicates": 3}
    found = variants(parse_settings(CONFIG | {"grid": grid, "comparison": few}))
    assert found["x/variants/as-run"].replicates["pca-k10"] == 3


def test_protocols_and_ablations_have_the_studys_classifier_alone():
    grid = CONFIG["grid"] | {"classifiers": ["ffnn", "knn"]}
    found = variants(parse_settings(CONFIG | {"grid": grid}))
    assert found.pop("x").settings.grid.classifiers == ["ffnn", "knn"]
    assert all(one.settings.grid.classifiers == ["ffnn"] for one in found.values())


def test_the_learning_curve_has_fewer_training_cells_and_no_further_components(found):
    few = found["controlled-train100"]
    assert few.settings.split.training_cells == 100
    assert few.settings.grid.representations == ["raw", "pca-k50"]
    assert set(few.replicates) == {"raw", "pca-k50", MODEL}
    assert set(few.replicates.values()) == {4}


def test_pairs_that_are_left_out_for_want_of_time_are_so_in_exact_variants_alone():
    config = CONFIG | {"comparison": CONFIG["comparison"] | {"prune_below": 0.001}}
    found = {one.name: one for one in variants(parse_settings(config)).values()}
    assert found["as-run"].settings.vae.prune_below == 0.001
    assert found["controlled-with-zero-biases"].settings.vae.prune_below == 0.001
    controlled = found["controlled-with-double-softmax"].settings.vae.prune_below
    assert controlled == found["controlled"].settings.vae.prune_below


# What follows from what --------------------------------------------------------------------------


def test_a_classifiers_confounder_trains_no_representation_again(found):
    own = found["controlled"]
    for name in ("controlled-with-double-softmax", "controlled-with-test-latents"):
        assert depends(found[name], "vae") == depends(own, "vae")
        assert depends(found[name], "classify") != depends(own, "classify")


def test_latents_of_test_cells_train_no_classifier_of_components_again(found):
    own, one = found["controlled"], found["controlled-with-test-latents"]
    for name in ("raw", "pca-k50"):
        assert depends(one, "classify", name) == depends(own, "classify", name)


def test_a_models_confounder_trains_it_again(found):
    own, one = found["controlled"], found["controlled-with-zero-biases"]
    assert depends(one, "vae") != depends(own, "vae")
    assert depends(one, "cells") == depends(own, "cells")
    assert depends(one, "represent", "pca-k50") == depends(own, "represent", "pca-k50")
    assert depends(one, "classify", "pca-k50") == depends(own, "classify", "pca-k50")


def test_nothing_is_shared_that_follows_from_other_settings(found):
    made = {}
    for one in found.values():
        for name, replicate in one.pairs():
            follows = json.dumps(depends(one, "classify", name), sort_keys=True), name, replicate
            settings = one.settings
            relevant = [settings.split, settings.ffnn, settings.labels]
            if is_model(name):
                relevant += [*model_draw(settings), settings.vae, settings.latents.classified]
            else:
                relevant += [settings.subset, settings.pca if name != "raw" else None]
            assert made.setdefault(follows, relevant) == relevant


def test_as_many_trainings_are_shared_as_the_comparison_allows():
    """What docs/study.md says of its cost: 356 models of which 306 differ, 614 and 609."""
    found = variants(load_settings(ROOT / "config/comparison.yaml")).values()
    models = [(one, point) for one in found for point in model_points(one)]
    classifiers = [(one, point) for one in found for point in classifier_points(one)]
    assert (len(found), len(models), len(classifiers)) == (33, 356, 614)

    def distinct(pairs, stage):
        return {
            json.dumps(
                [
                    *(point.dataset, point.subset, point.replicate, point.classifier),
                    depends(one, stage, point.representation),
                ],
                sort_keys=True,
            )
            for one, point in pairs
        }

    assert len(distinct(models, "vae")) == 306
    assert len(distinct(classifiers, "classify")) == 609


def test_own_cells_and_scvaes_split():
    settings = parse_settings({"protocol": "as-run"})
    subset, split = model_draw(settings)
    assert subset.method == "random"
    assert subset.seed != settings.subset.seed
    assert split.method == "scvae"
    assert not models_share_cells(settings)
    shared = parse_settings({"protocol": "controlled"})
    assert model_draw(shared) == (shared.subset, shared.split)
    assert models_share_cells(shared)


def test_confounders_touch_what_they_can():
    by_name = {one.name: one for one in CONFOUNDERS}
    assert touches(by_name["leaky-pca"], "pca-k10")
    assert not touches(by_name["leaky-pca"], "raw")
    assert not touches(by_name["leaky-pca"], "hvg-pca-k10")
    assert not touches(by_name["zero-biases"], "pca-k10")
    assert touches(by_name["zero-biases"], "vae-z2-h3")
    assert touches(by_name["double-softmax"], "raw")


# Shares of labels --------------------------------------------------------------------------------


def test_each_share_is_a_variant_with_the_whole_grid(shares):
    assert list(shares) == ["run", "labelled-0.05", "labelled-0.5"]
    for name, share in (("labelled-0.05", 0.05), ("labelled-0.5", 0.5)):
        settings = shares[name].settings
        assert settings.labels.share == settings.vae.labelled_share == share
        assert settings.grid.classifiers == ["ffnn", "logistic", "argmax"]
        assert dict(shares[name].replicates) == dict(shares["run"].replicates)
    assert shares["run"].settings.labels.share == 1
    assert shares["run"].replicates["raw"] == 2


def test_only_semi_supervised_models_see_types_and_are_trained_again(shares):
    semi = "semi-gmvae-z10-h100"
    own, few = shares["run"], shares["labelled-0.05"]
    models = {str(model): model for model in own.settings.models()}
    assert model_settings(few.settings, models[semi]).labelled_share == 0.05
    assert model_settings(few.settings, models[MODEL]).labelled_share == 0
    assert depends(few, "vae") == depends(own, "vae")
    assert depends(few, "vae", semi) != depends(own, "vae", semi)
    assert depends(shares["labelled-0.5"], "vae", semi) == depends(own, "vae", semi)
    assert depends(few, "represent", "hvg-pca-k5") == depends(own, "represent", "hvg-pca-k5")
    for name in (MODEL, "raw", "hvg-pca-k5"):
        assert depends(few, "classify", name) != depends(own, "classify", name)


@pytest.mark.parametrize(
    ("changed", "trained_again"),
    [
        ({"samples": 100}, []),
        ({"label_weight": 7.0}, ["semi-gmvae", "semi-vae"]),
        ({"labelled_share": 0.7}, ["semi-gmvae", "semi-vae"]),
        ({"type_epochs": 3}, ["semi-vae"]),
        ({"labels_per_type": 5}, ["semi-vae"]),
        ({"batch_size": 7}, ["gmvae", "vae", "semi-gmvae", "semi-vae"]),
    ],
)
def test_settings_that_do_not_matter_for_a_model_train_nothing_again(changed, trained_again):
    semi = {"components": "labels", "labelled_share": 0.5}
    before, after = (parse_settings({"vae": semi | some}) for some in ({}, changed))
    models = [ModelName(kind, 10, 100) for kind in ("gmvae", "vae", "semi-gmvae", "semi-vae")]
    again = [one for one in models if model_settings(before, one) != model_settings(after, one)]
    assert [model.kind for model in again] == trained_again


def test_the_preset_of_a_model_holds_in_every_variant():
    shape = {"latent_dim": 10, "hidden_units": 100}
    presets = [None, "latentcell", "scvae", "recommended"]
    grid = {
        "representations": ["raw", "pca-k50"],
        "models": [shape | {"preset": preset} for preset in presets],
    }
    wanted = {"protocols": ["as-run", "controlled"], "ablation_model": "gmvae-z10-h100"}
    for variant in variants(parse_settings({"grid": grid, "comparison": wanted})).values():
        alone, latentcell, scvae, recommended = (
            model_settings(variant.settings, model) for model in variant.settings.models()
        )
        assert alone == variant.settings.vae
        assert scvae.prune_below == 0
        assert recommended.variable_genes == PRESETS["recommended"]["variable_genes"]
        assert recommended.unexpressed_genes == "closed-form"
        # The preset latentcell sets nothing: the section is that of the protocol.
        assert latentcell == variant.settings.vae.model_copy(update={"preset": "latentcell"})


def test_classifiers_take_what_makes_sense_for_them(shares):
    settings = shares["run"].settings
    assert classifiers_of(settings, "raw") == ["ffnn"]
    assert classifiers_of(settings, MODEL) == ["ffnn", "logistic"]
    assert classifiers_of(settings, "semi-gmvae-z10-h100") == ["argmax"]


def test_other_labels_for_the_model_than_for_classifiers_are_refused():
    with pytest.raises(InputError, match=r"labels\.seed: expected 1, .*semi-gmvae-z10-h100"):
        parse_settings(SHARES | {"labels": {"seed": 8}})
    shifted = {"labels": {"seed": 8}, "vae": SHARES["vae"] | {"seed": 8}}
    assert parse_settings(SHARES | shifted).labels.seed == 8


# Data sets ---------------------------------------------------------------------------------------


def test_every_variant_has_every_data_set():
    datasets = ["pbmc68k-sample", {"name": "mine", "path": "mine.h5ad"}]
    for one in variants(parse_settings(CONFIG | {"datasets": datasets})).values():
        assert one.settings.dataset_names() == ["pbmc68k-sample", "mine"]
        assert {point.dataset for point in classifier_points(one)} == {"pbmc68k-sample", "mine"}


def test_settings_of_a_variant_are_settings_of_a_run(found):
    for one in found.values():
        again = Settings.model_validate(one.settings.model_dump(mode="json"))
        assert again == one.settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ablation_model": "gmvae-z3-h3"}, "ablation_model names gmvae-z3-h3"),
        ({"ablation_components": 7}, "ablation_components is 7"),
        ({"training_cells": [50]}, "expected more than the 50 principal components, found 50"),
        ({"protocols": ["as-wished"]}, "comparison.protocols.0: .*found 'as-wished'"),
    ],
)
def test_contradictions_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        parse_settings(CONFIG | {"comparison": CONFIG["comparison"] | changes})
