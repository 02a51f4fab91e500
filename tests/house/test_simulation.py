"""The comparison with the truth on simulated cells, on a few cells and epochs."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import simulation  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(simulation, "TEST_CELLS", 100)
    monkeypatch.setattr(simulation, "WEIGHTED_CELLS", 10)
    monkeypatch.setattr(simulation, "BASELINES", ("pca-k2",))
    models = [("gmvae", 2, "controlled"), ("vae", 2, "recommended")]
    monkeypatch.setattr(simulation, "MODELS", models)
    for name, settings in simulation.SETTINGS.items():
        monkeypatch.setitem(simulation.SETTINGS, name, settings | {"epochs": 1})


@pytest.mark.xdist_group("bench")
def test_rows_are_measured_once_and_bounds_given_the_count_sum_are_not_compared(
    small, tmp_path, monkeypatch
):
    path = tmp_path / "simulation.csv"
    simulation.run(1, path, 200)
    rows = pd.read_csv(path).set_index("representation")
    assert list(rows.index) == ["exact posterior", "true latent", "pca-k2", "gmvae-z2", "vae-z2"]
    # With an epoch of training the bound is far below, and the weighted one less far.
    assert rows.loc["gmvae-z2", "elbo_gap"] > rows.loc["gmvae-z2", "weighted_gap"] > 0
    gaps = ["elbo_gap", "elbo_gap_se", "weighted_gap", "weighted_gap_se"]
    assert rows.loc["vae-z2", gaps].isna().all()
    assert rows.loc["vae-z2", "elbo"] < 0
    assert rows.loc["exact posterior", "accuracy_components"] > 0.7
    assert rows.loc["true latent", "r2_linear"] == pytest.approx(1)
    assert rows["r2_knn"].notna().all()

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(simulation, "measured", never)
    before = path.read_bytes()
    simulation.run(1, path, 200)
    assert path.read_bytes() == before
