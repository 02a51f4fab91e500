"""Quality of representations, from records whose means and intervals are worked out by hand."""

import pandas as pd
import pytest

from latentcell.evaluate.statistics import resampled_mean
from latentcell.tables.catalogue import TABLES
from latentcell.tables.latents import latents_table

GMVAE, VAE = "gmvae-z2-h3", "vae-z2-h3"
# What a replicate has more than the first one.
GAINS = {"r1": 0.0, "r2": 0.2, "r3": 0.0, "r4": 0.2, "r5": 0.1}
NAMES = ("pca-k5", VAE, GMVAE)


def rows(variant="run"):
    """Records of five replicates: measures differ by `GAINS`, on test cells they are 0.1 lower."""
    keys = [
        {"variant": variant, "replicate": replicate, "cells": "all", "representation": name}
        for name in NAMES
        for replicate in GAINS
    ]
    quality = [
        key
        | {"training_cells": 80, "test_cells": 10, "cells_measured": part, "clusters": 4}
        | {
            measure: value + GAINS[key["replicate"]] - 0.1 * (part == "test")
            for measure, value in (("nmi", 0.5), ("ari", 0.4), ("silhouette", 0.1))
        }
        for key in keys
        for part in ("all", "test")
    ]
    splits = {"training": 80, "test": 10}
    scores = [
        {name: key[name] for name in ("variant", "replicate", "cells")}
        | {"input": key["representation"], "split": split, "split_cells": cells}
        | {"accuracy": 0.6 + GAINS[key["replicate"]]}
        for key in keys
        for split, cells in splits.items()
    ]
    models = [
        {name: key[name] for name in ("variant", "replicate")}
        | {"model": key["representation"], "split": split}
        | {"perplexity": 3.0 + 5 * GAINS[key["replicate"]] + 9 * (split == "training")}
        | {"mutual_information": 1.0, "components_above_half": 3}
        for key in keys
        for split in splits
        if key["representation"] != "pca-k5"
    ]
    return tuple(map(pd.DataFrame, (quality, models, scores)))


def test_means_and_intervals_are_over_replicates():
    table = latents_table(*rows(), "run").set_index("representation")
    assert list(table.index) == ["pca-k5", GMVAE, VAE]
    row = table.loc["pca-k5"]
    expected = {
        **{"nmi": 0.6, "ari": 0.5, "silhouette": 0.2},
        **{"test_nmi": 0.5, "test_ari": 0.4, "test_silhouette": 0.1, "accuracy": 0.7},
    }
    for measure, mean in expected.items():
        interval = resampled_mean([mean - 0.1 + gain for gain in GAINS.values()], 10 / 80)
        found = [row[f"{measure}_{end}"] for end in ("mean", "low", "high")]
        assert found == pytest.approx([interval.mean, interval.low, interval.high])
    assert (row["clusters_mean"], row["replicates"]) == (4, 5)


def test_test_cells_of_another_data_set_widen_the_intervals_of_all_measures():
    quality, models, scores = rows()
    table = latents_table(quality, models, scores.assign(held_out=True), "run")
    row = table.set_index("representation").loc["pca-k5"]
    for measure, mean in {"nmi": 0.6, "test_ari": 0.4, "accuracy": 0.7}.items():
        interval = resampled_mean([mean - 0.1 + gain for gain in GAINS.values()], 1.0)
        found = [row[f"{measure}_{end}"] for end in ("low", "high")]
        assert found == pytest.approx([max(interval.low, 0), min(interval.high, 1)])


def test_measures_of_components_are_those_of_gmvaes_on_test_cells():
    table = latents_table(*rows(), "run").set_index("representation")
    assert table["perplexity_mean"].dropna().to_dict() == {GMVAE: pytest.approx(3.5)}
    assert table.loc[GMVAE, "mutual_information_mean"] == 1.0
    assert table.loc[GMVAE, "components_above_half_mean"] == 3
    quality, models, scores = rows()
    older = models.drop(columns="perplexity")
    assert latents_table(quality, older, scores, "run")["perplexity_mean"].isna().all()


def test_other_variants_and_missing_records_have_no_rows():
    quality, models, scores = rows("as-run")
    assert latents_table(quality, models, scores, "run").empty
    assert latents_table(quality[:0], models, scores, "as-run").empty


def test_latex_leaves_out_what_has_no_room():
    entry = TABLES["latents"]
    table = latents_table(*rows(), "run")
    assert "NMI, test (95 %)" in entry.markdown(table)
    assert "Perplexity" in entry.markdown(table)
    heading = next(line for line in entry.latex(table).splitlines() if "NMI (95" in line)
    assert "test" not in heading
    assert "Accuracy" in heading
