"""The command ``latentcell``: output, files and exit status."""

import json
import os
import runpy
import shlex
import subprocess
import sys
import warnings
from importlib import import_module

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

from latentcell import __version__
from latentcell.annotate import load_bundle
from latentcell.cli import COMMANDS, main
from latentcell.cli.annotate import _stem
from latentcell.cli.options import available_cores
from latentcell.config.recommending import recommend_model
from latentcell.config.settings import GridPoint, Settings

# They import `find` by its name: before a test replaces it.
for name in ("latentcell.annotate.files", "latentcell.data.importing"):
    import_module(name)


def simulated(sizes, seed, genes=60):
    """Cells of types that differ in a third of their genes."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    profiles = np.tile(np.random.default_rng(99).lognormal(0.5, 0.8, genes), (len(sizes), 1))
    for code, profile in enumerate(profiles):
        profile[code :: len(sizes)] *= 4
    obs = pd.DataFrame(
        {
            "cell_type": [f"type {code}" for code in codes],
            "donor": [f"donor {number}" for number in rng.integers(2, size=len(codes))],
        },
        index=[f"cell-{seed}-{number}" for number in range(len(codes))],
    )
    symbols = [f"GENE{gene}A" for gene in range(genes)]
    var = pd.DataFrame({"symbol": symbols}, index=[f"ENSG{gene:011d}" for gene in range(genes)])
    counts = sp.csr_matrix(rng.poisson(profiles[codes]).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=var)


@pytest.fixture(autouse=True)
def usual_warnings(monkeypatch):
    """Restore the format of warnings, which the command changes for its process."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A reference, a query, and a bundle that `latentcell train` has made, without a density."""
    folder = tmp_path_factory.mktemp("command")
    simulated([60, 40, 20], 1).write_h5ad(folder / "reference.h5ad")
    query = simulated([15, 15, 15], 2)
    query.obs = query.obs.drop(columns="cell_type")
    query.write_h5ad(folder / "query.h5ad")
    bundle = str(folder / "model")
    assert main(["train", str(folder / "reference.h5ad"), "--bundle", bundle, "--no-density"]) == 0
    return folder


def called(capsys, *arguments):
    """Return exit status, output and error output of a command."""
    capsys.readouterr()
    try:
        status = main(list(map(str, arguments)))
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    return status, said.out, said.err


def refused(capsys, *arguments):
    """Return the message with which a file or value is refused."""
    status, out, err = called(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("latentcell: ")
    assert err.count("\n") == 1
    return err


def misunderstood(capsys, *arguments):
    """Return the message with which a command is refused."""
    status, out, err = called(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("latentcell: ")
    assert err.endswith(" --help\n")
    return err


def test_help_names_the_commands(capsys):
    status, out, err = called(capsys, "--help")
    assert (status, err) == (0, "")
    assert out.startswith("usage: latentcell")
    assert all(f"    {name} " in out for name in COMMANDS)
    assert "exit status: 0 on success, 1 if a file or value cannot be used" in out


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("check", ["--labels COLUMN", "--write-config FILE", "--labels-file FILE", "--force"]),
        (
            "check",
            [
                "--budget MINUTES",
                "--layer NAME",
                "--format FORMAT",
                "--orientation ROWS",
                "--genome NAME",
            ],
        ),
        ("verify", ["CONFIG_OR_RUN", "--repair"]),
        ("train", ["--bundle FOLDER", "--labels COLUMN", "--seed N", "--no-density"]),
        ("annotate", ["--output FILE", "--query-layer NAME", "--threads N", "--no-density"]),
        ("annotate", ["--query-format", "--query-orientation", "--query-genome", "--force"]),
    ],
)
def test_help_of_a_command(capsys, name, options):
    status, out, _ = called(capsys, name, "--help")
    assert status == 0
    assert out.startswith(f"usage: latentcell {name}")
    assert all(option in out for option in options)
    assert f"  latentcell {name} " in out.split("examples:")[1]


def test_version(capsys):
    assert called(capsys, "--version") == (0, f"latentcell {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "arguments are required: COMMAND"),
        (["type"], "invalid choice: 'type'"),
        (["check"], "arguments are required: file: see latentcell check --help"),
        (["train", "a.h5ad"], "arguments are required: --bundle: see latentcell train --help"),
        (["train", "a.h5ad", "--bundle", "b", "--seed", "-1"], "expected"),
        (["train", "a.h5ad", "--bundle", "b", "--seed", "x"], "number below 2^31, found 'x'"),
        (["train", "a.h5ad", "--bundle", "b", "--seed", "2147483648"], "number below 2^31"),
        (["annotate", "a", "b", "--threads", "0"], "number of at least 1, found '0'"),
        (["annotate", "a"], "or --bundle and a query, found one file"),
        (["annotate", "a", "b", "c"], "expected a reference and a query, found 3 files"),
        (["annotate", "a", "--bundle", "b", "--labels", "c"], "--labels is for a reference"),
        (["annotate", "a", "--bundle", "b", "--layer", "c"], "use --query-layer"),
        (["annotate", "a", "--bundle", "b", "--seed", "0"], "--seed is for a reference"),
        (["annotate", "a", "--bundle", "b", "--genome", "g"], "--genome is for a reference"),
        (["annotate", "a", "--bundle", "b", "--fast"], "--fast is for a reference"),
        (["annotate", "a", "--bundle", "b", "--labels-file", "g"], "--labels-file is for a ref"),
        (["check", "a", "--format", "xlsx"], "invalid choice: 'xlsx'"),
        (["check", "a", "--budget", "x"], "expected a number of minutes above 0, found 'x'"),
        (["check", "a", "--budget", "0"], "expected a number of minutes above 0, found '0'"),
        (["check", "a", "--budget=-5"], "expected a number of minutes above 0, found '-5'"),
        (["check", "a", "--budget", "nan"], "expected a number of minutes above 0, found 'nan'"),
        (["check", "a", "--budget", "inf"], "expected a number of minutes above 0, found 'inf'"),
        (["annotate", "a", "b", "-o", "c.csv"], "-o: expected a name that ends in .h5ad, found c"),
        (["annotate", "a", "b", "-o", "c.h5ad", "--bundle", "c.csv"], "different names, found c"),
    ],
)
def test_commands_that_cannot_be_understood(capsys, arguments, said):
    assert said in misunderstood(capsys, *arguments)


def test_training_says_how_well_it_went(capsys, files, tmp_path):
    bundle = tmp_path / "my model"
    arguments = ["train", files / "reference.h5ad", "--bundle", bundle, "--no-density"]
    status, out, _ = called(capsys, *arguments)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == (
        "reference   own-reference: 3 types, 96 training, 12 validation and 12 test cells"
    )
    assert lines[-2:] == [
        f"bundle      {bundle}",
        f"next        latentcell annotate --bundle '{bundle}' query.h5ad -o typed.h5ad",
    ]
    assert not any(line.startswith("novel") for line in lines)
    for path in (files / "model").iterdir():  # The same again.
        assert (bundle / path.name).read_bytes() == path.read_bytes()


def test_training_with_another_seed_and_a_density(capsys, files, tmp_path, monkeypatch):
    from latentcell.annotate import files as steps

    train, asked = steps.train, []

    def quickly(reference, settings, **rest):
        asked.append(settings)
        few = {"epochs": 1, "hidden_units": 8, "latent_dim": 2}
        return train(reference, settings.model_copy(update=few), **rest)

    monkeypatch.setattr(steps, "train", quickly)
    bundle = tmp_path / "model"
    arguments = ["train", files / "reference.h5ad", "--bundle", bundle, "--seed", 0]
    status, out, _ = called(capsys, *arguments, "--labels", "donor", "--layer", "X")
    assert status == 0
    assert asked[0].seed == 0
    assert asked[0].density
    assert "\nnovel       more than " in out
    again = load_bundle(bundle)
    assert again.classifier.types == ("donor 0", "donor 1")
    assert again.density is not None
    assert again.settings.seed == 0

    result = tmp_path / "typed.h5ad"
    query = files / "query.h5ad"
    assert called(capsys, "annotate", "--bundle", bundle, query, "-o", result)[0] == 0
    assert "novel" in ad.read_h5ad(result).obs
    arguments = ["annotate", "--bundle", bundle, query, "-o", result, "--no-density"]
    assert called(capsys, *arguments)[0] == 0
    assert "novel" not in ad.read_h5ad(result).obs


def test_training_refuses_bad_references(capsys, files, tmp_path):
    arguments = ["--bundle", tmp_path / "model", "--no-density"]
    absent = refused(capsys, "train", tmp_path / "absent.h5ad", *arguments)
    assert "absent.h5ad: expected a file of cells, found none: check the name" in absent
    (tmp_path / "broken.h5ad").write_text("broken")
    broken = refused(capsys, "train", tmp_path / "broken.h5ad", *arguments)
    assert "broken.h5ad: expected a whole file in the format h5ad" in broken
    (tmp_path / "cells.xlsx").touch()
    other = refused(capsys, "train", tmp_path / "cells.xlsx", *arguments)
    assert "expected a name that ends in one of .h5ad" in other
    said = refused(capsys, "train", files / "reference.h5ad", *arguments, "--labels", "kind")
    assert "expected the column 'kind' with cell types (--labels), found the columns" in said
    assert "donor" in said
    nameless = refused(capsys, "train", files / "query.h5ad", *arguments)
    assert "expected a column of cell types" in nameless
    assert not (tmp_path / "model").exists()


def test_training_does_not_replace_what_is_no_bundle(capsys, files, tmp_path):
    (tmp_path / "thesis.txt").touch()
    for command in (
        ["train", files / "reference.h5ad"],
        ["annotate", files / "reference.h5ad", files / "query.h5ad", "-o", tmp_path / "a.h5ad"],
    ):
        said = refused(capsys, *command, "--bundle", tmp_path, "--no-density")
        assert "expected a new folder or a bundle to replace, found something else" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_annotating_by_a_bundle(capsys, files, tmp_path):
    result = tmp_path / "new/typed.h5ad"
    status, out, _ = called(
        capsys, "annotate", "--bundle", files / "model", files / "query.h5ad", "-o", result
    )
    assert status == 0
    assert out.startswith("reference   own-reference: 3 types")
    assert "\nquery       45 cells\ngenes       60 of the reference's 60 found" in out
    ends = (".h5ad", ".csv", ".json", ".html")
    written = [str(result.with_suffix(end)) for end in ends]
    assert out.endswith("\n\nwritten     " + "\n            ".join(written) + "\n")
    assert sorted(path.suffix for path in result.parent.iterdir()) == sorted(ends)
    table = pd.read_csv(result.with_suffix(".csv"))
    assert list(table) == [
        *("barcode", "cell_type", "cell_type_probability", "cell_type_first", "cell_type_second"),
        *("cell_type_second_probability", "unassigned_reason", "cell_type_cluster"),
        *("cell_type_consensus", "cell_type_consensus_share"),
    ]
    obs = ad.read_h5ad(result).obs
    assert list(obs) == ["donor", *table.columns[1:]]
    assert list(obs.index) == list(table["barcode"])
    right = simulated([15, 15, 15], 2).obs["cell_type"]
    assert (table["cell_type_first"].to_numpy() == right.to_numpy()).mean() > 0.9
    assert json.loads(result.with_suffix(".json").read_text())["query"]["cells"] == 45


def test_annotating_by_a_reference_gives_the_same(capsys, files, tmp_path):
    """Without a name, the result is written beside the query."""
    query = tmp_path / "mine.h5ad"
    query.write_bytes((files / "query.h5ad").read_bytes())
    rest = ["--threads", "1", "--no-density", "--bundle", tmp_path / "model"]
    assert called(capsys, "annotate", files / "reference.h5ad", query, *rest)[0] == 0
    assert (tmp_path / "mine.typed.json").is_file()
    assert load_bundle(tmp_path / "model").density is None
    again = tmp_path / "again.h5ad"
    arguments = ["annotate", query, "--bundle", files / "model", "-o", again, "--query-layer", "X"]
    assert called(capsys, *arguments)[0] == 0
    wanted = (tmp_path / "mine.typed.csv").read_bytes()
    assert again.with_suffix(".csv").read_bytes() == wanted
    nothing = [query, "-o", tmp_path / "third.h5ad", "--no-density"]
    assert called(capsys, "annotate", files / "reference.h5ad", *nothing)[0] == 0
    assert (tmp_path / "third.csv").read_bytes() == wanted


@pytest.mark.parametrize(
    ("query", "stem"),
    [("a/b.h5ad", "b"), ("b.tsv.gz", "b"), ("b.tar.gz", "b"), ("folder/b", "b"), ("b.x", "b.x")],
)
def test_the_stem_of_a_query(query, stem):
    assert _stem(query) == stem


def test_annotating_refuses_bad_files(capsys, files, tmp_path):
    result, query = tmp_path / "typed.h5ad", files / "query.h5ad"
    model = ["--bundle", files / "model", "-o", result]
    none = refused(capsys, "annotate", query, "--bundle", tmp_path / "none", "-o", result)
    assert "expected a bundle, a folder with bundle.json, found none" in none
    absent = tmp_path / "absent.h5ad"
    for command in (
        ["annotate", absent, *model],
        ["annotate", files / "reference.h5ad", absent, "--bundle", tmp_path / "new"],
    ):
        said = refused(capsys, *command)
        assert f"{absent}: expected a file of cells, found none: check the name" in said
    assert not (tmp_path / "new").exists()  # Refused before the training.
    said = refused(capsys, "annotate", query, *model, "--query-layer", "logs")
    assert "logs" in said
    foreign = simulated([5, 5], 3)
    foreign.var = pd.DataFrame(index=[f"other{number}" for number in range(60)])
    foreign.write_h5ad(tmp_path / "foreign.h5ad")
    said = refused(capsys, "annotate", tmp_path / "foreign.h5ad", *model)
    assert "foreign.h5ad: expected genes of the reference, such as ENSG00000000000" in said
    logs = ad.read_h5ad(query)
    logs.X.data = np.log1p(logs.X.data)
    logs.write_h5ad(tmp_path / "logs.h5ad")
    said = refused(capsys, "annotate", tmp_path / "logs.h5ad", *model)
    assert "expected raw counts (whole numbers) in X, raw or a layer, found X: log-tran" in said
    assert not result.exists()


def test_what_is_read_is_not_written_over(capsys, files, tmp_path):
    query = files / "query.h5ad"
    before = query.read_bytes()
    said = refused(capsys, "annotate", query, "--bundle", files / "model", "-o", query)
    assert "expected another name for the result than for its input" in said
    assert said.endswith("choose one with -o\n")
    assert query.read_bytes() == before
    # The table of the result would overwrite the ids of the types, or the query.
    ids = tmp_path / "ids.csv"
    ids.write_text("type,id\na,CL:1\n")
    to = ("--ontology", ids, "-o", ids.with_suffix(".h5ad"), "--force")
    said = refused(capsys, "annotate", files / "reference.h5ad", query, *to)
    assert "ids.csv: expected another name for the result than for its input" in said
    table = tmp_path / "cells.csv"
    adata = ad.read_h5ad(query)
    pd.DataFrame(adata.X.toarray(), adata.obs_names, adata.var_names).to_csv(table)
    before = table.read_bytes()
    result = tmp_path / "cells.h5ad"
    said = refused(capsys, "annotate", table, "--bundle", files / "model", "-o", result)
    assert "cells.csv: expected another name" in said
    assert table.read_bytes() == before
    assert not result.exists()


@pytest.mark.parametrize("name", ["notes.h5ad", "notes.csv", "notes.json"])
def test_files_of_the_user_are_not_overwritten(capsys, files, tmp_path, name):
    result = tmp_path / "notes.h5ad"
    (tmp_path / name).write_text("barcode,cell_type,mine")
    arguments = ["annotate", files / "query.h5ad", "--bundle", files / "model", "-o", result]
    said = refused(capsys, *arguments)
    assert f"{tmp_path / name}: expected a new file, found one that exists: choose" in said
    assert said.endswith("overwrite it with --force\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "barcode,cell_type,mine"
    assert called(capsys, *arguments, "--force")[0] == 0
    assert ad.read_h5ad(result).n_obs == 45
    # Results of this command are replaced, until somebody works on them.
    assert called(capsys, *arguments)[0] == 0
    mine = ad.read_h5ad(result)
    result.unlink()
    assert called(capsys, *arguments)[0] == 0
    mine.obs["mine"] = 1
    mine.write_h5ad(result)
    os.utime(result, (2e9, 2e9))
    assert "expected a new file" in refused(capsys, *arguments)


def test_a_configuration_of_the_user_is_not_overwritten(capsys, files, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("run: thesis\n")
    arguments = ["check", files / "reference.h5ad", "--write-config", config]
    said = refused(capsys, *arguments)
    assert said.endswith("choose another name with --write-config, or overwrite it with --force\n")
    assert config.read_text() == "run: thesis\n"
    assert called(capsys, *arguments, "--force")[0] == 0
    assert "run: reference" in config.read_text()
    said = refused(capsys, "check", files / "reference.h5ad", "--write-config", tmp_path)
    assert "expected a new file, found a folder: choose another name with --write-config" in said
    link = tmp_path / "link.yaml"
    link.symlink_to("not-yet.yaml")
    said = refused(capsys, "check", files / "reference.h5ad", "--write-config", link)
    assert "expected a new file, found one that exists" in said
    assert link.is_symlink()


@pytest.fixture
def untrained(monkeypatch):
    """Fail if anything is learnt."""

    def learn(*arguments, **options):
        raise AssertionError("it was trained")

    monkeypatch.setattr("latentcell.annotate.files.learn", learn)


@pytest.mark.usefixtures("untrained")
def test_query_and_places_are_tried_before_the_training(capsys, files, tmp_path):
    reference, query, result = files / "reference.h5ad", files / "query.h5ad", tmp_path / "t.h5ad"
    (tmp_path / "broken.h5ad").write_text("broken")
    logs = ad.read_h5ad(query)
    logs.X.data = np.log1p(logs.X.data)
    logs.write_h5ad(tmp_path / "logs.h5ad")
    foreign = simulated([5, 5], 3)
    foreign.var = pd.DataFrame(index=[f"other{number}" for number in range(60)])
    foreign.write_h5ad(tmp_path / "foreign.h5ad")
    for name in ("folder.h5ad", "table.csv"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    for arguments, said in (
        ([tmp_path / "broken.h5ad", "-o", result], "expected a whole file in the format h5ad"),
        ([tmp_path / "logs.h5ad", "-o", result], "expected raw counts (whole numbers)"),
        ([tmp_path / "foreign.h5ad", "-o", result], "expected genes of the reference"),
        ([query, "-o", result, "--query-layer", "none"], "expected the layer 'none'"),
        ([query, "-o", result, "--query-genome", "mm10"], "expected the genome 'mm10'"),
        ([query, "-o", result, "--query-format", "loom"], "format loom"),
        ([query, "-o", tmp_path / "folder.h5ad"], "expected a new file, found a folder"),
        ([query, "-o", tmp_path / "folder.h5ad", "--force"], "expected a new file, found a folder"),
        (
            [query, "-o", tmp_path / "table.h5ad", "--force"],
            "table.csv: expected a new file, found",
        ),
        ([query, "-o", tmp_path / "file/t.h5ad"], "Not a directory"),
        ([query, "-o", result, "--bundle", tmp_path / "file/m"], "Not a directory"),
        ([query, "-o", result, "--bundle", tmp_path], "expected a new folder or a bundle"),
        ([query, "-o", result, "--labels", "kind"], "expected the column 'kind'"),
        ([query, "-o", result, "--labels-file", tmp_path / "no.csv"], "expected a file of cell ty"),
    ):
        assert said in refused(capsys, "annotate", reference, *arguments)
    said = refused(capsys, "train", reference, "--bundle", tmp_path / "file/m")
    assert "Not a directory" in said


def test_what_was_learnt_is_kept_where_the_query_fails(capsys, files, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latentcell.annotate.files.annotate_cells", fail)
    arguments = ["--bundle", tmp_path / "model", "-o", tmp_path / "t.h5ad", "--no-density"]
    said = refused(capsys, "annotate", files / "reference.h5ad", files / "query.h5ad", *arguments)
    assert "No space left on device" in said
    assert load_bundle(tmp_path / "model").classifier.types == ("type 0", "type 1", "type 2")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_half_a_result_is_none(capsys, files, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latentcell.annotate.files.write_json", fail)
    query, result = files / "query.h5ad", tmp_path / "new/t.h5ad"
    refused(capsys, "annotate", query, "--bundle", files / "model", "-o", result)
    assert list((tmp_path / "new").iterdir()) == []


def test_types_in_a_file_of_their_own(capsys, files, tmp_path):
    reference = ad.read_h5ad(files / "reference.h5ad")
    types = reference.obs.pop("cell_type")
    reference.write_h5ad(tmp_path / "untyped.h5ad")
    types.rename("kind").to_csv(tmp_path / "types.csv", index_label="barcode")
    options = ["--labels-file", tmp_path / "types.csv", "--labels", "kind"]
    status, out, _ = called(capsys, "check", tmp_path / "untyped.h5ad", *options)
    assert status == 0
    assert "labels      kind: 3 groups of 20 to 60 cells  <- taken" in out
    assert f"labels: {tmp_path / 'types.csv'}" in out
    assert f"--labels=kind --labels-file={tmp_path / 'types.csv'} -o typed.h5ad" in out
    arguments = ["train", tmp_path / "untyped.h5ad", "--bundle", tmp_path / "m", "--no-density"]
    assert called(capsys, *arguments, *options)[0] == 0
    assert load_bundle(tmp_path / "m").classifier.types == ("type 0", "type 1", "type 2")


def test_check_finds_a_barcode_with_two_types_as_a_run_does(capsys, files, tmp_path):
    types = ad.read_h5ad(files / "reference.h5ad").obs["cell_type"].rename("kind").astype(str)
    options = ["--labels-file", tmp_path / "types.csv", "--labels", "kind"]
    for other, status in ((types.iloc[0], 0), ("type 9", 1)):
        twice = pd.concat([types, pd.Series([other], index=types.index[:1], name="kind")])
        twice.to_csv(tmp_path / "types.csv", index_label="barcode")
        found, out, error = called(capsys, "check", files / "reference.h5ad", *options)
        assert found == status
        said = f"expected one cell type per barcode, found two for {types.index[0]}"
        assert (said in out + error) == bool(status)


def test_an_address_is_no_file(capsys):
    said = refused(capsys, "check", "https://example.org/cells.h5ad")
    assert "expected a file on this machine, found an address: download it first" in said


def test_where_nothing_can_be_written(capsys, files, tmp_path):
    (tmp_path / "file").touch()
    result = tmp_path / "file/typed.h5ad"
    arguments = ["annotate", files / "query.h5ad", "--bundle", files / "model", "-o", result]
    said = refused(capsys, *arguments)
    assert f"latentcell: {tmp_path / 'file'}" in said
    assert said.endswith(": check the name, the permissions and the disk space\n")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            OSError(28, "No space left on device"),
            1,
            "latentcell check a.h5ad: its output or a file: expected to read or write it, found",
        ),
        (KeyboardInterrupt(), 130, "stopped; no output file is incomplete"),
    ],
)
def test_what_comes_between(capsys, monkeypatch, error, status, said):
    def fail(path):
        raise error

    monkeypatch.setattr("latentcell.data.finding.find", fail)
    found = called(capsys, "check", "a.h5ad")
    assert found[:2] == (status, "")
    assert found[2].startswith(f"latentcell: {said}")


def test_an_error_that_nobody_foresaw(capsys, monkeypatch, tmp_path):
    def fail(path):
        raise RuntimeError("odd\nthing")

    monkeypatch.setattr("latentcell.data.finding.find", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status, out, error = called(capsys, "check", "my cells.h5ad")
    assert (status, out) == (1, "")
    (log,) = tmp_path.glob("latentcell-*.log")
    assert error == (
        "latentcell: latentcell check 'my cells.h5ad': found an error of latentcell itself "
        f"(RuntimeError: odd thing): its log is {log}\n"
    )
    text = log.read_text()
    assert text.startswith(f"latentcell check 'my cells.h5ad'\nlatentcell {__version__}, Python 3")
    assert 'raise RuntimeError("odd\\nthing")' in text
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "Traceback" in called(capsys, "check", "my cells.h5ad")[2]


def piped(files, arguments, reader, **environment):
    """Run the command in a shell, with its output read by another one."""
    command = [sys.executable, "-m", "latentcell.cli", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shlex.join(command)} | {reader}"],
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )


def test_a_reader_that_ends_early_is_no_error(files):
    done = piped(files, ["check", files / "reference.h5ad"], "true")
    assert done.stderr == b""
    assert done.returncode in (0, 141)
    for end in ("head -1", "head -c 10"):
        assert piped(files, ["check", files / "reference.h5ad"], end).stderr == b""


def test_without_an_output_nothing_is_amiss(files):
    command = [sys.executable, "-m", "latentcell.cli", "check", str(files / "reference.h5ad")]
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(command)} >&-"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(command)} >/dev/full"], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert (
        b"its output or a file: expected to read or write it, found: No space left" in done.stderr
    )


def test_names_that_are_no_text_are_refused(capsys, tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b"/\xff.h5ad")
    assert "expected a name in UTF-8, found other bytes" in refused(capsys, "check", name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--orientation", "genes-by-cells"], "expected a table or a matrix.mtx for --orientation"),
        (
            ["--format", "loom"],
            "expected the format loom, found the format h5ad: say --format h5ad",
        ),
        (["--labels-file", "reference.h5ad"], "in the format table, found one that cannot be read"),
        (["--labels-file", "page.csv"], "found a web page, such as one to sign in"),
    ],
)
def test_options_that_do_not_fit_the_file(capsys, files, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.csv").write_text("<!DOCTYPE html>\n<html></html>\n")
    (tmp_path / "reference.h5ad").symlink_to(files / "reference.h5ad")
    assert said in refused(capsys, "check", "reference.h5ad", *options)
    assert said in refused(capsys, "train", "reference.h5ad", "--bundle", "m", *options)


def test_a_pipe_is_not_read_twice(capsys, tmp_path):
    os.mkfifo(tmp_path / "cells.csv")
    said = refused(capsys, "check", tmp_path / "cells.csv", "--format", "table")
    assert "expected a file or folder, found a pipe or device" in said


def test_names_in_any_script_on_any_terminal(capsys, files, tmp_path):
    cells = ad.read_h5ad(files / "reference.h5ad")
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str) + " 单核γδ"
    path = tmp_path / "ячейки.h5ad"
    cells.write_h5ad(path)
    done = piped(files, ["check", path], "cat", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"type 0 \u5355\u6838\u03b3\u03b4" in done.stdout
    bundle, result = tmp_path / "m", tmp_path / "typed.h5ad"
    arguments = ["annotate", path, files / "query.h5ad", "--bundle", bundle, "-o", result]
    assert called(capsys, *arguments, "--no-density")[0] == 0
    assert "type 0 单核γδ" in load_bundle(bundle).classifier.types
    assert "单核γδ" in result.with_suffix(".csv").read_text(encoding="utf-8")


def test_warnings_are_lines(capsys, monkeypatch):
    def warn(path):
        warnings.warn("odd", UserWarning, stacklevel=1)
        warnings.warn("old", FutureWarning, stacklevel=1)
        shown.append(warnings.formatwarning("odd", UserWarning, "file.py", 1))
        raise KeyboardInterrupt

    shown = []
    monkeypatch.setattr("latentcell.data.finding.find", warn)
    with pytest.warns(UserWarning, match="odd"):
        assert called(capsys, "check", "a.h5ad")[0] == 130
    assert shown == ["latentcell: note: odd\n"]


def test_checking_a_file(capsys, files, tmp_path):
    path, config = files / "reference.h5ad", tmp_path / "my cells.yaml"
    status, out, _ = called(capsys, "check", path, "--write-config", config)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"file        {path}: h5ad, 120 cells, 60 genes"
    assert lines[1].startswith("values      X: counts (whole numbers up to ")
    assert lines[1].endswith("not zero  <- taken")
    assert lines[2].startswith("genes       Ensembl identifiers, with symbols such as GENE0A; spec")
    assert "labels      cell_type: 3 groups of 20 to 60 cells  <- taken" in lines
    assert "            type 0        60" in lines
    assert any(line.startswith("batches     donor: 2 groups of ") for line in lines)
    assert any(line.startswith("time        at most about ") for line in lines)
    assert f"written     {config}" in lines
    assert f"next        make run CONFIG='{config}'      tables, figures and a report" in lines
    text = config.read_text()
    assert text in out
    settings = Settings.model_validate(yaml.safe_load(text))
    (dataset,) = settings.datasets
    assert dataset.path == str(path.resolve())
    assert dataset.label_column == "cell_type"
    assert dataset.batch_column == "donor"


def test_a_budget_decides_the_number_of_seeds(capsys, files, tmp_path):
    path, config = files / "reference.h5ad", tmp_path / "mine.yaml"
    status, out, _ = called(capsys, "check", path, "--budget", "20", "--write-config", config)
    assert status == 0
    model = recommend_model(96, 20, replicates=3)
    text = config.read_text()
    assert text in out
    settings = Settings.model_validate(yaml.safe_load(text))
    assert settings.grid.models == [GridPoint.model_validate(model.point())]
    before, _ = text.split("\n  models:\n")
    comment = [line for line in before.splitlines() if line.startswith("  # ")]
    assert " ".join(line.removeprefix("  # ") for line in comment) == model.reason
    assert "within the budget of 20" in model.reason


def test_a_budget_without_time_for_one_model_is_refused(capsys, files, tmp_path):
    arguments = ("--budget", "0.01", "--write-config", tmp_path / "mine.yaml")
    said = refused(capsys, "check", files / "reference.h5ad", *arguments)
    assert "budget: expected at least 0.3 minutes of one core, which a model takes in 3 " in said
    assert list(tmp_path.iterdir()) == []


def test_checking_with_another_column_writes_nothing_unasked(capsys, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = called(capsys, "check", files / "reference.h5ad", "--labels", "donor")
    assert status == 0
    assert "label_column: donor" in out
    assert "batch_column" not in out
    assert out.count("<- taken") == 2  # Counts and labels.
    assert "make run CONFIG=mine.yaml" in out
    assert list(tmp_path.iterdir()) == []


def test_checking_does_not_write_over_the_cells(capsys, files):
    path = files / "reference.h5ad"
    before = path.read_bytes()
    said = refused(capsys, "check", path, "--write-config", path)
    assert said.endswith("choose one with --write-config\n")
    assert path.read_bytes() == before


def test_checking_refuses_bad_files(capsys, files, tmp_path):
    said = refused(capsys, "check", tmp_path / "absent.h5ad")
    assert "absent.h5ad: expected a file of cells, found none" in said
    (tmp_path / "empty.h5ad").touch()
    assert "found an empty file" in refused(capsys, "check", tmp_path / "empty.h5ad")
    said = refused(capsys, "check", files / "reference.h5ad", "--labels", "kind")
    assert "expected the column 'kind' with cell types (--labels)" in said


def test_checking_a_file_without_counts_or_types(capsys, files, tmp_path):
    adata = ad.read_h5ad(files / "query.h5ad")
    adata.obs = adata.obs.drop(columns="donor")
    adata.X.data = np.log1p(adata.X.data)
    adata.write_h5ad(tmp_path / "logs.h5ad")
    status, out, err = called(capsys, "check", tmp_path / "logs.h5ad")
    assert (status, err) == (1, "")
    assert "labels      none found" in out
    problems = [line for line in out.splitlines() if line.startswith("PROBLEM     ")]
    assert len(problems) == 2
    assert "expected raw counts (whole numbers) in X, raw or a layer" in problems[0]
    assert "no column of obs looks like cell types" in problems[1]
    assert "time  " not in out


def test_checking_a_file_that_needs_mending(capsys, tmp_path):
    """A configuration is proposed, but no command to run it."""
    cells = simulated([4] * 17, 5)
    cells.X = sp.csr_matrix(sp.diags((np.arange(68) >= 2).astype(np.float32)) @ cells.X)
    cells.obs.loc[cells.obs_names[:3], "cell_type"] = ""
    cells.var = pd.DataFrame(index=["TP53", "TP53", *(f"GENE{number}A" for number in range(58))])
    cells.layers["logs"] = cells.X.log1p()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.write_h5ad(tmp_path / "mine.h5ad")
    status, out, _ = called(capsys, "check", tmp_path / "mine.h5ad")
    assert status == 1
    lines = out.splitlines()
    assert any(line.startswith("values      logs: log-transformed values") for line in lines)
    assert "            1 repeated names are numbered" in lines
    assert any("cell_type: 17 groups" in line and "3 cells without" in line for line in lines)
    assert "            and 2 more" in lines
    assert any(line.startswith("note        fewer than 10 cells") for line in lines)
    assert "PROBLEM     2 cells have no counts" in out
    assert "unlabelled: leave-out" in out
    assert "next  " not in out


def test_cores_are_those_that_may_be_used(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert available_cores() == 1


def test_the_module_is_the_command(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["latentcell", "--version"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("latentcell.cli", run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"latentcell {__version__}\n"
