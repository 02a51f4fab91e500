"""Simulated cells: similar to real ones, in the formats of 10x, and always marked."""

import csv
import gzip
import os
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import anndata
import numpy as np
import pytest
import yaml
from scipy import sparse

from latentcell.config.settings import DatasetSettings
from latentcell.data import rehearsal, sources
from latentcell.data.importing import import_dataset, simulation_note
from latentcell.data.rehearsal import DONOR_CELLS, draw_cells, learn, main, write_rehearsal
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.mark import SIMULATED

GIVEN = os.environ.get(sources.DATA_VARIABLE)
CELLS = 150


@pytest.fixture(scope="module")
def real():
    return import_dataset(DatasetSettings(name="pbmc68k-sample"))


@pytest.fixture(scope="module")
def donor(real):
    return learn(real)


@pytest.fixture(scope="module")
def files(donor, tmp_path_factory):
    return write_rehearsal(donor, CELLS, tmp_path_factory.mktemp("rehearsal"), seed=3, block=64)


def matrix_of(donor, cells, seed=1):
    drawn = draw_cells(donor, seed, 0, cells)
    ends = np.concatenate([[0], np.cumsum(drawn.lengths)])
    shape = (cells, len(donor.genes))
    return sparse.csr_matrix((drawn.counts, drawn.genes, ends), shape=shape), drawn


def settings(files, **others):
    own = {"name": "rehearsal", "path": str(files.matrix), "labels": str(files.annotation)}
    return DatasetSettings(**own | others)


def members(files):
    with tarfile.open(files.matrix) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}


# Like the real cells


def of_genes(counts):
    """Return mean, variance and share of zeros of each gene."""
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    mean = np.asarray(counts.mean(axis=0)).ravel()
    variance = np.asarray(counts.multiply(counts).mean(axis=0)).ravel() - mean**2
    return mean, variance, 1 - np.asarray((counts > 0).mean(axis=0)).ravel()


def assert_alike(simulated, real, *, cells, zeros, worst_zeros):
    """To within `cells` (relative) per cell, and in shares of zeros on average and at worst."""
    for measure in (lambda x: x.sum(axis=1), lambda x: (x > 0).sum(axis=1)):
        found, wanted = (np.asarray(measure(x), dtype=float) for x in (simulated, real))
        assert found.mean() == pytest.approx(wanted.mean(), rel=cells)
        assert found.std() == pytest.approx(wanted.std(), rel=0.25)
    mean, variance, zero = of_genes(simulated)
    real_mean, real_variance, real_zero = of_genes(real)
    assert np.abs(zero - real_zero).mean() < zeros
    assert np.abs(zero - real_zero).max() < worst_zeros
    frequent = real_mean > 0.1
    assert np.median(mean[frequent] / real_mean[frequent]) == pytest.approx(1, abs=0.02)
    ratio = variance[frequent] / real_variance[frequent]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.quantile(ratio, 0.05) > 0.7
    assert np.quantile(ratio, 0.95) < 1.3
    over = (real_variance / np.maximum(real_mean, 1e-9) > 2) & frequent
    # Genes that vary more than Poisson's do so here.
    assert (variance[over] / mean[over] > 1.3).all()


def test_moments_are_those_of_the_sample(donor, real):
    counts, drawn = matrix_of(donor, 2000)
    assert_alike(counts, real.X, cells=0.03, zeros=0.015, worst_zeros=0.15)
    shares = np.bincount(drawn.types, minlength=len(donor.types)) / 2000
    assert shares == pytest.approx(donor.shares, abs=0.03)


def test_types_have_their_own_profiles(donor, real):
    counts, drawn = matrix_of(donor, 2000)
    correlation = []
    for code, kind in enumerate(donor.types):
        wanted = np.asarray(real.X[(real.obs["cell_type"] == kind).to_numpy()].mean(axis=0))
        found = np.asarray(counts[drawn.types == code].mean(axis=0))
        correlation.append(np.corrcoef(wanted.ravel(), found.ravel())[0, 1])
    assert np.median(correlation) > 0.99
    # Some have eight real cells.
    assert min(correlation) > 0.9


def test_shares_can_be_given(real):
    shares = dict.fromkeys(real.obs["cell_type"].cat.categories, 1)
    assert learn(real, shares).shares == pytest.approx(1 / len(shares))


def test_unseen_genes_get_what_was_seen_once():
    seen = np.array([[5, 1, 0, 0], [9, 0, 1, 0]])
    cells = anndata.AnnData(sparse.csr_matrix(seen))
    cells.obs["cell_type"] = ["a", "b"]
    cells.obs["cell_type"] = cells.obs["cell_type"].astype("category")
    cells.var["symbol"] = list("wxyz")
    falls = np.diff(learn(cells).urns[:, -2:], axis=1)
    assert (falls > 0).all()
    assert (falls <= 1.0001 / 16).all()


@pytest.mark.study
@pytest.mark.skipif(GIVEN is None, reason="LATENTCELL_DATA names no folder with the deposited data")
def test_moments_are_those_of_the_deposit(tmp_path):
    real = import_dataset(DatasetSettings(name="pbmc68k-study"), tmp_path)
    counts, _ = matrix_of(learn(real), 3000)
    assert_alike(counts, real.X, cells=0.03, zeros=0.002, worst_zeros=0.1)
    assert counts.nnz / np.prod(counts.shape) == pytest.approx(0.017, abs=0.0005)


@pytest.mark.study
@pytest.mark.skipif(GIVEN is None, reason="LATENTCELL_DATA names no folder with the deposited data")
def test_shares_are_those_of_the_official_annotation():
    path = Path(GIVEN) / "pbmc68k_official" / "68k_pbmc_barcodes_annotation.tsv.gz"
    with gzip.open(path, "rt") as stream:
        assert Counter(row["celltype"] for row in csv.DictReader(stream, delimiter="\t")) == (
            DONOR_CELLS
        )
    assert sum(DONOR_CELLS.values()) == rehearsal.FULL_SIZE


# In 10x's files


def test_import_gives_back_what_was_drawn(files, donor, real):
    with pytest.warns(UserWarning, match="SIMULATED"):
        adata = import_dataset(settings(files))
    counts, drawn = matrix_of(donor, CELLS, seed=3)
    assert (counts != adata.X).nnz == 0
    assert adata.X.has_sorted_indices
    assert adata.var.equals(real.var)
    assert adata.obs["cell_type"].tolist() == [donor.types[kind] for kind in drawn.types]


def test_archive_is_as_10x_packs_it(files, donor):
    content = members(files)
    folder = "filtered_matrices_mex/hg19"
    names = [f"{folder}/{name}" for name in ("genes.tsv", "barcodes.tsv", "matrix.mtx")]
    assert list(content) == [f"{SIMULATED}.txt", *names]
    banner, _, sizes, *entries = content[f"{folder}/matrix.mtx"].decode().splitlines()
    assert banner == "%%MatrixMarket matrix coordinate integer general"
    assert sizes == f"{len(donor.genes)} {CELLS} {len(entries)}"
    triples = np.array([line.split(" ") for line in entries], dtype=int)
    cell, gene = triples[:, 1], triples[:, 0]
    # Cell by cell, and the last gene first.
    assert (np.diff(cell) >= 0).all()
    assert (np.diff(gene)[np.diff(cell) == 0] < 0).all()
    header, *rows = files.annotation.read_text().splitlines()
    assert header == "TSNE.1\tTSNE.2\tbarcodes\tcelltype"
    assert len(rows) == CELLS


@pytest.mark.parametrize("numbers", [[0], [1, 9, 10, 11, 99, 100, 32738, 5], [1234567890, 7]])
def test_digits(numbers):
    table = rehearsal._digits(np.array(numbers), b"\n")
    assert table[table != 0].tobytes() == "".join(f"{n}\n" for n in numbers).encode()


def test_same_seed_same_bytes_whatever_the_blocks(files, donor, tmp_path):
    again = write_rehearsal(donor, CELLS, tmp_path / "again", seed=3, block=7)
    other = write_rehearsal(donor, CELLS, tmp_path / "other", seed=4)
    for ours, same, different in zip(files, again, other, strict=True):
        assert ours.read_bytes() == same.read_bytes()
        assert ours.read_bytes() != different.read_bytes()


def test_more_cells_begin_with_the_fewer(files, donor, tmp_path):
    more = write_rehearsal(donor, CELLS + 50, tmp_path, seed=3)
    assert more.annotation.read_bytes().startswith(files.annotation.read_bytes())


def test_memory_does_not_grow_with_the_cells(donor, tmp_path):
    peaks = []
    for cells in (500, 4000):
        tracemalloc.start()
        write_rehearsal(donor, cells, tmp_path / str(cells), block=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.15 * peaks[0]


# Never mistaken for results


def test_every_file_says_that_it_is_simulated(files):
    for file in files:
        assert file.name.startswith(SIMULATED)
    content = members(files)
    note = (
        b"SIMULATED cells: a rehearsal, no result. Learnt from 700 cells of pbmc68k-sample. Seed 3."
    )
    assert content[f"{SIMULATED}.txt"].strip() == note
    matrix = content["filtered_matrices_mex/hg19/matrix.mtx"].splitlines()
    assert matrix[1].strip() == b"% " + note
    barcodes = content["filtered_matrices_mex/hg19/barcodes.tsv"].decode().splitlines()
    rows = [line.split("\t") for line in files.annotation.read_text().splitlines()[1:]]
    assert [row[2] for row in rows] == barcodes
    assert all(barcode.startswith(SIMULATED) for barcode in barcodes)


@pytest.mark.filterwarnings("ignore:.*SIMULATED")
def test_the_mark_stays_in_the_dataset(files, tmp_path):
    adata = import_dataset(settings(files))
    assert adata.uns["simulated"].startswith(SIMULATED)
    write_h5ad(tmp_path / "dataset.h5ad", adata)
    again = anndata.read_h5ad(tmp_path / "dataset.h5ad")
    assert again[:9].copy().uns["simulated"] == adata.uns["simulated"]
    # A file imported under any other name still holds simulated cells.
    path = str(tmp_path / "dataset.h5ad")
    other = import_dataset(DatasetSettings(name="real", path=path))
    assert other.uns["simulated"] == adata.uns["simulated"]


def test_real_cells_bear_no_mark(real):
    assert "simulated" not in real.uns
    assert simulation_note(real.obs_names) is None


def test_configured_files_are_those_that_the_command_writes():
    path = Path(__file__).parents[2] / "config" / "rehearsal.yaml"
    configured = yaml.safe_load(path.read_text())["datasets"][0]
    written = rehearsal.files_of(rehearsal.FULL_SIZE, Path("resources/rehearsal"))
    assert (configured["path"], configured["labels"]) == tuple(map(str, written))


@pytest.mark.filterwarnings("ignore:.*wrong content")
def test_it_never_passes_for_the_official_matrix(files, tmp_path):
    place = tmp_path / "pbmc68k" / sources.SOURCES["pbmc68k"]["matrix"].name
    place.parent.mkdir()
    place.write_bytes(files.matrix.read_bytes())
    source = sources.SOURCES["pbmc68k"]["matrix"]
    offline = sources.Source(source.name, source.sha256, unpacked=False)
    with pytest.raises(InputError, match="wrong content"):
        sources.fetch_source(offline, "pbmc68k", tmp_path)


# The command


def test_command(tmp_path, capsys):
    wanted = ["--cells", "20", "--out", str(tmp_path), "--source", "pbmc68k-sample"]
    assert main(wanted) == 0
    shown = capsys.readouterr()
    assert "Seed 1." in shown.err
    assert "simulated cells: 20 of 20" in shown.err
    assert shown.out.split() == sorted(map(str, tmp_path.iterdir()), reverse=True)
    assert main(wanted) == 1
    assert "expected no such file yet" in capsys.readouterr().err


def test_command_falls_back_on_the_sample(tmp_path, monkeypatch, capsys):
    def without_deposit(dataset, *others):
        if dataset.name == "pbmc68k-study":
            raise InputError("no deposit")
        return import_dataset(dataset, *others)

    monkeypatch.setattr(rehearsal, "import_dataset", without_deposit)
    assert main(["--cells", "3", "--out", str(tmp_path)]) == 0
    assert "no deposit; cells are simulated from pbmc68k-sample" in capsys.readouterr().err
    assert main(["--cells", "4", "--out", str(tmp_path), "--source", "pbmc68k-study"]) == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("arguments", [["--cells", "0"], ["--seed", "-1"], ["--cells", "x"]])
def test_command_refuses(arguments):
    with pytest.raises(SystemExit):
        main(arguments)


def test_failure_leaves_nothing(donor, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(rehearsal, "_add", fail)
    with pytest.raises(OSError, match="no space left"):
        write_rehearsal(donor, 5, tmp_path)
    assert list(tmp_path.iterdir()) == []
