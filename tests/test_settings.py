import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from latentcell import schema
from latentcell.errors import InputError
from latentcell.names import ModelName
from latentcell.settings import Settings, load_settings, parse_settings
from latentcell.where import places

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_are_valid(path):
    settings = load_settings(path)
    assert settings.run == {"config": "sample"}.get(path.stem, path.stem)
    assert settings.models()


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
        ({"epoch": 3}, "epoch is no known key"),
        ({"vae": {"epoch": 3}}, "vae.epoch is no known key"),
        ({"vae": {"epochs": 0}}, "vae.epochs: .*greater than or equal to 1, found 0"),
        ({"vae": {"epochs": "ten"}}, "vae.epochs: .*integer, found 'ten'"),
        ({"vae": {"epochs": True}}, "vae.epochs: .*found True"),
        ({"vae": {"learning_rate": -1e-3}}, "vae.learning_rate: .*found -0.001"),
        ({"run": "../elsewhere"}, "run: .*found '../elsewhere'"),
        ({"dataset": {"name": "mine"}}, "'mine' is not built in"),
        ({"dataset": {"path": "x.h5ad"}}, "'pbmc68k-sample' is built in"),
        ({"subset": {"sizes": [5, 5]}}, "sizes must differ"),
        ({"subset": {"sizes": []}}, "subset.sizes: .*at least 1 item"),
        ({"subset": {"sizes": ["most"]}}, "found 'most'"),
        ({"split": {"train": 0.9, "validation": 0.1}}, "must leave cells to test, found 0.9"),
        ({"choice": {"by": "fixed"}}, "belong together"),
        ({"choice": {"models": ["gmvae-z10-h100"]}}, "belong together"),
        ({"choice": {"by": "fixed", "models": ["10-100"]}}, "'10-100' is no model name"),
        ({"choice": {"by": "fixed", "models": ["gmvae-z3-h1"]}}, "gmvae-z3-h1, which the grid"),
        ({"grid": [{"latent_dim": [5, 5], "hidden_units": 3}]}, "grid names gmvae-z5-h3 twice"),
        ({"grid": [{"latent_dim": 5}]}, "grid.0.hidden_units: Field required"),
        ({"grid": []}, "grid: .*at least 1 item"),
        ({"leaderboard": {"classifiers": ["svm"]}}, "expected a classifier among .*found 'svm'"),
        ({"leaderboard": {"representations": ["pca-k7"]}}, "neither the grid nor pca.components"),
        ({"leaderboard": {"representations": ["raw", "raw"]}}, "leaderboard names raw twice"),
        ({"leaderboard": {"replicates": {"raw": 2}}}, "leaderboard.replicates names raw"),
        (
            {
                "latents": {"split": "scvae"},
                "leaderboard": {"representations": ["gmvae-z10-h100"]},
            },
            "models of the same cells and split",
        ),
    ],
)
def test_bad_configurations_are_refused_with_a_sentence(config, said):
    with pytest.raises(InputError, match=f"^here: .*{said}") as caught:
        parse_settings(config, "here")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_configuration_are_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    (tmp_path / "tag.yaml").write_text("run: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match=r"list\.yaml: expected keys and values, found list"):
        load_settings(tmp_path / "list.yaml")
    for name in ("broken", "tag", "absent"):
        with pytest.raises(InputError, match=rf"{name}\.yaml: expected a readable YAML file"):
            load_settings(tmp_path / f"{name}.yaml")


def test_settings_survive_yaml_and_json():
    settings = load_settings(ROOT / "config/study.yaml")
    plain = settings.model_dump(mode="json")
    assert parse_settings(yaml.safe_load(yaml.safe_dump(plain))) == settings
    assert parse_settings(json.loads(json.dumps(plain))) == settings


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().run = "other"


def test_inputs_and_replicates_are_named():
    settings = parse_settings({"replicates": 2, "pca": {"components": [3]}})
    assert settings.replicate_names() == ["r1", "r2"]
    assert settings.baseline_inputs() == ["raw", "pca-k3"]
    no_raw = parse_settings({"ffnn": {"raw": False}, "pca": {"components": [3]}})
    assert no_raw.baseline_inputs() == ["pca-k3"]
    point = parse_settings({"grid": [{"kind": "vae", "latent_dim": 2, "hidden_units": [3, 4]}]})
    assert point.models() == [ModelName("vae", 2, 3), ModelName("vae", 2, 4)]


def test_schema_and_keys_are_generated_from_the_settings():
    assert schema.SCHEMA.read_text() == schema.schema_text(), "run `make schema`"
    assert schema.KEYS.read_text() == schema.keys_text(), "run `make schema`"


def test_schema_refuses_unknown_keys_everywhere():
    described = json.loads(schema.schema_text())
    objects = [described, *described["$defs"].values()]
    assert len(objects) > 8
    assert all(one["additionalProperties"] is False for one in objects)


def test_every_key_is_described():
    text = schema.keys_text()
    for section in Settings.model_fields:
        assert f"`{section}`" in text
    assert not re.search(r"\| None \|", text)


def test_where_the_results_lie():
    assert "results/study/report.html" in places("study")
    assert "results/study/answer.html" in places("study")


def test_variable_genes_need_the_closed_form():
    with pytest.raises(InputError, match="vae: variable_genes needs unexpressed_genes"):
        parse_settings({"vae": {"preset": "scvae", "variable_genes": 2000}})
    assert parse_settings({"vae": {"variable_genes": 2000}}).vae.variable_genes == 2000
