"""Built-in data sets with true labels."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from latentcell.config.datasets import BUILT_IN
from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.data.sources import FROZEN_PART, POPULATIONS, SORTED_PART, SOURCES
from latentcell.runtime.errors import InputError
from latentcell.runtime.provenance import file_digest

GIVEN = os.environ.get("LATENTCELL_DATA")
TRUTH = pytest.mark.skipif(
    GIVEN is None or not (Path(GIVEN) / "truth").is_dir(),
    reason="LATENTCELL_DATA names no folder with cells of known types",
)
GENES = ["ENSG01\tA", "ENSG02\tB", "ENSG03\tC"]


@pytest.fixture
def truth(monkeypatch):
    monkeypatch.setenv("LATENTCELL_DATA", GIVEN)


@TRUTH
@pytest.mark.study
def test_sorted_cells_have_the_type_of_their_population(truth, tmp_path):
    with pytest.warns(UserWarning, match="only the 4,338 cells"):
        cells = import_dataset(DatasetSettings(name="zheng-sorted"), tmp_path)
    assert cells.shape == (4338, 32738)
    populations = cells.obs_names.str.split("|").str[1]
    assert list(cells.obs["cell_type"]) == [POPULATIONS[name] for name in populations]
    assert cells.X.sum() == pytest.approx(np.round(cells.X.sum()))
    assert cells.var.loc["ENSG00000243485", "symbol"] == "MIR1302-10"
    assert not list(tmp_path.iterdir())


@TRUTH
@pytest.mark.study
@pytest.mark.parametrize(
    ("name", "single", "all_cells", "genes", "lines"),
    [
        ("sc-mixology-celseq2", 240, 274, 28204, 3),
        ("sc-mixology-dropseq", 210, 225, 15127, 3),
        ("sc-mixology-5cl-p1", 156, 297, 15564, 5),
        ("sc-mixology-5cl-p2", 163, 307, 14078, 5),
    ],
)
def test_lines_are_known_by_genotype(truth, tmp_path, name, single, all_cells, genes, lines):
    cells = import_dataset(DatasetSettings(name=name), tmp_path)
    assert cells.shape == (single, genes)
    assert cells.obs["cell_type"].nunique() == lines
    whole = import_dataset(DatasetSettings(name=name, doublets="keep"), tmp_path)
    assert whole.shape == (all_cells, genes)
    assert set(cells.obs_names) < set(whole.obs_names)


@TRUTH
@pytest.mark.study
def test_frozen_cells_have_no_types_and_the_genes_that_some_express(truth, tmp_path):
    cells = import_dataset(DatasetSettings(name="frozen-pbmc-donor-a"), tmp_path)
    assert cells.shape == (2896, 13939)
    assert list(cells.obs.columns) == []
    assert (np.asarray(cells.X.sum(0)).ravel() > 0).all()
    assert cells.X.sum() / 2896 == pytest.approx(2239.394, abs=1e-3)
    assert cells.var_names.str.startswith("ENSG").all()
    assert not list(tmp_path.iterdir())


def test_an_archive_stands_for_the_frozen_cells(tmp_path, monkeypatch):
    monkeypatch.delenv("LATENTCELL_DATA", raising=False)
    source = SOURCES["frozen-pbmc-donor-a"]["matrix"]
    (tmp_path / "frozen-pbmc-donor-a").mkdir()
    counts = archive(tmp_path / "frozen-pbmc-donor-a" / source.name, 6, 1)
    cells = import_dataset(DatasetSettings(name="frozen-pbmc-donor-a"), tmp_path)
    np.testing.assert_array_equal(cells.X.toarray(), counts)
    assert "cell_type" not in cells.obs
    assert (tmp_path / "frozen-pbmc-donor-a.sha256").is_file()
    assert not (tmp_path / FROZEN_PART).exists()


def test_only_data_sets_that_name_doublets_can_keep_them():
    with pytest.raises(ValidationError, match="only the data sets sc-mixology"):
        DatasetSettings(name="zheng-sorted", doublets="keep")


def archive(path, cells, seed):
    """Write a 10x archive of a population."""
    counts = np.random.default_rng(seed).integers(1, 9, (cells, len(GENES)))
    entries = [
        f"{gene + 1} {cell + 1} {counts[cell, gene]}"
        for cell in range(cells)
        for gene in range(len(GENES))
    ]
    head = f"%%MatrixMarket matrix coordinate integer general\n{len(GENES)} {cells} {len(entries)}"
    files = {
        "matrix.mtx": "\n".join([head, *entries]),
        "genes.tsv": "\n".join(GENES),
        "barcodes.tsv": "\n".join(f"AAAC{index}-1" for index in range(cells)),
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"filtered_matrices_mex/hg19/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return counts


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """Archives of the ten populations, of 2 to 11 cells."""
    monkeypatch.delenv("LATENTCELL_DATA", raising=False)
    folder = tmp_path / "zheng-sorted"
    folder.mkdir()
    sources = SOURCES["zheng-sorted"]
    return {
        name: archive(folder / source.name, seed + 2, seed)
        for seed, (name, source) in enumerate(sources.items())
    }


def test_ten_archives_become_one_data_set(archives, tmp_path):
    cells = import_dataset(DatasetSettings(name="zheng-sorted"), tmp_path)
    assert len(archives) == 10
    np.testing.assert_array_equal(cells.X.toarray(), np.concatenate([*archives.values()]))
    assert cells.obs_names[0] == "AAAC0-1|cd34"
    assert cells.obs["cell_type"].value_counts().to_dict() == {
        POPULATIONS[name]: len(counts) for name, counts in archives.items()
    }
    assert list(cells.var["symbol"]) == ["A", "B", "C"]


def test_archives_are_recorded_and_compared_with_the_record(archives, tmp_path):
    settings = DatasetSettings(name="zheng-sorted")
    first = import_dataset(settings, tmp_path)
    record = tmp_path / "zheng-sorted.sha256"
    lines = record.read_text().splitlines()
    assert len(lines) == 10
    path = tmp_path / "zheng-sorted/cd34_filtered_gene_bc_matrices.tar.gz"
    assert f"{file_digest(path)}  zheng-sorted/{path.name}" in lines
    again = import_dataset(settings, tmp_path)
    assert (again.X != first.X).nnz == 0
    assert record.read_text().splitlines() == lines


def test_another_archive_than_the_recorded_is_refused(archives, tmp_path, monkeypatch):
    import_dataset(DatasetSettings(name="zheng-sorted"), tmp_path)
    path = tmp_path / "zheng-sorted/cd34_filtered_gene_bc_matrices.tar.gz"
    archive(path, 5, 99)
    monkeypatch.setattr("latentcell.data.sources._download", lambda *_: "no network")
    with pytest.raises(InputError, match=r"cd34_filtered.*found none with the right content"):
        import_dataset(DatasetSettings(name="zheng-sorted"), tmp_path)
    assert list(path.parent.glob(f"{path.name}.wrong-*"))


def test_a_part_with_other_bytes_is_not_used(archives, tmp_path):
    part = tmp_path / SORTED_PART
    part.mkdir(parents=True)
    for name in ("labels.tsv.gz", "genes.tsv.gz"):
        (part / name).write_bytes(gzip.compress(b"no\n"))
    (part / "counts.npz").write_bytes(b"no")
    with pytest.warns(UserWarning, match="wrong content"):
        cells = import_dataset(DatasetSettings(name="zheng-sorted"), tmp_path)
    assert cells.n_obs == sum(map(len, archives.values()))


def test_every_built_in_data_set_has_a_licence():
    assert all(row.licence and row.description for row in BUILT_IN.values())
