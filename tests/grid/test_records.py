"""Records from files of the grid's layout."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.evaluate.metrics import Scoring
from latentcell.grid.records import RECORDS, collect, read_record
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv
from latentcell.runtime.tensors import write_arrays

KEYS = ["dataset", "variant", "cells", "replicate"]


def write_json(path: Path, value: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def metrics(test: dict[str, Any], **more: Any) -> dict[str, Any]:
    return more | {"splits": {"training": {"cells": 80} | test, "test": {"cells": 10} | test}}


# Of test cells: a CD4 and a CD8 T cell are taken for one another, the one NK cell for a CD8 T cell.
LABELS = ["B", "CD4 T", "CD8 T", "NK"]
MATRIX = [[2, 0, 0, 0], [0, 2, 1, 0], [0, 1, 2, 0], [0, 0, 1, 0]]
GROUPS = {"mine": {"T cells": ["CD4 T", "CD8 T", "gamma delta T"]}}


def classified(folder: Path, **more: Any) -> str:
    """Scores of a classifier of nine test cells."""
    scores = {"accuracy": 6 / 9, "balanced_accuracy": 0.1, "macro_f1": 0.1}
    f1 = [1.0, 2 / 3, 4 / 7, 0.0]
    per_class = [
        {"cell_type": name, "precision": None, "recall": 0.5, "f1": one, "support": sum(row)}
        for name, one, row in zip(LABELS, f1, MATRIX, strict=True)
    ]
    confusion = {"labels": LABELS, "matrix": MATRIX}
    content = metrics(scores, confusion=confusion, per_class=per_class, **more)
    return write_json(folder / "metrics.json", content)


def write_h5ad(
    path: Path, types: str, uns: dict[str, Any] | None = None, *, spaces: bool = False
) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name.replace("_", " ") if spaces else name for name in types.split()]
    obs = pd.DataFrame({"cell_type": pd.Categorical(names)})
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
    folder = tmp_path / "mine/all/r1/nmf-k20"
    more = {"best_epoch": 3, "epochs_trained": 5, "labelled_cells": 7}
    paths = [classified(folder / "ffnn", **more), classified(folder / "logistic")]
    table = collect("classifiers", {"run": paths})
    assert list(table) == [
        *KEYS,
        *("input", "classifier", "best_epoch", "epochs_trained", "labelled_cells", "held_out"),
        *("split", "split_cells", "accuracy", "balanced_accuracy", "macro_f1"),
        *("accuracy_merged", "balanced_accuracy_merged", "macro_f1_merged"),
    ]
    assert table["classifier"].tolist() == ["ffnn"] * 2 + ["logistic"] * 2
    assert table["best_epoch"].tolist() == [3, 3, pd.NA, pd.NA]
    assert table["labelled_cells"].tolist()[:2] == [7, 7]
    assert table["accuracy_merged"].isna().all()


def test_scores_count_the_types_of_enough_cells_and_merge_groups(tmp_path: Path) -> None:
    job = classified(tmp_path / "mine/n50/r2/raw/knn")
    # 12 B cells, 10 and 3 T cells, 4 NK cells among the cells of replicate 1.
    types = " ".join(["B"] * 12 + ["CD4_T"] * 10 + ["CD8_T"] * 3 + ["NK"] * 4)
    cells = write_h5ad(tmp_path / "mine/n50/r1/cells.h5ad", types, spaces=True)
    files = {"run": [job, cells]}
    table = collect("classifiers", files, Scoring(10, GROUPS))
    training, test = table.to_dict("records")
    assert test["split"] == "test"
    # B and CD4 T cells count.
    assert test["accuracy"] == 6 / 9
    assert test["balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert test["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    # B and the 13 T cells count; the NK cell is a wrong T cell: precision 6/7, recall 1.
    assert test["accuracy_merged"] == pytest.approx(8 / 9)
    assert test["balanced_accuracy_merged"] == 1
    assert test["macro_f1_merged"] == pytest.approx((1 + 12 / 13) / 2)
    # The file has no matrix of training cells.
    assert training["accuracy"] == 6 / 9
    assert np.isnan(training["macro_f1"])
    every = collect("classifiers", files, Scoring(1, GROUPS)).to_dict("records")[1]
    assert every["macro_f1"] == pytest.approx((1 + 2 / 3 + 4 / 7 + 0) / 4)
    assert every["macro_f1_merged"] == pytest.approx((1 + 12 / 13 + 0) / 3)
    none = collect("classifiers", files, Scoring(10, {"other": GROUPS["mine"]}))
    assert none["accuracy_merged"].isna().all()


def test_matrices_of_all_splits_give_scores_of_all_splits(tmp_path: Path) -> None:
    confusion = {"labels": LABELS, "matrix": MATRIX, "training": np.eye(4, dtype=int).tolist()}
    scores = {"accuracy": 0.5, "balanced_accuracy": 0.1, "macro_f1": 0.1}
    path = tmp_path / "mine/all/r1/raw/knn/metrics.json"
    write_json(path, metrics(scores, confusion=confusion))
    training = collect("classifiers", {"run": [str(path)]}).to_dict("records")[0]
    assert (training["balanced_accuracy"], training["macro_f1"]) == (1, 1)


def test_a_count_of_cells_needs_the_cells(tmp_path: Path) -> None:
    job = classified(tmp_path / "mine/n50/r2/raw/knn")
    with pytest.raises(InputError, match=r"expected the cells .* mine/n50/r1/cells\.h5ad, found"):
        collect("classifiers", {"run": [job]}, Scoring(2))
    with pytest.raises(InputError, match=r"expected the cells .* mine/n50/r1/cells\.h5ad, found"):
        collect("classes", {"run": [job]})


def test_groups_of_unknown_types_are_refused(tmp_path: Path) -> None:
    job = classified(tmp_path / "mine/n50/r2/raw/knn")
    with pytest.raises(InputError, match=r"of the data set mine: .* such as 'B', found 'b', 'nk'"):
        collect("classifiers", {"run": [job]}, Scoring(1, {"mine": {"other": ["b", "nk"]}}))


def test_classes_have_their_scores_and_their_cells_in_the_subset(tmp_path: Path) -> None:
    job = classified(tmp_path / "mine/n50/r2/raw/knn")
    cells = write_h5ad(tmp_path / "mine/n50/r1/cells.h5ad", "B B NK")
    table = collect("classes", {"run": [cells], "labelled-0.1": [job]})
    assert list(table) == [
        *KEYS,
        *("input", "classifier", "cell_type", "type_cells", "support"),
        *("precision", "recall", "f1"),
    ]
    assert table["cell_type"].tolist() == LABELS
    assert table["type_cells"].tolist() == [2, 0, 0, 1]
    assert table["support"].tolist() == [2, 3, 3, 1]
    assert table["f1"].tolist() == pytest.approx([1, 2 / 3, 4 / 7, 0])
    assert table["precision"].isna().all()
    assert set(table["variant"]) == {"labelled-0.1"}


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


def test_curves_of_models_have_their_epochs_and_measures(tmp_path: Path) -> None:
    paths = []
    for name, rows in (("gmvae-z2-h3", "-9.5,2.5\n2,validation,-8,1"), ("vae-z2-h3", "-7,0")):
        path = tmp_path / f"mine/n60/r1/{name}/history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"epoch,split,elbo,kl_y\n1,validation,{rows}\n")
        paths.append(str(path))
    table = collect("model_curves", {"as-run": paths})
    assert list(table) == [*KEYS, "model", "epoch", "split", "elbo", "kl_y"]
    assert table["model"].tolist() == ["gmvae-z2-h3"] * 2 + ["vae-z2-h3"]
    assert table["epoch"].tolist() == [1, 2, 1]
    assert table["elbo"].tolist() == [-9.5, -8.0, -7.0]
    assert (table["variant"] == "as-run").all()


def write_pca(folder: Path, arrays: dict[str, Any]) -> list[str]:
    """The two files of a representation; features show fewer components than were fitted."""
    shares = {"explained_variance_ratio": [0.25], "held_out_variance_ratio": [0.125]}
    features = write_h5ad(folder / "features.h5ad", "B T", shares)
    write_arrays(folder / "model.safetensors", arrays, {})
    return [features, str(folder / "model.safetensors")]


def test_variance_adds_up_over_all_components_that_were_fitted(tmp_path: Path) -> None:
    arrays = {"explained_variance_ratio": np.array([0.25, 0.125]), "mean": np.zeros(3)}
    table = collect("variance", {"run": write_pca(tmp_path / "mine/all/r1/pca-k1", arrays)})
    # Features of one component show the held-out variance of that one.
    assert table.fillna(-1).to_dict("list") == {
        "dataset": ["mine"] * 2,
        "variant": ["run"] * 2,
        "cells": ["all"] * 2,
        "replicate": ["r1"] * 2,
        "k": [1, 2],
        "explained_variance_percent": [25.0, 37.5],
        "held_out_variance_percent": [12.5, -1],
    }


def test_fits_that_explain_no_variance_are_refused(tmp_path: Path) -> None:
    paths = write_pca(tmp_path / "mine/all/r1/pca-k2", {"mean": np.zeros(3)})
    with pytest.raises(InputError, match="expected a PCA with explained variance"):
        collect("variance", {"run": paths})


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
        metrics({"accuracy": value}, confusion={"labels": LABELS, "matrix": MATRIX}),
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
        ("classes", "mine/n1300/raw/ffnn/metrics.json", "{input}/{classifier}/metrics.json"),
        ("classifiers", "n1300/r1/cells.h5ad", "{dataset}/{subset}/{replicate}/cells.h5ad"),
        ("model_curves", "n60/r1/vae-z2-h3/history.csv", "{replicate}/{model}/history.csv"),
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
    for name in ("classifiers", "classes", "class_counts"):
        with pytest.raises(InputError, match=f"records of {name}: .* found none"):
            collect(name, files)
    for name in set(RECORDS) - {"classifiers", "classes", "class_counts"}:
        table = collect(name, files)
        assert table.empty
        assert list(table)[:4] == KEYS
