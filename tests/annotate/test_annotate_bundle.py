"""Bundles: they annotate cells without the reference; foreign or changed ones are refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import latentcell.annotate
from latentcell.annotate import annotate_cells, learn, load_bundle, save_bundle
from latentcell.annotate.bundle import _digest
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError
from latentcell.runtime.mark import bears_mark, marking

SETTINGS = AnnotateSettings(
    **{"variable_genes": 60, "components": 8, "penalties": [0.1, 1.0], "latent_dim": 2},
    **{"hidden_units": 8, "epochs": 4, "early_stopping": 1, "learning_rate": 0.02},
)


BINARY = [f"{name}.safetensors" for name in ("classifier", "density", "held_out", "sample")]


@pytest.fixture(scope="module")
def learnt(simulate):
    return learn(simulate([60, 40, 20], genes=60, depth=400, seed=1), SETTINGS)


@pytest.fixture(scope="module")
def stored(learnt, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "model"
    save_bundle(learnt, folder)
    return folder


@pytest.fixture
def copied(stored, tmp_path):
    """A copy of a bundle, to be damaged."""
    return shutil.copytree(stored, tmp_path / "model")


@pytest.fixture(scope="module")
def query(simulate):
    return simulate([20, 20, 20], genes=60, depth=400, seed=2)


def rewrite(folder, **changes):
    """Change the content of `bundle.json`, with a matching digest."""
    path = folder / "bundle.json"
    about = json.loads(path.read_text()) | changes
    about.pop("digest")
    path.write_text(json.dumps(about | {"digest": _digest(about)}))


def test_learnt_cells_are_counted_and_measured(learnt):
    about = learnt.reference
    assert about["cells"] == {"training": 96, "validation": 12, "test": 12}
    assert about["cells_of_types"] == {"type 000": 48, "type 001": 32, "type 002": 16}
    assert about["test"]["cells"] == 12
    assert about["test"]["accuracy"] > 0.8
    assert 0 <= about["test"]["novel"] <= 1
    assert "simulated" not in about


def test_a_stored_bundle_types_cells_alike(learnt, stored, query):
    again = load_bundle(stored)
    assert again.reference == learnt.reference
    assert again.settings == learnt.settings
    pd.testing.assert_frame_equal(again.genes, learnt.genes, check_index_type=False)
    wanted = annotate_cells(learnt, sp.csr_matrix(query.X), query.var)
    found = annotate_cells(again, sp.csr_matrix(query.X), query.var)
    pd.testing.assert_frame_equal(found.cells, wanted.cells)
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)
    for name, values in wanted.representations.items():
        np.testing.assert_array_equal(found.representations[name], values)
    assert found.report == wanted.report


def test_equal_content_gives_equal_bytes_and_replaces_a_bundle(learnt, stored, copied, tmp_path):
    (copied / "genes.csv").write_text("damaged")
    save_bundle(load_bundle(stored), copied)
    files = sorted(path.name for path in stored.iterdir())
    assert files == sorted(["bundle.json", "genes.csv", *BINARY])
    assert sorted(path.name for path in copied.iterdir()) == files
    for name in files:
        assert (copied / name).read_bytes() == (stored / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # Nothing unfinished is left.


def test_a_bundle_without_density_has_no_file_of_it(learnt, tmp_path):
    save_bundle(replace(learnt, density=None), tmp_path / "new" / "model")
    assert not (tmp_path / "new/model/density.safetensors").exists()
    assert load_bundle(tmp_path / "new/model").density is None


def test_a_bundle_of_simulated_cells_can_be_read(learnt, tmp_path):
    """The mark of simulated cells is not taken for damage."""
    with marking(True):
        save_bundle(learnt, tmp_path / "model")
    assert bears_mark(tmp_path / "model/bundle.json")
    assert load_bundle(tmp_path / "model").classifier.types == learnt.classifier.types


def test_a_reference_of_simulated_cells_says_so(simulate):
    reference = simulate([30, 30], genes=60, depth=400)
    reference.uns["simulated"] = "SIMULATED cells"
    about = learn(reference, SETTINGS.model_copy(update={"density": False})).reference
    assert about["simulated"] == "SIMULATED cells"
    assert "novel" not in about["test"]


def test_something_else_is_not_replaced(learnt, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    save_bundle(replace(learnt, density=None), folder)  # An empty folder is free.
    assert (folder / "bundle.json").is_file()
    (folder / "bundle.json").rename(folder / "mine.txt")
    for taken in (folder, folder / "mine.txt"):
        with pytest.raises(InputError, match=r"found something else: choose another name"):
            save_bundle(learnt, taken)
    assert (folder / "mine.txt").is_file()


def test_other_files_beside_a_bundle_are_not_lost(copied, learnt):
    (copied / "typed.h5ad").touch()
    with pytest.raises(InputError, match=r"such as typed\.h5ad, which would be lost"):
        save_bundle(learnt, copied)
    assert (copied / "typed.h5ad").is_file()


@pytest.mark.parametrize("name", [".", "..", "absolute"])
def test_the_working_folder_is_not_replaced(learnt, tmp_path, monkeypatch, name):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(InputError, match="expected another folder than the working folder"):
        save_bundle(learnt, tmp_path / "in" if name == "absolute" else name)
    assert (tmp_path / "in").is_dir()


@pytest.mark.parametrize("name", ["genes.csv", *BINARY])
def test_a_changed_file_is_refused(copied, name):
    path = copied / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"expected an intact bundle, found {name} changed: copy"):
        load_bundle(copied)
    path.unlink()
    with pytest.raises(InputError, match=f"found no bundle file {name}"):
        load_bundle(copied)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"a folder with bundle\.json, found none: make one"):
            load_bundle(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"found an unreadable bundle\.json"),
        ("[1]", "expected the format latentcell-annotator, found 'list'"),
        ('{"format": "another"}', "expected the format latentcell-annotator, found 'another'"),
        (
            '{"format": "latentcell-annotator", "format_version": 99, "latentcell": "9.9"}',
            r"expected version 5 of the format, found 99, written by latentcell 9\.9: use that",
        ),
    ],
)
def test_a_foreign_description_is_refused(copied, text, said):
    (copied / "bundle.json").write_text(text)
    with pytest.raises(InputError, match=said):
        load_bundle(copied)


def test_a_changed_description_is_refused(copied):
    path = copied / "bundle.json"
    about = json.loads(path.read_text())
    about["classifier"]["threshold"] = 0.0
    path.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"found bundle\.json changed"):
        load_bundle(copied)


def test_no_other_files_are_opened(copied):
    digests = json.loads((copied / "bundle.json").read_text())["sha256"]
    (copied.parent / "secret").write_text("secret")
    rewrite(copied, sha256=digests | {"../secret": "0"})
    with pytest.raises(InputError, match=r"found no bundle file \.\./secret"):
        load_bundle(copied)


def swap_genes(folder, change):
    """Replace the table of genes by a changed one, with matching digests."""
    from latentcell.runtime.provenance import file_digest

    genes = pd.read_csv(folder / "genes.csv", dtype=str)
    change(genes).to_csv(folder / "genes.csv", index=False)
    digests = json.loads((folder / "bundle.json").read_text())["sha256"]
    rewrite(folder, sha256=digests | {"genes.csv": file_digest(folder / "genes.csv")})


def test_parts_that_do_not_fit_are_refused(copied):
    about = json.loads((copied / "bundle.json").read_text())["classifier"]
    rewrite(copied, classifier=about | {"types": [*about["types"], "one more"]})
    with pytest.raises(InputError, match=r"do not fit \(markers has the shape \(3, 10\), not"):
        load_bundle(copied)
    rewrite(copied, classifier={"types": about["types"]})
    with pytest.raises(InputError, match=r"found parts that do not fit \('experts'\)"):
        load_bundle(copied)
    rewrite(copied, classifier=about)
    load_bundle(copied)
    swap_genes(copied, lambda genes: genes.iloc[:-1])
    with pytest.raises(InputError, match=r"mean_counts has the shape \(60,\), not \(59,\)"):
        load_bundle(copied)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("spread", lambda array: array * np.nan, "spread has the shape"),
        ("components.genes", lambda array: array - 1, "other genes"),
        ("components.genes", lambda array: array + 1, "other genes"),
    ],
)
def test_arrays_that_are_nonsense_are_refused(copied, name, change, said):
    from safetensors.numpy import load_file, save_file

    from latentcell.runtime.provenance import file_digest

    path = copied / "classifier.safetensors"
    tensors = load_file(path)
    save_file(tensors | {name: change(tensors[name])}, path)
    digests = json.loads((copied / "bundle.json").read_text())["sha256"]
    rewrite(copied, sha256=digests | {path.name: file_digest(path)})
    with pytest.raises(InputError, match=said):
        load_bundle(copied)


def test_a_density_of_other_genes_is_refused(copied, simulate, tmp_path):
    reference = simulate([40, 30], genes=50, depth=400)
    other = tmp_path / "other"
    save_bundle(learn(reference, SETTINGS.model_copy(update={"epochs": 1})), other)
    shutil.copy(other / "density.safetensors", copied)
    mine, theirs = (
        json.loads((folder / "bundle.json").read_text())["sha256"] for folder in (copied, other)
    )
    key = "density.safetensors"
    rewrite(copied, sha256=mine | {key: theirs[key]})
    with pytest.raises(InputError, match="the density model has other genes"):
        load_bundle(copied)


def test_parts_are_imported_when_asked_for():
    assert latentcell.annotate.Annotator.__module__ == "latentcell.annotate.annotator"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = latentcell.annotate.nothing
