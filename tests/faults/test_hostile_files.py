"""Files that are made to run something, or to be read where nothing is: refused in a sentence."""

import ast
import json
import os
import pickle
import struct

import anndata as ad
import h5py
import numpy as np
import pytest

from latentcell.annotate.bundle import load_bundle
from latentcell.classify.network import load_ffnn
from latentcell.config.settings import DatasetSettings
from latentcell.data.readers import read_counts
from latentcell.models.checkpoint import load
from latentcell.represent.pca import load_pca
from latentcell.runtime.errors import InputError
from latentcell.runtime.provenance import PACKAGE

LOADERS = {"model": load, "ffnn": load_ffnn, "pca": load_pca}
GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
META = {"__metadata__": {"latentcell": "{}", "format": "pt"}}


class Payload:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def header(entries, length=None):
    """A safetensors file of eight bytes, and whatever its header says of them."""
    text = entries if isinstance(entries, bytes) else json.dumps(META | entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(8)


LYING = {
    "empty": b"",
    "length-alone": struct.pack("<Q", 16),
    "longer-than-the-file": header({"a": GOOD}, 10**6),
    "longer-than-any": header({"a": GOOD}, 2**64 - 1),
    "shorter-than-itself": header({"a": GOOD}, 9),
    "no-json": header(b"{" * 64),
    "deep-json": header(b"[" * 100_000),
    "no-text": header(b"\xff" * 64),
    "list": header(b"[1, 2]"),
    "outside": header({"a": GOOD | {"shape": [4], "data_offsets": [0, 16]}}),
    "backwards": header({"a": GOOD | {"data_offsets": [8, 0]}}),
    "negative": header({"a": GOOD | {"data_offsets": [-8, 0]}}),
    "negative-shape": header({"a": GOOD | {"shape": [-2]}}),
    "huge-shape": header({"a": GOOD | {"shape": [2**62, 2**62]}}),
    "other-shape": header({"a": GOOD | {"shape": [200]}}),
    "overlapping": header({"a": GOOD, "b": GOOD}),
    "no-such-type": header({"a": GOOD | {"dtype": "O"}}),
    "lying-description": header(
        json.dumps({"__metadata__": {"latentcell": "[" * 50_000}, "a": GOOD}).encode()
    ),
}


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", LYING)
def test_safetensors_with_lying_headers(tmp_path, kind, name):
    path = tmp_path / "model.safetensors"
    path.write_bytes(LYING[name])
    with pytest.raises(InputError, match=r"model\.safetensors: expected"):
        LOADERS[kind](path)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_pickle_in_place_of_a_model_is_not_run(tmp_path, kind):
    path, mark = tmp_path / "model.safetensors", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(InputError, match=r"model\.safetensors: expected"):
        LOADERS[kind](path)
    assert not mark.exists()


@pytest.mark.parametrize("suffix", ["h5ad", "h5", "loom", "mtx", "tsv", "tar.gz", "csv.gz"])
def test_a_pickle_in_place_of_cells_is_not_run(tmp_path, suffix):
    path, mark = tmp_path / f"cells.{suffix}", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(InputError, match=r"cells|expected"):
        read_counts(DatasetSettings(name="own", path=str(path)))
    assert not mark.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("bundle.json", "genes.csv"),
        *("classifier.safetensors", "held_out.safetensors", "sample.safetensors"),
    ],
)
def test_a_pickle_in_a_bundle_is_not_run(tmp_path, name):
    mark = tmp_path / "executed"
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / name).write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(InputError, match="bundle"):
        load_bundle(folder)
    assert not mark.exists()


def objects(file, place, payload):
    """Pickled bytes under a type that HDF5 does not look into."""
    if place in file:
        del file[place]
    file.create_dataset(place, data=np.array([payload] * 3, dtype=f"V{len(payload)}"))
    file[place].attrs["encoding-type"], file[place].attrs["encoding-version"] = "array", "0.2.0"


@pytest.mark.parametrize("place", ["X", "obs/cell_type", "obs/_index", "var/_index", "uns/more"])
def test_objects_in_an_h5ad_are_not_run(tmp_path, place):
    path, mark = tmp_path / "cells.h5ad", tmp_path / "executed"
    cells = ad.AnnData(np.ones((3, 3), np.float32))
    cells.obs["cell_type"] = ["a", "b", "a"]
    cells.write_h5ad(path)
    with h5py.File(path, "a") as file:
        objects(file, place, pickle.dumps(Payload(mark)))
    try:
        found = read_counts(DatasetSettings(name="own", path=str(path)))
    except InputError as error:
        assert "cells.h5ad: expected" in str(error)
    else:
        assert place in ("uns/more", "obs/cell_type")
        assert found.shape == (3, 3)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b", "..", "", ".hidden", "a\x00b"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        DatasetSettings(name=name, path="cells.h5ad")


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "torch.save", "np.load", "np.save", "yaml.load"}


def test_nothing_in_the_package_unpickles_or_evaluates():
    looked_at = 0
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parents[1] / "scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            looked_at += 1
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES, path
            elif isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
                assert not {"allow_pickle"} & {key.arg for key in node.keywords}, path
    assert looked_at > 10_000
