import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from latentcell.cli.where import places
from latentcell.config import schema
from latentcell.config.names import ModelName
from latentcell.config.settings import Settings, load_settings, parse_settings, refuse_renamed
from latentcell.runtime.checksums import record
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_text

ROOT = Path(__file__).parents[2]


def grid(**keys):
    return {"grid": keys}


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_are_valid(path):
    settings = load_settings(path)
    assert settings.run == {"config": "sample"}.get(path.stem, path.stem)
    assert settings.models()
    assert f"| `{path.name}` |" in schema.keys_text()


def test_the_configuration_of_tests_is_valid_and_tiny():
    settings = load_settings(ROOT / ".test/config/config.yaml")
    assert settings.run == "tiny"
    assert len(settings.models()) == 3
    assert max(settings.vae.epochs, settings.ffnn.epochs) == 2
    assert all(size <= 250 for size in settings.subset.sizes)


def test_the_papers_grid_is_in_the_papers_order():
    settings = load_settings(ROOT / "config/study.yaml")
    names = [str(model) for model in settings.models()]
    assert len(names) == 16
    assert names[0] == "gmvae-z10-h100"
    assert names[6] == "gmvae-z25-h500"  # model 7
    assert names[14] == "gmvae-z100-h500"  # model 15
    assert settings.subset_names() == ["n1300", "n15000"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"epoch": 3}, "epoch is not a known key"),
        ({"vae": {"epoch": 3}}, "vae.epoch is not a known key"),
        ({"vae": {"epochs": 0}}, "vae.epochs: .*greater than or equal to 1, found 0"),
        ({"vae": {"epochs": "ten"}}, "vae.epochs: .*integer, found 'ten'"),
        ({"vae": {"epochs": True}}, "vae.epochs: .*found True"),
        ({"vae": {"learning_rate": -1e-3}}, "vae.learning_rate: .*found -0.001"),
        ({"vae": {"learning_rate": "1e-3"}}, "vae.learning_rate: .*the text '1e-3': .*as 1.0e-03"),
        ({"vae": None}, "vae: expected keys and values, found None"),
        ({"run": "../elsewhere"}, "run: .*found '../elsewhere'"),
        ({"datasets": ["mine"]}, r"datasets\.0: 'mine' is not built in"),
        ({"datasets": [{"name": "mine"}]}, "'mine' is not built in"),
        (
            {"datasets": [{"path": "x.h5ad"}]},
            "path is for your own .* 'pbmc68k-sample' is built in",
        ),
        ({"datasets": [{"sha256": "0" * 64}]}, "sha256 is for your own data"),
        ({"datasets": [{"name": "x", "path": "y", "sha256": "0"}]}, "sha256: .* found '0'"),
        ({"datasets": [{"name": "x", "path": "ftp://y"}]}, "path: expected a file, a folder or an"),
        ({"datasets": ["tables"]}, "'tables' is the name of a file or folder of every run"),
        (
            {"datasets": [{"name": "report.html", "path": "a.h5ad"}]},
            "'report.html' is the name of a file or folder of every run",
        ),
        ({"datasets": []}, "datasets: .*at least 1 item"),
        ({"datasets": "pbmc68k"}, "datasets: .*valid list, found 'pbmc68k'"),
        ({"datasets": ["pbmc68k", {"name": "pbmc68k"}]}, "datasets names pbmc68k twice"),
        (
            {"vae": {"batch_correction": True}},
            "needs batch_column of the data set pbmc68k-sample, found none",
        ),
        ({"subset": {"sizes": [5, 5]}}, "sizes must differ"),
        ({"subset": {"sizes": []}}, "subset.sizes: .*at least 1 item"),
        ({"subset": {"sizes": ["most"]}}, "found 'most'"),
        ({"split": {"train": 0.9, "validation": 0.1}}, "must leave cells to test, found 0.9"),
        ({"choice": {"by": "fixed"}}, "require each other"),
        ({"choice": {"models": ["gmvae-z10-h100"]}}, "require each other"),
        ({"choice": {"by": "fixed", "models": ["10-100"]}}, "'10-100' is not a model name"),
        (
            {"choice": {"by": "fixed", "models": ["gmvae-z3-h1"]}},
            "gmvae-z3-h1, which is not in the grid",
        ),
        (grid(models=[{"latent_dim": [5, 5], "hidden_units": 3}]), "names gmvae-z5-h3 twice"),
        (grid(models=[{"latent_dim": 5}]), "grid.models.0.hidden_units: Field required"),
        (grid(models=[]), "grid.models: .*at least 1 item"),
        (grid(representations=[]), "grid.representations: .*at least 1 item"),
        (grid(classifiers=[]), "grid.classifiers: .*at least 1 item"),
        (grid(classifiers=["svm"]), "grid: expected a classifier among .*found 'svm'"),
        (grid(representations=["pca-7"]), "grid: expected a representation among .*found 'pca-7'"),
        (grid(representations=["gmvae-z1-h2"]), "gmvae-z1-h2, which belongs under models"),
        (grid(representations=["raw", "raw"]), "grid: representations names raw twice"),
        (grid(classifiers=["ffnn", "ffnn"]), "grid: classifiers names ffnn twice"),
        (
            grid(replicates={"scvi-z10": 2}),
            "grid: replicates names scvi-z10, which is not in the grid",
        ),
        (grid(replicates={"raw": 0}), "grid.replicates.raw: .*found 0"),
        (
            grid(representations=["raw", "consensus-x"]),
            "grid: representations names consensus-x, which belongs under consensus",
        ),
        (
            grid(consensus={"two": ["raw/ffnn", "pca-k7/ffnn"]}),
            "grid: consensus.two: expected representation/classifier, a pair of the grid, found "
            "pca-k7/ffnn",
        ),
        (
            grid(consensus={"two": ["raw/ffnn", "raw/knn"]}),
            "grid: consensus.two: expected representation/classifier, a pair .*found raw/knn",
        ),
        (grid(consensus={"two": ["raw/ffnn", "raw/ffnn"]}), "consensus.two names raw/ffnn twice"),
        (grid(consensus={"two": ["raw/ffnn"]}), "grid.consensus.two: .*at least 2 items"),
        (grid(consensus={"two": ["raw", "ffnn"]}), "grid.consensus.two.0: .*found 'raw'"),
        (grid(consensus={"A_b": ["raw/ffnn", "pca-k10/ffnn"]}), "grid.consensus.A_b.*pattern"),
        (
            {"latents": {"split": "scvae"}} | grid(consensus={"x": ["raw/ffnn", "pca-k10/ffnn"]}),
            "grid.classifiers: expected generative models of the same cells and split",
        ),
        (
            {"latents": {"split": "scvae"}} | grid(classifiers=["ffnn", "knn"]),
            "grid.classifiers: expected generative models of the same cells and split",
        ),
        ({"choice": {"classified": "some"}}, "choice.classified: .*found 'some'"),
        ({"jobs": {"pool_models": 2}}, "jobs.pool_models: .*found 2"),
        (
            {"comparison": {"protocols": ["as-run"]}} | grid(classifiers=["knn"]),
            "comparison: expected ffnn, .*found knn",
        ),
        (
            {"comparison": {"ablations": ["as-run"], "ablation_model": "vae-z1-h1"}},
            "comparison.ablation_model names vae-z1-h1, which is not in the grid",
        ),
        (
            {"comparison": {"ablations": ["as-run"], "ablation_components": 7}},
            "comparison.ablation_components is 7, but grid.representations does not contain pca-k7",
        ),
        (
            {"comparison": {"training_cells": [50]}},
            "comparison.training_cells: expected more than the 50",
        ),
    ],
)
def test_bad_configurations_are_refused_with_a_sentence(config, said):
    with pytest.raises(InputError, match=f"^here: .*{said}") as caught:
        parse_settings(config, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"dataset": {"name": "pbmc68k"}}, "dataset was replaced by datasets, a list"),
        (
            {"grid": [{"latent_dim": 5, "hidden_units": 3}]},
            "grid is now a section: .*grid.models",
        ),
        ({"pca": {"components": [5]}}, "pca.components was replaced by names in grid.repres"),
        ({"ffnn": {"raw": False}}, "ffnn.raw was replaced by the name raw in grid.repres"),
        ({"leaderboard": {}}, "leaderboard was replaced by grid.representations, grid"),
        ({"few_labels": {}}, "few_labels was replaced by comparison.labelled_shares"),
        ({"annotate": {"averages": True}}, "annotate.averages was replaced by annotate.combine"),
        ({"jobs": {"models_per_job": 4}}, "jobs.models_per_job was removed: .*jobs.pool_models"),
        ({"jobs": {"classifiers_per_job": 4}}, "jobs.classifiers_per_job was removed"),
    ],
)
def test_keys_that_have_moved_are_refused_with_their_new_place(config, said):
    with pytest.raises(InputError, match=f"^here: {said}") as caught:
        parse_settings(config, "here")
    assert "found" not in str(caught.value)
    assert "known key" not in str(caught.value)


def test_files_that_are_no_configuration_are_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    (tmp_path / "tag.yaml").write_text("run: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match=r"list\.yaml: expected keys and values, found list"):
        load_settings(tmp_path / "list.yaml")
    for name in ("broken", "tag", "absent"):
        with pytest.raises(InputError, match=rf"{name}\.yaml: expected a readable YAML file"):
            load_settings(tmp_path / f"{name}.yaml")


def test_a_renamed_folder_of_results_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_renamed("mine")
    stored = Path("results/mine/config.yaml")
    stored.parent.mkdir(parents=True)
    for text in ("run: mine\n", "run: [\n", "", "- 1\n", "replicates: 2\n"):
        stored.write_text(text)
        refuse_renamed("mine")
    stored.write_text("run: other\n")
    said = r"mine: expected the results of the run mine, found those of other in its {}: .*/other"
    with pytest.raises(InputError, match=said.format("config.yaml")):
        refuse_renamed("mine")
    # A run of single tables stores no configuration.
    stored.unlink()
    table = Path("results/mine/tables/table5.csv")
    write_text(table, "accuracy\n")
    record([table])
    refuse_renamed("mine")
    Path("results/mine").rename("results/other")
    with pytest.raises(InputError, match="run other, found those of mine in its checksums: "):
        refuse_renamed("other")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"vae": {"epochs": "3"}}, "vae.epochs: expected a whole number, found the text '3'"),
        (
            {"vae": {"dropout": {"hidden": "0.5"}}},
            "hidden: expected a number, found the text '0.5'",
        ),
        ({"annotate": {"align": "true"}}, "align: expected true or false, found the text 'true'"),
    ],
)
def test_numbers_within_braces_of_the_command_line_are_named(config, said):
    """`--config vae='{epochs: 3}'` is a section of texts, whereas `replicates=3` is a number."""
    said = f"^the configuration: .*{said}: write it in a file without quotation marks .--config"
    with pytest.raises(InputError, match=said):
        parse_settings(config)


def test_settings_survive_yaml_and_json():
    settings = load_settings(ROOT / "config/study.yaml")
    plain = settings.model_dump(mode="json")
    assert parse_settings(yaml.safe_load(yaml.safe_dump(plain))) == settings
    assert parse_settings(json.loads(json.dumps(plain))) == settings


def test_settings_import_light_libraries_only():
    heavy = ("numpy", "pandas", "scipy", "anndata", "torch", "sklearn", "snakemake")
    code = (
        f"import sys, latentcell.config.settings; print([n for n in {heavy} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().run = "other"


def test_representations_and_replicates_are_named():
    names = ["pca-k30", "raw", "hvg-pca-k5", "pca-k4"]
    points = [
        {"kind": "vae", "latent_dim": 2, "hidden_units": [3, 4]},
        {"latent_dim": [2, 5], "hidden_units": 3},
    ]
    settings = parse_settings({"replicates": 2} | grid(representations=names, models=points))
    assert settings.replicate_names() == ["r1", "r2"]
    assert settings.baselines() == names
    assert settings.pca_components() == [4, 30]
    models = [("vae", 2, 3), ("vae", 2, 4), ("gmvae", 2, 3), ("gmvae", 5, 3)]
    assert settings.models() == [ModelName(*model) for model in models]
    assert settings.representations() == [*names, *map(str, settings.models())]
    assert parse_settings({}).pca_components() == [10, 25, 50, 100]
    assert parse_settings(grid(representations=["raw"])).pca_components() == []


def test_some_representations_have_fewer_replicates():
    fewer = grid(representations=["raw", "log"], replicates={"log": 3, "gmvae-z10-h100": 1})
    asked = parse_settings(fewer).grid
    assert [asked.replicates_of(name, 5) for name in ("raw", "log", "gmvae-z10-h100")] == [5, 3, 1]
    assert asked.replicates_of("log", 2) == 2


def test_a_data_set_is_a_name_or_a_section():
    own = {"name": "mine", "path": "mine.h5ad", "layer": "counts"}
    settings = parse_settings({"datasets": ["pbmc68k-study", own]})
    assert settings.dataset_names() == ["pbmc68k-study", "mine"]
    assert settings.dataset("mine").layer == "counts"
    assert settings.dataset("mine").local_files() == ["mine.h5ad"]
    assert settings.dataset("pbmc68k-study").is_built_in
    assert settings.dataset("pbmc68k-study").local_files() == []
    assert parse_settings({}).dataset_names() == ["pbmc68k-sample"]
    with pytest.raises(KeyError):
        settings.dataset("pbmc68k")


def test_a_file_elsewhere_is_no_local_file():
    remote = {"name": "far", "path": "https://example.org/far.h5ad", "labels": "types.tsv"}
    far = parse_settings({"datasets": [remote]}).dataset("far")
    assert far.is_remote
    assert not far.is_built_in
    assert far.local_files() == ["types.tsv"]


def test_schema_and_keys_are_generated_from_the_settings():
    assert schema.SCHEMA.read_text() == schema.schema_text(), "run `make schema`"
    assert schema.KEYS.read_text() == schema.keys_text(), "run `make schema`"


def test_schema_refuses_unknown_keys_everywhere():
    described = json.loads(schema.schema_text())
    objects = [described, *described["$defs"].values()]
    assert len(objects) > 8
    assert all(one["additionalProperties"] is False for one in objects)


def test_schema_takes_data_sets_by_name():
    described = json.loads(schema.schema_text())
    assert {"type": "string"} in described["properties"]["datasets"]["items"]["anyOf"]


def test_every_key_is_described():
    text = schema.keys_text()
    for section in Settings.model_fields:
        assert f"`{section}`" in text
    for title in ("datasets", "grid", "grid.models", "labels", "vae.dropout"):
        assert f"\n## `{title}`\n" in text
    assert not re.search(r"\| None \|", text)


def test_where_the_results_lie():
    assert "results/study/report.html" in places("study")
    assert "results/study/answer.html" in places("study")


def test_variable_genes_need_the_closed_form():
    with pytest.raises(InputError, match="vae: variable_genes needs unexpressed_genes"):
        parse_settings({"vae": {"preset": "scvae", "variable_genes": 2000}})
    assert parse_settings({"vae": {"variable_genes": 2000}}).vae.variable_genes == 2000


def test_the_preset_of_a_model_must_fit_the_section():
    def parsed(own, **vae):
        model = {"latent_dim": 4, "hidden_units": 8, "preset": own}
        return parse_settings({"grid": {"models": [model]}, "vae": vae})

    said = "grid.models: preset recommended does not fit section vae: dispersion: gene goes with"
    with pytest.raises(InputError, match=said):
        parsed("recommended", likelihood="poisson")
    assert parsed("recommended", preset="scvae").vae.preset == "scvae"
    assert parsed("latentcell", preset="recommended", likelihood="negative-binomial")
    assert parsed("scvae", likelihood="poisson")
