"""Names, writing, digests, jobs and progress."""

import ast
import contextlib
import hashlib
import io
import os
import pty
import resource
import subprocess
import sys
import termios
from types import SimpleNamespace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from latentcell.config.names import (
    ModelName,
    cells_name,
    cells_size,
    pca_components,
    pca_name,
    replicate_name,
    replicate_seed,
)
from latentcell.runtime import io as files
from latentcell.runtime import pieces, progress, provenance
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad, write_rows
from latentcell.runtime.job import export_source, job
from latentcell.runtime.tensors import write_arrays


def test_names_say_what_they_are_and_come_back():
    for model in (ModelName("gmvae", 10, 250), ModelName("vae", 3, 4)):
        assert ModelName.parse(str(model)) == model
    assert str(ModelName("gmvae", 10, 250)) == "gmvae-z10-h250"
    for size in (1300, "all"):
        assert cells_size(cells_name(size)) == size
    assert pca_components(pca_name(50)) == 50
    assert pca_components("raw") is None
    assert pca_components("gmvae-z10-h250") is None


@pytest.mark.parametrize("text", ["gmvae-10-250", "ae-z1-h1", "gmvae-z1-h1x", ""])
def test_other_names_are_refused(text):
    with pytest.raises(ValueError, match="is not a model name such as gmvae-z10-h250"):
        ModelName.parse(text)


def test_each_replicate_has_a_seed_of_its_own():
    seeds = [replicate_seed(42, replicate_name(index)) for index in (1, 2, 3)]
    assert seeds == [42, 43, 44]


def test_a_failing_writer_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.csv"
    files.write_text(path, "old")

    def fail():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_that_find_no_room_are_an_error_of_the_disk(tmp_path):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, usual[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_arrays(tmp_path / "a.safetensors", {"a": np.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert caught.value.filename == str(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


DYING = """
import os, signal, sys
from latentcell.runtime.io import atomic

with atomic(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_has_left_is_swept(tmp_path):
    path = tmp_path / "a.b.txt"
    died = subprocess.run([sys.executable, "-c", DYING, path], check=False)
    assert died.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half"
    files.sweep(
        [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "a.b.csv", tmp_path / "no/a.txt"]
    )
    assert left.exists()
    with files.atomic(path) as living:
        files.sweep([path])
        assert living.exists()
    files.sweep([path, path])
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_machine_writes_is_swept_when_it_is_old(tmp_path, monkeypatch):
    path, left = tmp_path / "a.txt", tmp_path / ".a-other-4194305-abcd_123.txt"
    left.write_text("half")
    files.sweep([path])
    assert left.exists()
    with monkeypatch.context() as there:
        there.setattr(files, "_machine", lambda: "other")
        files.sweep([path])  # No process there has that number.
    assert not left.exists()
    left.write_text("half")
    os.utime(left, (1, 1))
    files.sweep([path])
    assert not left.exists()


def test_written_files_have_the_usual_permissions(tmp_path):
    files.write_text(tmp_path / "sub" / "a.txt", "x")
    (tmp_path / "plain.txt").write_text("x")
    modes = [(tmp_path / name).stat().st_mode for name in ("sub/a.txt", "plain.txt")]
    assert modes[0] == modes[1]


def test_tables_and_json_come_back_as_written(tmp_path):
    frame = pd.DataFrame({"a": [1 / 3, np.nan], "b": ["x,y", "z"]})
    files.write_csv(tmp_path / "a.csv", frame)
    assert (tmp_path / "a.csv").read_text() == 'a,b\n0.333333333,"x,y"\n,z\n'
    files.write_json(tmp_path / "a.json", {"µ": [1, None]})
    assert files.read_json(tmp_path / "a.json") == {"µ": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "nan.json", float("nan"))
    assert not (tmp_path / "nan.json").exists()


def test_anndata_is_written_with_the_same_bytes(tmp_path):
    adata = ad.AnnData(np.eye(3, dtype=np.float32))
    for name in ("a", "b"):
        files.write_h5ad(tmp_path / f"{name}.h5ad", adata)
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()
    np.testing.assert_array_equal(ad.read_h5ad(tmp_path / "a.h5ad").X, np.eye(3))


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_rows_are_written_in_blocks_as_if_read_whole(tmp_path, block):
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(0.5, (40, 6)).astype(np.float32))
    obs = pd.DataFrame({"cell_type": pd.Categorical(["a", "b"] * 20)}, index=map(str, range(40)))
    genes = pd.DataFrame({"symbol": list("uvwxyz")}, index=list("abcdef"))
    whole = ad.AnnData(counts, obs=obs, var=genes, uns={"dataset": "mine"})
    write_h5ad(tmp_path / "all.h5ad", whole)
    rows = np.array([0, 1, 2, 9, 20, 21, 39])
    drawn = obs.iloc[rows].assign(split="training")
    write_rows(tmp_path / "some.h5ad", tmp_path / "all.h5ad", rows, drawn, block)
    found = ad.read_h5ad(tmp_path / "some.h5ad")
    pd.testing.assert_frame_equal(found.obs, drawn)
    pd.testing.assert_frame_equal(found.var, genes)
    assert found.uns["dataset"] == "mine"
    assert found.X.dtype == np.float32
    assert found.X.indptr.dtype == np.int32
    np.testing.assert_array_equal(found.X.toarray(), counts[rows].toarray())
    backed = ad.read_h5ad(tmp_path / "some.h5ad", backed="r")
    assert backed.shape == (7, 6)
    write_rows(tmp_path / "again.h5ad", tmp_path / "all.h5ad", rows, drawn)
    assert (tmp_path / "again.h5ad").read_bytes() == (tmp_path / "some.h5ad").read_bytes()


def test_many_counts_are_written_in_large_chunks(tmp_path, monkeypatch):
    counts = sp.random(40, 6, 0.5, format="csr", dtype=np.float32, random_state=1)
    obs = pd.DataFrame({"cell_type": pd.Categorical(["a", "b"] * 20)}, index=map(str, range(40)))
    write_h5ad(tmp_path / "all.h5ad", ad.AnnData(counts, obs=obs))
    monkeypatch.setattr(pieces, "MANY", 10)
    write_rows(tmp_path / "some.h5ad", tmp_path / "all.h5ad", np.arange(40), obs, 7)
    with h5py.File(tmp_path / "some.h5ad") as file:
        assert {array.chunks for array in file["X"].values()} == {(2**16,)}
        assert file["X/data"].compression == "gzip"
    found = ad.read_h5ad(tmp_path / "some.h5ad").X
    assert (found != counts).nnz == 0
    assert found.indices.dtype == counts.indices.dtype


def test_digest_of_code_covers_what_is_imported_and_nothing_else(tmp_path, monkeypatch):
    package = tmp_path / "latentcell"
    for name, text in {
        "__init__.py": "",
        "a.py": "from latentcell.deep import b\n",
        "deep/__init__.py": "",
        "deep/b.py": "from .c import x\nfrom ..d import y\nfrom . import e\n",
        "deep/c.py": "x = 1\n",
        "d.py": "y = 1\n",
        "deep/e.py": "z = 1\n",
        "other.py": "y = 1\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text("import numpy\nfrom latentcell.a import b\nimport latentcell.a\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def digest():
        provenance._source.cache_clear()
        provenance._imports.cache_clear()
        return provenance.code_digest(script)

    start = digest()
    os.utime(package / "deep/b.py", (1, 1))
    (package / "other.py").write_text("y = 2\n")
    assert digest() == start
    for name in ("deep/b.py", "deep/c.py", "d.py", "deep/e.py"):
        module = package / name
        module.write_text(module.read_text() + "edited = True\n")
        changed = digest()
        assert changed != start
        start = changed
    script.write_text(script.read_text() + "z = 1\n")
    assert digest() != changed


def imported(tree):
    return {ast.dump(one) for one in ast.walk(tree) if isinstance(one, ast.Import | ast.ImportFrom)}


@pytest.mark.parametrize(
    "source",
    [
        "from .import a\nfrom. b import(c,  # see (d)\n  e)\nimport f as g, h; from i import j\n",
        "from a \\\n  import b, \\\n  c\nimport \\\n  d\nx = 1; \\\nimport e\n",
        "if True: from a import b\nelse: import c\nd = 1; import e\n",
        "try:\n    import a\nexcept E:\n\timport b  # or (c\nx = (1)\ndef f():\n    import d\n",
        '"""\nimport all cells (of the file\nfrom there) import\n"""\nimport a\r\nimport b\r\n',
        "important = 1\nfrom_file = 2\nimport_ = 3\nfrom a import (\n    b,\n\n    c,\n)\n",
    ],
)
def test_no_import_of_a_module_is_missed(source):
    expected = imported(ast.parse(source))
    assert imported(provenance._import_statements(source.encode())) == expected
    assert expected


def test_the_imports_of_all_modules_are_found():
    for path in provenance.PACKAGE.rglob("*.py"):
        source = path.read_bytes()
        assert imported(provenance._import_statements(source)) == imported(ast.parse(source)), path


def test_digests_of_files_and_texts(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert provenance.file_digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert provenance.text_digest("a", 1) != provenance.text_digest("a", 2)


def fake_snakemake(tmp_path, threads=1):
    log = str(tmp_path / "logs" / "rule.log")
    return SimpleNamespace(log=[log], threads=threads, input=[], output=[])


def test_a_job_logs_and_keeps_to_its_threads(tmp_path):
    before = torch.get_num_threads()
    try:
        with job(fake_snakemake(tmp_path)):
            print("to stdout")
            progress.say("to stderr")
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "logs/rule.log").read_text() == "to stdout\nto stderr\n"


def test_a_job_ends_with_a_sentence_for_the_users_faults(tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", terminal)
    with pytest.raises(SystemExit) as caught, job(fake_snakemake(tmp_path)):
        raise InputError("cells.h5ad: expected counts, found none")
    assert caught.value.code == 1
    sentence = "latentcell: cells.h5ad: expected counts, found none\n"
    assert terminal.getvalue() == f"{sentence}log: {tmp_path / 'logs/rule.log'}\n"
    assert (tmp_path / "logs/rule.log").read_text() == sentence


def test_a_job_logs_the_traceback_of_our_own_faults(tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", terminal)
    with pytest.raises(ZeroDivisionError), job(fake_snakemake(tmp_path)):
        _ = 1 / 0
    text = (tmp_path / "logs/rule.log").read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert terminal.getvalue() == f"log: {tmp_path / 'logs/rule.log'}\n"


def test_progress_in_a_log_is_a_line_now_and_then(capsys):
    shown = progress.Progress("training", 3, every=1000.0)
    for step in (2, 3):
        shown.report(step, f"at {step}")
    assert capsys.readouterr().err == "training: 3 of 3, at 3\n"


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "__stderr__", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = progress.Progress("training", 2, every=0.0)
    for step in (1, 2):
        shown.report(step, "ELBO -5")
    assert "2/2" in terminal.getvalue()
    assert "ELBO -5" in terminal.getvalue()
    assert "2 of 2" not in terminal.getvalue()


@pytest.mark.parametrize("columns", [40, 80, 113])
def test_a_bar_is_no_wider_than_the_terminal_and_leaves_no_line(columns):
    code = (
        "from latentcell.runtime.progress import Progress\n"
        "shown = Progress('training a model with a long name', 300)\n"
        "for step in range(1, 301):\n"
        "    shown.report(step, 'ELBO -1234.5 on validation cells, best in epoch 300')\n"
        "    shown._bar.refresh()\n"
    )
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, columns))
    with subprocess.Popen([sys.executable, "-c", code], stdout=child, stderr=child) as process:
        os.close(child)
        written = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while part := os.read(parent, 65536):
                written += part
        assert process.wait() == 0
    os.close(parent)
    lines = written.decode().split("\r")
    assert len(lines) > 300
    assert "\n" not in written.decode()
    assert max(map(len, lines)) <= columns


def test_source_is_exported_before_what_was_there(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    export_source("/a")
    assert os.environ["PYTHONPATH"] == "/a"
    export_source("/b")
    assert os.environ["PYTHONPATH"] == f"/b{os.pathsep}/a"


def test_barcodes_that_look_like_numbers_or_gaps_stay_names(tmp_path):
    (tmp_path / "a.csv").write_text("barcode,predicted,probability\n001,NA,0.5\nNA,T,1\n")
    table = files.read_cell_table(tmp_path / "a.csv")
    assert list(table["barcode"]) == ["001", "NA"]
    assert list(table["predicted"]) == ["NA", "T"]
    assert list(table["probability"]) == [0.5, 1.0]


def test_types_that_are_numbers_stay_names(tmp_path):
    (tmp_path / "a.csv").write_text("barcode,cell_type,predicted,probability\na,01,10,0.5\n")
    table = files.read_cell_table(tmp_path / "a.csv")
    assert table.loc[0, ["cell_type", "predicted"]].tolist() == ["01", "10"]
