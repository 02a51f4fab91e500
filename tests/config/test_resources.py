"""Requested resources: above the measurements, growing with data and attempts."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from latentcell.config.resources import (
    BUILT_IN,
    Demand,
    Size,
    classifying,
    dataset_size,
    drawing,
    fitting,
    importing,
    mapping,
    principal_components,
    representing,
    sampling,
    small,
    training,
)
from latentcell.config.settings import DatasetSettings, FfnnSettings, VaeSettings

FULL = BUILT_IN["pbmc68k"]
STUDY = BUILT_IN["pbmc68k-study"]
EXACT = VaeSettings(preset="scvae")
RECOMMENDED = VaeSettings(preset="recommended", epochs=1)


def test_each_attempt_asks_for_more():
    demand = Demand(mb=1000, seconds=3600)
    memory = [demand.mem_mb(attempt) for attempt in (1, 2, 3)]
    assert memory == [1600, 2400, 3200]
    assert [demand.runtime(attempt) for attempt in (1, 2, 3)] == [63, 126, 189]


def test_the_imported_file_tells_the_size(tmp_path):
    path = tmp_path / "dataset.h5ad"
    own = DatasetSettings(name="mine", path="mine.h5ad")
    assert dataset_size(path, own, BUILT_IN.__getitem__) == FULL
    study = DatasetSettings(name="pbmc68k-study")
    assert dataset_size(path, study, BUILT_IN.__getitem__) == STUDY
    counts = sparse.csr_matrix(np.eye(6, 4, dtype=np.int32))
    obs = pd.DataFrame({"cell_type": pd.Categorical(list("aabbcc"))}, index=list("uvwxyz"))
    ad.AnnData(counts, obs=obs).write_h5ad(path)
    size = dataset_size(path, own, BUILT_IN.__getitem__)
    assert (size.cells, size.genes, size.stored, size.types) == (6, 4, 4, 3)
    assert size.of("all") == size.of(100) == size
    assert (size.of(3).cells, size.of(3).stored) == (3, 2)


@pytest.mark.parametrize(
    ("made", "cells"),
    [
        ({"shares": "pbmc68k"}, 700),
        ({"test_on": "pbmc68k-study"}, 2200),
        ({"with_unlabelled": ["frozen-pbmc-donor-a"]}, 700),
    ],
)
def test_a_derived_data_set_has_at_most_the_cells_of_its_sources(tmp_path, made, cells):
    derived = DatasetSettings(name="derived", derived_from="pbmc68k-sample", **made)
    size = dataset_size(tmp_path / "dataset.h5ad", derived, BUILT_IN.__getitem__)
    assert (size.cells, size.genes) == (cells, 765)


def test_own_files_are_imported_by_their_size(tmp_path):
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix/counts.mtx").write_bytes(bytes(3_000_000))
    (tmp_path / "labels.tsv").write_bytes(bytes(1_000_000))
    own = DatasetSettings(name="mine", path="matrix", labels="labels.tsv")
    files = [str(tmp_path / "matrix"), str(tmp_path / "labels.tsv")]
    assert importing(files, own).mb == pytest.approx(40)
    assert importing([], DatasetSettings(name="pbmc68k")).mb > 500
    remote = DatasetSettings(name="mine", path="https://example.org/mine.h5ad")
    assert importing(remote.local_files(), remote).mb > 500


@pytest.mark.parametrize(
    ("demand", "mb", "seconds"),
    [
        (drawing(FULL, FULL), 1042, 5.3),
        (principal_components(STUDY.of(1300)), 250, 9),
        (principal_components(FULL.of(15_000)), 464, 11),
        (mapping(FULL.of(15_000)), 480, 64),
        (principal_components(FULL), 1466, 70),
        (mapping(FULL), 782, 203),
        (small(1300), 260, 6),
        (training(["gmvae-z10-h100"], STUDY.of(1300), EXACT, 1, False), 970, 520),
        (training(["gmvae-z100-h500"], STUDY.of(1300), EXACT, 1, False), 1815, 2800),
        (training(["gmvae-z10-h100"], FULL.of(15_000), VaeSettings(epochs=1), 1, False), 920, 33),
        (training(["gmvae-z10-h100"], FULL.of(15_000), RECOMMENDED, 1, False), 995, 27),
        (fitting("random-forest", "pca-k50", FULL.of(15_000)), 760, 61),
        (representing("hvg-pca-k50", FULL.of(15_000)), 628, 250),
        (representing("label-rule", FULL.of(15_000)), 901, 250),
        (representing("nmf-k20", FULL.of(15_000)), 665, 250),
        (representing("scanvi-z10", FULL.of(15_000)), 986, 1050),
        (classifying(["raw"], FULL.of(15_000), FfnnSettings(), 1), 813, 560),
        (classifying(["pca-k50"], FULL.of(15_000), FfnnSettings(), 1), 293, 40),
    ],
)
def test_what_was_measured_is_covered_but_not_by_far(demand, mb, seconds):
    assert mb < demand.mem_mb(1) < 3.5 * mb
    assert seconds < 60 * demand.runtime(1) < 4 * seconds + 300


@pytest.mark.parametrize(("name", "mb"), [("pca-k100", 2652), ("hvg-pca-k50", 2598)])
def test_counts_that_stay_in_their_file_take_little_memory(name, mb):
    """docs/benchmarks.md, Memory at 500,000 cells."""
    many = Size(500_000, 32_738, 277_000_000, 11)
    assert mb < representing(name, many).mem_mb(1) < 2 * mb
    # As much for each further cell as its counts take.
    more = Size(1_000_000, 32_738, 554_000_000, 11)
    assert representing(name, more).mb < 2 * representing(name, many).mb


def test_models_at_once_share_nothing_but_time():
    names = ["gmvae-z10-h100", "gmvae-z10-h250", "vae-z10-h100"]
    one, three = (training(names, STUDY, EXACT, at_once, False) for at_once in (1, 3))
    assert 2 * one.mb < three.mb < 3 * one.mb
    assert three.seconds < one.seconds
    alone = training(names[1:2], STUDY, EXACT, 1, False)
    assert one.mb == alone.mb
    assert three.seconds > alone.seconds


def test_a_gpu_is_quick_and_takes_memory_of_the_host():
    names = ["gmvae-z100-h500"]
    cpu, cuda = (training(names, FULL, VaeSettings(), 1, granted) for granted in (False, True))
    assert cuda.seconds < cpu.seconds / 10
    assert cuda.mb > cpu.mb


def test_cells_that_are_drawn_take_memory():
    few, many = (sampling("gmvae-z10-h100", number, STUDY) for number in (10, 1000))
    assert many.mb > few.mb + 1000
    assert many.seconds > few.seconds


def test_other_methods_are_covered_but_not_by_far():
    cells = STUDY.of(1300)
    # The slowest classifier on all genes, and scANVI (docs/methods.md).
    for demand, mb, seconds in (
        (fitting("celltypist", "log", cells), 1100, 77),
        (representing("scanvi-z10", cells), 1100, 60),
    ):
        assert mb < demand.mem_mb(1) < 3.5 * mb
        assert seconds < demand.seconds < 5 * seconds
    # Ten minutes for all of them.
    names = ("logistic", "svm-linear", "random-forest", "boosting", "celltypist", "actinn")
    assert 600 < sum(fitting(name, "log", cells).seconds for name in names) < 5 * 600
    assert representing("pca-k50", cells) == principal_components(cells)
    assert representing("raw", cells).seconds < 10


def test_a_representation_takes_what_its_columns_take():
    names = ["gmvae-z10-h100", "semi-gmvae-z50-h100", "nmf-k20", "hvg-g2000", "log"]
    found = [classifying([name], STUDY, FfnnSettings(), 1) for name in names]
    # 10 latent dimensions, 11 types, 20 parts, 2,000 genes and all of them.
    assert [one.seconds for one in found] == sorted(one.seconds for one in found)
    assert classifying(["log"], STUDY, FfnnSettings(), 1) == classifying(
        ["raw"], STUDY, FfnnSettings(), 1
    )


def test_a_model_without_a_mixture_is_quicker():
    cells = STUDY.of(1300)
    seconds = {
        kind: training([f"{kind}-z10-h100"], cells, EXACT, 1, False).seconds
        for kind in ("vae", "gmvae", "semi-gmvae", "dca")
    }
    assert seconds["dca"] == seconds["vae"]
    assert 5 * seconds["vae"] < seconds["gmvae"] == seconds["semi-gmvae"]


def test_plain_adam_takes_longer():
    lazy, plain = (
        classifying(["raw"], STUDY, FfnnSettings(optimiser=optimiser), 1)
        for optimiser in ("lazy-adam", "adam")
    )
    assert plain.seconds > 5 * lazy.seconds


def test_the_preset_of_a_model_decides_how_long_it_takes():
    named, section = (
        training([name], STUDY, settings, 1, False).seconds
        for name, settings in (
            ("gmvae-z10-h100-recommended", VaeSettings(epochs=1)),
            ("gmvae-z10-h100", RECOMMENDED),
        )
    )
    assert named == section != training(["gmvae-z10-h100"], STUDY, EXACT, 1, False).seconds


def test_classifiers_take_what_their_features_take():
    # A regression on all genes that reads them in pieces: less than 3 GB (docs/benchmarks.md).
    half_a_million = Size(500_000, 32_738, 280_000_000, 11)
    assert 3000 < fitting("logistic", "log", half_a_million).mem_mb(1) < 6000
    dense, genes = (fitting("svm-linear", name, FULL) for name in ("gmvae-z10-h100", "log"))
    assert dense.mb < genes.mb / 5
    assert dense.seconds < genes.seconds / 5
