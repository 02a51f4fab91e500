"""Every table of the catalogue, from records of two data sets."""

from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_doctree
from jinja2 import Environment, StrictUndefined

from latentcell.config.settings import Settings, parse_settings
from latentcell.grid.variants import variants
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv
from latentcell.runtime.mark import SIMULATION_NOTE
from latentcell.study.deposited import DEPOSITED
from latentcell.study.published import STUDY
from latentcell.tables.builders import read_needs
from latentcell.tables.catalogue import NEEDS, TABLES, table_entry, table_names
from latentcell.tables.headings import HEADINGS

SAMPLE = "pbmc68k-sample"
MODELS = ("gmvae-z10-h100", "gmvae-z10-h250")
MEASURES = [
    *("elbo", "enre", "kl_z", "kl_y", "elbo_scvae", "ari_clusters", "ami_clusters"),
    *("silhouette_clusters", "accuracy", "components_used", "elbo_se", "elbo_per_umi"),
]
SPLITS = {"training": 1040, "validation": 130, "test": 130}
CONFIG = {
    "protocol": "controlled",
    "replicates": 2,
    "datasets": [STUDY, SAMPLE],
    "subset": {"sizes": [1300, 2000]},
    "grid": {
        "representations": ["raw", "pca-k50", "hvg-pca-k5"],
        "models": [{"latent_dim": 10, "hidden_units": [100, 250]}],
        "classifiers": ["ffnn", "logistic"],
        "consensus": {"both": ["pca-k50/logistic", "gmvae-z10-h100/logistic"]},
        "quality": 2,
    },
    "comparison": {
        "protocols": ["as-run", "as-stated", "controlled"],
        "protocol_replicates": 2,
        "ablations": ["controlled"],
        "ablation_replicates": 2,
        "training_cells": [100],
        "labelled_shares": [0.1],
    },
}
Tables = Callable[[str], pd.DataFrame]
Records = Callable[[str], pd.DataFrame]
# The table of one data set: nothing is deposited of others.
OF_ONE = ["table5_deposit"]
# Tables of all classifiers.
OF_ALL = ["leaderboard", "few_labels", "contrasts", "class_contrasts", "latent_gains"]
# Tables of all data sets together.
ACROSS = ["over_datasets"]
OF_EACH = [name for name in TABLES if name not in (*OF_ONE, *ACROSS)]


def jobs(settings: Settings) -> Iterator[dict[str, Any]]:
    """Keys of every representation and classifier of every variant; the larger subset's too."""
    for dataset in settings.dataset_names():
        for variant in variants(settings).values():
            own = variant.name == "controlled"
            for cells in settings.subset_names()[: 1 + own]:
                for representation, replicate in variant.pairs():
                    for classifier in variant.settings.grid.classifiers:
                        yield {
                            "dataset": dataset,
                            "variant": variant.name,
                            "cells": cells,
                            "replicate": replicate,
                            "input": representation,
                            "classifier": classifier,
                        }


@pytest.fixture(scope="module")
def settings() -> Settings:
    return parse_settings(CONFIG)


@pytest.fixture(scope="module")
def files(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Files of all that tables need: values differ by data set, so that a mixture is seen."""
    folder = tmp_path_factory.mktemp("records")
    random = np.random.default_rng(1)
    all_jobs = list(jobs(settings))
    level = {STUDY: 0.0, SAMPLE: 0.4}

    def values(job: dict[str, Any], names: list[str]) -> dict[str, float]:
        return {name: level[job["dataset"]] + random.uniform(0.4, 0.5) for name in names}

    scores = ["accuracy", "balanced_accuracy", "macro_f1"]
    scores += [f"{name}_merged" for name in scores]
    models = pd.DataFrame(all_jobs).query("input in @MODELS and classifier == 'ffnn'")
    keys = ["dataset", "variant", "cells", "replicate"]
    frames = {
        "classifiers": [
            job | {"labelled_cells": 100, "split": split, "split_cells": n} | values(job, scores)
            for job in all_jobs
            for split, n in SPLITS.items()
        ],
        "classes": [
            job
            | {"cell_type": name, "type_cells": cells, "support": cells // 10}
            | values(job, ["precision", "recall", "f1"])
            for job in all_jobs
            for name, cells in (("B", 700), ("NK", 600), ("rare", 3))
        ],
        "models": [
            {key: job[key] for key in keys}
            | {"model": job["input"], "split": split, "split_cells": n, "given_count_sum": False}
            | values(job, MEASURES)
            for job in models.to_dict("records")
            for split, n in SPLITS.items()
        ],
        "model_curves": [
            {key: job[key] for key in keys}
            | {"model": job["input"], "epoch": epoch, "split": "validation"}
            | values(job, ["elbo"])
            for job in models.to_dict("records")
            for epoch in range(41, 61)
        ],
        "curves": [
            job | {"epoch": epoch, "split": split} | values(job, ["loss", "accuracy"])
            for job in all_jobs
            for epoch in range(41, 61)
            for split in ("training", "validation")
        ],
        "variance": [
            {key: job[key] for key in keys}
            | {"k": k, "explained_variance_percent": k / 2, "held_out_variance_percent": k / 9}
            for job in all_jobs
            if job["input"] == "pca-k50" and job["classifier"] == "ffnn"
            for k in (1, 50)
        ],
        "quality": [
            {key: job[key] for key in keys}
            | {"representation": job["input"], "training_cells": 1040, "test_cells": 130}
            | {"cells_measured": part, "measured": 1300, "resolution": 0.5, "clusters": 9}
            | values(job, ["nmi", "ari", "silhouette"])
            for job in all_jobs
            if job["input"] != "raw" and job["classifier"] == "ffnn"
            for part in ("all", "test")
        ],
        "costs": [
            {key: job[key] for key in (*keys, "classifier")}
            | {"representation": job["input"]}
            | {f"representation_{unit}": 1.0 for unit in ("seconds", "peak_mb")}
            | {f"classifier_{unit}": 2.0 for unit in ("seconds", "peak_mb")}
            for job in all_jobs
        ],
        "class_counts": [
            {"dataset": dataset, "data_set": name, "cell_type": f"type {number}", "cells": cells}
            for dataset in level
            for name, factor in (("full", 10), ("n1300", 1))
            for number, cells in enumerate((factor * 700, factor * 600))
        ],
    }
    found: dict[str, Any] = {}
    for name, rows in frames.items():
        found[name] = folder / f"{name}.csv"
        write_csv(found[name], pd.DataFrame(rows), exact=True)
    own = [job for job in all_jobs if job["variant"] == "controlled" and job["cells"] == "n1300"]
    found["predictions"] = [
        write_predictions(folder, job, random) for job in own if job["classifier"] == "ffnn"
    ]
    found["deposit"] = [write_repeats(folder, name, random) for name in DEPOSITED]
    deposit = TABLES["table5_deposit"]
    found["table5_deposit"] = folder / "table5_deposit.csv"
    table = deposit.build(read_needs({"deposit": found["deposit"]}), settings)
    deposit.write(table, [found["table5_deposit"]])
    return found


@pytest.fixture(scope="module")
def records(files: dict[str, Any]) -> Records:
    """The function that gives what a file holds; each file is read once."""
    return cache(lambda need: read_needs({need: files[need]})[need])


@pytest.fixture(scope="module")
def tables(records: Records, settings: Settings) -> Tables:
    """The function that gives a table by its name."""
    return cache(lambda name: build(name, records, settings))


def write_predictions(folder: Path, job: dict[str, Any], random: np.random.Generator) -> Path:
    places = [job[key] for key in ("dataset", "cells", "replicate", "input", "classifier")]
    path = folder.joinpath(*places, "predictions.csv")
    types = random.choice(["B", "T"], 30)
    columns = {"barcode": [f"c{n}" for n in range(30)], "split": "test", "cell_type": "B"}
    write_csv(path, pd.DataFrame(columns | {"predicted": types, "probability": 0.5}))
    return path


def write_repeats(folder: Path, name: str, random: np.random.Generator) -> Path:
    path = folder / name / "accuracies.csv"
    accuracies = random.uniform(0.4, 0.6, 5)
    table = pd.DataFrame({"replicate": [f"r{n}" for n in range(5)], "test_cells": 26})
    for measure in ("accuracy", "balanced_accuracy", "macro_f1"):
        table[f"test_{measure}"] = accuracies
    write_csv(path, table)
    return path


def needed(name: str, records: Records, settings: Settings) -> dict[str, pd.DataFrame]:
    return {need: records(need).copy() for need in table_entry(name).needs_of(settings)}


def build(name: str, records: Records, settings: Settings) -> pd.DataFrame:
    return table_entry(name).build(needed(name, records, settings), settings)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_built_of_each_data_set(name: str, tables: Tables, tmp_path: Path) -> None:
    entry, table = TABLES[name], tables(name)
    assert entry.name == name
    if name not in ACROSS:
        assert table.columns[0] == "dataset"
        wanted = [STUDY] if name in OF_ONE else [STUDY, SAMPLE]
        assert table["dataset"].unique().tolist() == wanted
    paths = [tmp_path / f"{name}.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    entry.write(table, paths)
    read = pd.read_csv(paths[0])
    assert read.columns.tolist() == table.columns.tolist()
    assert len(read) == len(table) > 0
    markdown, latex, html = (path.read_text(encoding="utf-8") for path in paths[1:])
    assert html.count("<tr>") == 1 + len(entry.shown(table))
    assert f"<h1>{escape(entry.title)}</h1>" in html
    assert markdown.startswith(f"# {entry.title}\n\n| ")
    assert "nan" not in markdown
    assert "<NA>" not in markdown
    several = name not in (*OF_ONE, *ACROSS)
    assert ("| Data set |" in markdown) == several
    assert ("Data set &" in latex) == several
    lines = [line for line in latex.splitlines() if line.endswith(r"\\") and "multi" not in line]
    assert len({line.replace(r"\&", "").count("&") for line in lines}) == 1
    assert len(lines) == 1 + len(entry.shown(table))


@pytest.mark.parametrize("name", OF_EACH)
def test_a_data_set_has_the_rows_that_it_has_alone(
    name: str, records: Records, tables: Tables
) -> None:
    """Statistics don't mix data sets, and one data set isn't named in what is read."""
    both = tables(name)
    for dataset in (STUDY, SAMPLE):
        one = parse_settings(CONFIG | {"datasets": [dataset]})
        alone = build(name, records, one)
        part = both[both["dataset"] == dataset].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone, check_dtype=False)
        assert "Data set" not in TABLES[name].markdown(alone)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_heading(name: str, tables: Tables) -> None:
    headings = {**HEADINGS, **TABLES[name].headings}
    ends = ("", "_mean", "_sd", "_low", "_high", "_published")
    known = {f"{heading}{end}" for heading in headings for end in ends} | {"low", "high"}
    assert set(tables(name)) <= known


@pytest.mark.parametrize("name", TABLES)
def test_no_two_columns_have_the_same_heading(name: str, tables: Tables) -> None:
    titles = [column.title for column in TABLES[name].columns(tables(name)[:0])]
    assert len(set(titles)) == len(titles) > 1


@pytest.mark.parametrize("name", OF_EACH)
def test_tables_without_records_have_notes_that_say_so(name: str, records: Records) -> None:
    settings = parse_settings(CONFIG | {"datasets": ["pbmc68k"]})
    table = build(name, records, settings)
    if name == "claims":
        assert set(table["verdict"]) == {"cannot be decided"}
        return
    assert table.empty
    assert TABLES[name].empty in TABLES[name].markdown(table)
    assert r"\begin{tabular}" in TABLES[name].latex(table)


def test_published_numbers_are_of_the_studys_cells_alone(tables: Tables) -> None:
    for name, column in (
        ("table3", "elbo_published"),
        ("table4", "elbo_published"),
        ("table5", "accuracy_published"),
        ("protocols", "published"),
    ):
        table = tables(name)
        shown = table[column].notna().groupby(table["dataset"]).any()
        # No model of the study has 2,000 cells.
        assert shown.to_dict() == {STUDY: name != "table4", SAMPLE: False}, name


@pytest.mark.parametrize("name", [one for one in OF_EACH if one not in OF_ALL])
def test_tables_of_the_study_read_its_classifier_alone(
    name: str, records: Records, settings: Settings, tables: Tables
) -> None:
    own = needed(name, records, settings)
    for need in ("classifiers", "curves"):
        if need in own:
            own[need] = own[need][own[need]["classifier"] == "ffnn"]
    pd.testing.assert_frame_equal(TABLES[name].build(own, settings), tables(name))


def test_runs_have_the_tables_that_they_ask_for(settings: Settings) -> None:
    assert table_names(settings) == list(TABLES)
    everywhere = ["table3", "table4", "table5", "pca_variance"]
    # The default grid has the model and the components of the contrasts.
    assert table_names(parse_settings({})) == [*everywhere, "contrasts", "class_contrasts"]
    other = {"models": [{"latent_dim": 5, "hidden_units": 32}]}
    assert table_names(parse_settings({"grid": other})) == [*everywhere, "contrasts"]
    scvae = {"latents": {"split": "scvae"}}
    assert "class_contrasts" not in table_names(parse_settings(scvae))
    assert "over_datasets" in table_names(parse_settings({"datasets": [STUDY, SAMPLE]}))
    grid = {"representations": ["raw"], "classifiers": ["logistic", "knn"]}
    assert table_names(parse_settings({"grid": grid})) == ["table3", "table4", "leaderboard"]
    own = {"protocol": "controlled", "comparison": {"protocols": ["controlled"]}}
    assert "protocols" not in table_names(parse_settings(own))
    widths = {"models": [{"latent_dim": 5, "hidden_units": [16, 32]}]}
    assert "hidden_units" in table_names(parse_settings({"grid": widths}))
    measured = parse_settings({"grid": {"quality": 2}})
    assert table_names(measured)[-1] == "latents"
    assert "latent_gains" not in table_names(measured)
    several = {"representations": ["raw"], "models": [{"latent_dim": 5, "hidden_units": 32}]}
    both = {**several, "classifiers": ["ffnn", "logistic"]}
    assert "latent_gains" in table_names(parse_settings({"grid": both}))
    assert "latent_gains" not in table_names(parse_settings({"grid": several}))
    scvi = {"representations": ["raw", "scvi-z10"], "classifiers": ["ffnn", "logistic"]}
    assert "latent_gains" in table_names(parse_settings({"grid": scvi}))
    few = parse_settings({"comparison": {"labelled_shares": [0.5]}})
    assert table_names(few)[-1] == "few_labels"
    assert "claims" not in table_names(few)


def test_needs_are_files_that_the_workflow_knows(settings: Settings) -> None:
    for entry in TABLES.values():
        assert set(entry.needs) <= set(NEEDS)
    assert "table5_deposit" in TABLES["claims"].needs_of(settings)
    other = parse_settings(CONFIG | {"datasets": [SAMPLE]})
    assert "table5_deposit" not in TABLES["claims"].needs_of(other)


def test_unknown_tables_are_named() -> None:
    with pytest.raises(InputError, match=r"expected a table among table3, .*, found table6"):
        table_entry("table6")


@pytest.mark.parametrize("name", TABLES)
def test_captions_are_plain_text(name: str) -> None:
    source = Path(__file__).parents[2] / "workflow" / "report" / "caption.rst"
    template = Environment(undefined=StrictUndefined).from_string(source.read_text("utf-8"))
    params = SimpleNamespace(caption=TABLES[name].caption)
    text = template.render(snakemake=SimpleNamespace(config={}, params=params))
    # halt_level 2: warnings are errors.
    document = publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})
    assert document.astext() == TABLES[name].caption
    assert len(document.astext()) > 50
    noted = SimpleNamespace(config={"simulated": SIMULATION_NOTE}, params=params)
    assert template.render(snakemake=noted).startswith(f"{SIMULATION_NOTE}\n\n")
