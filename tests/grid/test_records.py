"""Records from files of the grid's layout."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.grid.records import RECORDS, collect, read_record
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv

KEYS = ["dataset", "variant", "cells", "replicate"]


def write_json(path: Path, value: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def metrics(test: dict[str, Any], **more: Any) -> dict[str, Any]:
    return more | {"splits": {"training": {"cells": 80} | test, "test": {"cells": 10} | test}}


def write_h5ad(path: Path, types: str, uns: dict[str, Any] | None = None) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    obs = pd.DataFrame({"cell_type": pd.Categorical(types.split())})
    obs.index = obs.index.astype(str)
    ad.AnnData(np.zeros((len(obs), 1), np.float32), obs=obs, uns=uns or {}).write_h5ad(path)
    return str(path)


def test_models_know_their_place_and_their_shape(tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "mine/n1300/r2/semi-gmvae-z10-h250/metrics.json",
        metrics(
            {"elbo": -2.5, "silhouette_types": None},
            **{"best_epoch": 3, "epochs_trained": 5, "given_count_sum": True},
        ),
    )
    table = collect("models", {"labelled-0.05": [path]})
    assert list(table)[:13] == [
        *KEYS,
        *("model", "kind", "latent_dim", "hidden_units", "best_epoch", "epochs_trained"),
        *("given_count_sum", "split", "split_cells"),
    ]
    assert table["given_count_sum"].all()
    row = table.to_dict("records")[1]
    assert [row[key] for key in KEYS] == ["mine", "labelled-0.05", "n1300", "r2"]
    assert (row["kind"], row["latent_dim"], row["hidden_units"]) == ("semi-gmvae", 10, 250)
    assert (row["split"], row["split_cells"], row["elbo"]) == ("test", 10, -2.5)
    assert np.isnan(row["silhouette_types"])


def test_classifiers_without_epochs_leave_them_empty(tmp_path: Path) -> None:
    scores = {"accuracy": 0.5, "balanced_accuracy": 0.4, "macro_f1": None}
    folder = tmp_path / "mine/all/r1/nmf-k20"
    more = {"best_epoch": 3, "epochs_trained": 5, "labelled_cells": 7}
    paths = [
        write_json(folder / "ffnn/metrics.json", metrics(scores, **more)),
        write_json(folder / "logistic/metrics.json", metrics(scores)),
    ]
    table = collect("classifiers", {"run": paths})
    assert list(table) == [
        *KEYS,
        *("input", "classifier", "best_epoch", "epochs_trained", "labelled_cells"),
        *("split", "split_cells", "accuracy", "balanced_accuracy", "macro_f1"),
    ]
    assert table["classifier"].tolist() == ["ffnn"] * 2 + ["logistic"] * 2
    assert table["best_epoch"].tolist() == [3, 3, pd.NA, pd.NA]
    assert table["labelled_cells"].tolist()[:2] == [7, 7]
    assert table["macro_f1"].isna().all()


def test_curves_are_of_classifiers_with_epochs(tmp_path: Path) -> None:
    paths = []
    for name, rows in (("ffnn", "1,training,0.5,0.25\n"), ("knn", "")):
        path = tmp_path / f"mine/all/r3/raw/{name}/history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"epoch,split,loss,accuracy\n{rows}")
        paths.append(str(path))
    expected = {
        "dataset": "mine",
        "variant": "as-run",
        "cells": "all",
        "replicate": "r3",
        "input": "raw",
        "classifier": "ffnn",
        "epoch": 1,
        "split": "training",
        "loss": 0.5,
        "accuracy": 0.25,
    }
    assert collect("curves", {"as-run": paths}).to_dict("records") == [expected]
    none = collect("curves", {"as-run": paths[1:]})
    assert none.empty
    assert list(none) == list(expected)


def test_variance_adds_up_over_components(tmp_path: Path) -> None:
    path = write_h5ad(
        tmp_path / "mine/all/r1/pca-k2/features.h5ad",
        "B T",
        {
            "explained_variance_ratio": np.array([0.25, 0.125]),
            "held_out_variance_ratio": np.array([0.25, -0.125]),
        },
    )
    table = collect("variance", {"run": [path]})
    assert table.to_dict("list") == {
        "dataset": ["mine"] * 2,
        "variant": ["run"] * 2,
        "cells": ["all"] * 2,
        "replicate": ["r1"] * 2,
        "k": [1, 2],
        "explained_variance_percent": [25.0, 37.5],
        "held_out_variance_percent": [25.0, 12.5],
    }


def test_features_that_explain_no_variance_are_refused(tmp_path: Path) -> None:
    path = write_h5ad(tmp_path / "mine/all/r1/pca-k2/features.h5ad", "B T")
    with pytest.raises(InputError, match="expected features with uns/explained_variance_ratio"):
        collect("variance", {"run": [path]})


def test_costs_of_classifiers_stand_beside_those_of_their_representation(tmp_path: Path) -> None:
    paths = []
    for variant in ("run", "labelled-0.5"):
        root = tmp_path / variant / "mine/all/r1/nmf-k20"
        seconds = len(variant)
        for place, factor in ((root, 1), (root / "knn", 10), (root / "logistic", 100)):
            cost = {"seconds": factor * seconds, "peak_mb": factor, "identity": "x"}
            paths.append(write_json(place / "cost.json", cost))
    files = {"run": paths[:3][::-1], "labelled-0.5": paths[3:]}
    table = collect("costs", files).set_index(["variant", "classifier"])
    assert table.loc[("run", "knn"), "representation_seconds"] == 3
    assert table.loc[("run", "logistic"), "classifier_seconds"] == 300
    assert table.loc[("labelled-0.5", "knn"), "representation_seconds"] == 12
    assert (table["representation_peak_mb"] == 1).all()
    with pytest.raises(InputError, match=r"expected the cost of nmf-k20 beside it, .*nmf-k20/cost"):
        collect("costs", {"run": paths[1:2]})


def test_quality_has_a_row_for_all_cells_and_one_for_test_cells(tmp_path: Path) -> None:
    measures = {"measured": 10, "resolution": 0.5, "clusters": 4, "nmi": 0.6, "ari": 0.5}
    everyone = measures | {"silhouette": 0.1}
    test = dict.fromkeys(everyone) | {"measured": 2}
    path = write_json(
        tmp_path / "mine/all/r1/gmvae-z2-h3/quality.json",
        {"training_cells": 8, "test_cells": 2, "all": everyone, "test": test},
    )
    table = collect("quality", {"run": [path]})
    assert list(table) == [
        *KEYS,
        *("representation", "training_cells", "test_cells", "cells_measured", "measured"),
        *("resolution", "clusters", "nmi", "ari", "silhouette"),
    ]
    assert table["cells_measured"].tolist() == ["all", "test"]
    assert table["representation"].tolist() == ["gmvae-z2-h3"] * 2
    assert table["nmi"].tolist()[0] == 0.6
    assert np.isnan(table["nmi"].tolist()[1])
    write_csv(tmp_path / "quality.csv", table, exact=True)
    assert read_record(tmp_path / "quality.csv")["ari"].tolist()[0] == 0.5


def test_types_are_counted_in_data_sets_and_subsets(tmp_path: Path) -> None:
    paths = [
        write_h5ad(tmp_path / "mine/dataset.h5ad", "B B NA"),
        write_h5ad(tmp_path / "mine/n2/r1/cells.h5ad", "B NA"),
        write_h5ad(tmp_path / "001/dataset.h5ad", "T T"),
    ]
    table = collect("class_counts", {"run": paths})
    expected = [
        ["mine", "full", "B", 2],
        ["mine", "full", "NA", 1],
        ["mine", "n2", "B", 1],
        ["mine", "n2", "NA", 1],
        ["001", "full", "T", 2],
    ]
    assert table.to_numpy().tolist() == expected
    write_csv(tmp_path / "class_counts.csv", table, exact=True)
    assert read_record(tmp_path / "class_counts.csv").to_numpy().tolist() == expected


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    path = write_json(
        tmp_path / "001/n3/r1/raw/ffnn/metrics.json",
        metrics({"accuracy": value, "balanced_accuracy": value, "macro_f1": None}),
    )
    table = collect("classifiers", {"run": [path]})
    write_csv(tmp_path / "classifiers.csv", table, exact=True)
    read = read_record(tmp_path / "classifiers.csv")
    assert read["dataset"].tolist() == ["001"] * 2
    assert read["cells"].tolist() == ["n3"] * 2
    assert read["accuracy"].tolist() == [value] * 2


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("models", "n1300/r1/gmvae-z2-h3/metrics.json", "{dataset}/{subset}/{replicate}/{model}/"),
        ("models", "mine/n1300/r1/raw/ffnn/metrics.json", "{replicate}/{model}/metrics.json"),
        ("classifiers", "metrics.json", "{replicate}/{input}/{classifier}/metrics.json"),
        ("classifiers", "mine/1300/r1/raw/ffnn/metrics.json", "{dataset}/{subset}/{replicate}"),
        ("classifiers", "mine/n1300/1/raw/ffnn/metrics.json", "{dataset}/{subset}/{replicate}"),
        ("curves", "mine/n1300/r1/ffnn/history.csv", "{input}/{classifier}/history.csv"),
        ("variance", "n1300/r1/pca-k5/features.h5ad", "{representation}/features.h5ad"),
        ("costs", "n1300/r1/cost.json", "{replicate}/{representation}/cost.json"),
        ("quality", "n1300/r1/quality.json", "{replicate}/{representation}/quality.json"),
        ("class_counts", "dataset.h5ad", "{dataset}/dataset.h5ad"),
        ("class_counts", "n1300/r1/cells.h5ad", "{dataset}/{subset}/{replicate}/cells.h5ad"),
    ],
)
def test_misplaced_files_are_named(name: str, path: str, expected: str) -> None:
    with pytest.raises(InputError, match="expected a path that ends in") as caught:
        collect(name, {"run": [path]})
    assert str(caught.value).startswith(path)
    assert expected in str(caught.value)


def test_models_of_no_known_name_are_refused() -> None:
    with pytest.raises(InputError, match="'nmf-k20' is not a model name"):
        collect("models", {"run": ["mine/n1300/r1/nmf-k20/metrics.json"]})


@pytest.mark.parametrize("files", [{}, {"run": []}])
def test_what_every_run_has_may_not_be_missing(files: dict[str, list[str]]) -> None:
    for name in ("classifiers", "class_counts"):
        with pytest.raises(InputError, match=f"records of {name}: .* found none"):
            collect(name, files)
    for name in set(RECORDS) - {"classifiers", "class_counts"}:
        table = collect(name, files)
        assert table.empty
        assert list(table)[:4] == KEYS
