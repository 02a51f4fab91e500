"""What the study's authors classified, from their files."""

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from latentcell.config.settings import DepositedSettings, FfnnSettings, SplitSettings
from latentcell.data import sources
from latentcell.data.sources import SOURCES
from latentcell.runtime.errors import InputError
from latentcell.study import deposited as catalogue
from latentcell.study import importing
from latentcell.study.deposited import DEPOSITED, repeat_parts
from latentcell.study.importing import (
    annotated_types,
    import_deposited,
    number_to_barcode,
    read_scores,
)
from latentcell.study.repeats import repeat_classifier

GIVEN = os.environ.get(sources.DATA_VARIABLE)
CELLS = ["TT-1", "AA-1", "GG-2"]
LATENTS = "\tz variable 1\tz variable 2\nTT-1\t0.5\t-1\nAA-1\t1e-3\t2\nGG-2\t0\t0.25\n"
SCORES = "\t0\t1\n0\t0.5\t-1\n1\t1e-3\t2\n2\t0\t0.25\n"
NUMBERS = np.array([[0.5, -1], [1e-3, 2], [0, 0.25]], np.float32)
ANNOTATION = (
    "TSNE.1\tTSNE.2\tbarcodes\tcelltype\n"
    "0\t0\tAA-1\tB\n0\t0\tCC-1\tDendritic\n0\t0\tGG-2\tA\n0\t0\tTT-1\tB\n"
)
CELL_TYPES = "barcode\tcelltype\nTT-1\tB\nAA-1\tB\nGG-2\tA\nCC-1\tDendritic\n"
TINY = replace(DEPOSITED["gmvae-z10-h250-n1300"], cells=3, dim=2)


@pytest.fixture
def resources(tmp_path, monkeypatch):
    """A deposit of three cells, whose digests are those that are asked for."""
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)

    def lay(source, folder, text):
        path = tmp_path / folder / source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
        return replace(source, sha256=hashlib.sha256(text.encode()).hexdigest(), urls=())

    for name, text in (("gmvae-z10-h250-n1300", LATENTS), ("pca-k10-n1300", SCORES)):
        whole = DEPOSITED[name]
        source = lay(whole.source, whole.source.folder, text)
        tiny = replace(whole, cells=3, dim=2, source=source)
        monkeypatch.setitem(catalogue.DEPOSITED, name, tiny)
    for dataset, role, text in (
        ("pbmc68k", "annotation", ANNOTATION),
        ("pbmc68k-study", "cell_types", CELL_TYPES),
    ):
        source = lay(SOURCES[dataset][role], dataset, text)
        monkeypatch.setitem(SOURCES[dataset], role, source)
    return tmp_path


@pytest.mark.parametrize("name", ["gmvae-z10-h250-n1300", "pca-k10-n1300"])
def test_files_are_read_in_their_order(resources, name):
    cells = import_deposited(name, resources)
    assert cells.obs_names.tolist() == CELLS
    assert cells.obs["cell_type"].tolist() == ["B", "B", "A"]
    assert cells.obs["cell_type"].cat.categories.tolist() == ["A", "B", "Dendritic"]
    assert cells.X.dtype == np.float32
    assert (cells.X == NUMBERS).all()
    assert cells.uns["dataset"] == "pbmc68k-study"


def test_raw_counts_are_the_first_rows(resources, monkeypatch):
    counts = sparse.csr_matrix(np.arange(1, 9, dtype=np.int32).reshape(4, 2))
    dataset = ad.AnnData(counts, pd.DataFrame(index=[*CELLS, "CC-1"]))
    dataset.obs["cell_type"] = "wrong"
    monkeypatch.setattr(importing, "import_dataset", lambda *args, **kwargs: dataset)
    monkeypatch.setitem(catalogue.DEPOSITED, "raw-n1300", replace(DEPOSITED["raw-n1300"], cells=3))
    cells = import_deposited("raw-n1300", resources)
    assert cells.obs_names.tolist() == CELLS
    assert cells.X.toarray().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert cells.obs["cell_type"].tolist() == ["B", "B", "A"]


def test_cells_are_the_same_after_writing(resources):
    cells = import_deposited("gmvae-z10-h250-n1300", resources)
    cells.write_h5ad(resources / "features.h5ad")
    again = ad.read_h5ad(resources / "features.h5ad")
    assert (again.X == NUMBERS).all()
    assert again.obs["cell_type"].cat.categories.tolist() == ["A", "B", "Dendritic"]


def test_absent_file_says_where_it_is_to_be_put(resources):
    name = DEPOSITED["gmvae-z10-h250-n15000"].source.name
    with pytest.raises(InputError) as caught:
        import_deposited("gmvae-z10-h250-n15000", resources)
    message = str(caught.value)
    assert message.startswith(f"{resources / 'pbmc68k-study' / name}: expected the file")
    assert message.endswith("put it there by hand")
    assert "\n" not in message


def test_other_content_is_refused(resources):
    source = DEPOSITED["pca-k10-n1300"].source
    (resources / source.folder / source.name).write_text(LATENTS)
    with pytest.raises(InputError, match=r"pca10\.tsv\.gz has the wrong content"):
        import_deposited("pca-k10-n1300", resources)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LATENTS + "CC-1\t1\t1\n", "expected 3 cells with 2 numbers each, found 4 cells with 2"),
        ("\tz\nTT-1\t1\nAA-1\t1\nGG-2\t1\n", "3 cells with 2 numbers each, found 3 cells with 1"),
        (LATENTS.replace("1e-3", "nan"), "finite numbers, found 'nan' for cell AA-1 in column 'z"),
        (LATENTS.replace("-1\n", "-inf\n", 1), "finite numbers, found '-inf' for cell TT-1"),
        (LATENTS.replace("0.25", "a lot"), r"found 'a lot' for cell GG-2 .*\(1 such values\)"),
        (LATENTS.replace("\t0.25", ""), "expected finite numbers, found .* for cell GG-2"),
        (LATENTS.replace("1e-3\t2", "1e-3\t2\t3"), "expected a whole file in the format TSV"),
        ("", "expected a whole file in the format TSV, found one that cannot be read"),
    ],
)
def test_wrong_scores_are_refused_in_one_sentence(tmp_path, text, said):
    (tmp_path / "scores.tsv").write_text(text)
    with pytest.raises(InputError, match=rf"scores\.tsv: .*{said}") as caught:
        read_scores(tmp_path / "scores.tsv", TINY)
    assert "\n" not in str(caught.value)


def test_broken_gzip_is_refused(tmp_path):
    (tmp_path / "scores.tsv.gz").write_bytes(gzip.compress(LATENTS.encode())[:-9])
    with pytest.raises(InputError, match=r"scores\.tsv\.gz: expected a whole file"):
        read_scores(tmp_path / "scores.tsv.gz", TINY)


def test_rows_must_be_numbered_from_0(tmp_path):
    (tmp_path / "types.tsv").write_text(CELL_TYPES)
    with pytest.raises(InputError, match=r"scores: .*numbered from 0, found 2 instead of 1"):
        number_to_barcode(pd.Index(["0", "2"]), tmp_path / "scores", tmp_path / "types.tsv")


def test_each_row_needs_a_barcode(tmp_path):
    (tmp_path / "types.tsv").write_text(CELL_TYPES)
    numbers = pd.Index(list("01234"))
    with pytest.raises(InputError, match=r"types\.tsv: .*at least 5 barcodes .* found 4"):
        number_to_barcode(numbers, tmp_path / "scores", tmp_path / "types.tsv")


def test_unknown_barcodes_are_refused(tmp_path):
    (tmp_path / "annotation.tsv").write_text(ANNOTATION)
    with pytest.raises(
        InputError, match=r"latents: expected barcodes of .*found 2 of 3 .*first being XX-1"
    ):
        annotated_types(pd.Index(["AA-1", "XX-1", "YY-1"]), "latents", tmp_path / "annotation.tsv")


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_repeated_barcode_is_refused(resources, monkeypatch):
    twice = ad.AnnData(NUMBERS, pd.DataFrame(index=["AA-1", "GG-2", "AA-1"]))
    monkeypatch.setattr(importing, "read_scores", lambda *args: twice)
    with pytest.raises(InputError, match="expected every barcode once, found AA-1 2 times"):
        import_deposited("gmvae-z10-h250-n1300", resources)


def test_parts_hold_every_replicate_once():
    parts = repeat_parts(DepositedSettings(replicates=12, raw_replicates=1))
    assert list(parts) == list(DEPOSITED)
    assert parts["raw-n1300"] == [[1]]
    assert [r for part in parts["pca-k10-n1300"] for r in part] == list(range(1, 13))


# The deposit itself


@pytest.fixture(scope="module")
def deposited_cells():
    if not GIVEN:
        pytest.skip(f"{sources.DATA_VARIABLE} does not name the folder of the deposit")
    return {name: import_deposited(name) for name, one in DEPOSITED.items() if one.source}


@pytest.mark.study
def test_deposited_files_hold_what_the_study_says(deposited_cells):
    assert len(deposited_cells) == 12
    for name, cells in deposited_cells.items():
        one = DEPOSITED[name]
        assert cells.shape == (one.cells, one.dim), name
        assert np.isfinite(cells.X).all()
        assert len(cells.obs["cell_type"].cat.categories) == 11
    sizes = {one.cells for one in DEPOSITED.values()}
    assert sizes == {1300, 260, 3000}


@pytest.mark.study
def test_models_of_a_subset_share_their_test_cells(deposited_cells):
    for subset, first in ((1300, "CCCATGTGTGTCGA-6"), (15000, "AGGGTTTGACCATG-1")):
        names = [n for n in deposited_cells if n.startswith("gmvae") and n.endswith(f"-n{subset}")]
        assert len(names) == 4
        for name in names:
            assert deposited_cells[name].obs_names[0] == first
            assert (deposited_cells[name].obs_names == deposited_cells[names[0]].obs_names).all()


@pytest.mark.study
def test_scores_are_of_the_deposited_cells(deposited_cells):
    source = SOURCES["pbmc68k-study"]["cell_types"]
    labels = sources.fetch_source(source, "pbmc68k-study", Path("resources"))
    known = pd.read_csv(labels, sep="\t")[:1300]
    cells = deposited_cells["pca-k100-n1300"]
    assert cells.obs_names.tolist() == known["barcode"].tolist()
    # Two sources of the same annotation.
    assert cells.obs["cell_type"].tolist() == known["celltype"].tolist()


@pytest.mark.study
def test_published_accuracy_of_the_smallest_model_is_of_about_26_cells(deposited_cells):
    name = "gmvae-z10-h250-n1300"
    as_run = FfnnSettings(loss="double-softmax", keep="last", shuffle=False, drop_last=True)
    table = repeat_classifier(
        deposited_cells[name], name, range(1, 7), 1, as_run, SplitSettings(method="study")
    )
    assert 20 < table["test_cells"].mean() < 32
    # 0.41 with a standard deviation of 0.08 over ten splits, measured elsewhere.
    assert 0.41 - 0.1 < table["test_accuracy"].mean() < 0.41 + 0.1
