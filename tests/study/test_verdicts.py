"""Verdicts from kept records are those of the run, in a folder of their own."""

import gzip
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_claims import accuracies, counts, curves, deposit, model_curves, models, variance

from latentcell.config.settings import Settings, load_settings, parse_settings
from latentcell.evaluate.metrics import MEASURES, MERGED
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv
from latentcell.runtime.mark import marking
from latentcell.study.claims import RULES
from latentcell.study.published import STUDY
from latentcell.tables.builders import read_needs
from latentcell.tables.catalogue import TABLES

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import verdicts  # noqa: E402

CONFIG = {
    "run": "mine",
    "protocol": "controlled",
    "replicates": 5,
    "datasets": [STUDY],
    "subset": {"sizes": [1300]},
    "comparison": {"protocols": ["as-run"], "ablations": ["controlled"]},
}
INPUTS = {"gmvae-z10-h100": 0.61234567, "gmvae-z50-h100": 0.67, "raw": 0.6, "pca-k50": 0.55}
MODELS = {"gmvae-z10-h100": -1934.91234567, "gmvae-z10-h500": -1961.2, "gmvae-z50-h100": -1940.0}


def records() -> dict[str, pd.DataFrame]:
    """Records as `collect_records` writes them: with the study's classifier and another one."""
    scores = pd.concat([accuracies(INPUTS | {"pca-k10": 0.56}, 0.0123456789)])
    scores = scores.assign(**{f"{name}{MERGED}": scores[name] for name in MEASURES})
    others = scores.assign(classifier="logistic", accuracy=0.99)
    gaps = curves({name: (value, 0.9) for name, value in INPUTS.items()}, 0.0123456789)
    found = {
        "classifiers": pd.concat([scores.assign(classifier="ffnn"), others]),
        "models": models(MODELS, 1.23456789),
        "model_curves": model_curves({"gmvae-z10-h100": 1228.3}, 12.3456789),
        "curves": pd.concat([gaps.assign(classifier="ffnn"), gaps.assign(classifier="logistic")]),
        "variance": variance(20.51234567, 0.123456789),
        "classes": classes(scores.assign(classifier="ffnn")),
        "class_counts": counts((70000, 10000), (13100, 1900)),
    }
    return {name: frame.assign(dataset=STUDY) for name, frame in found.items()}


def classes(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of two types on test cells."""
    test = scores[scores["split"] == "test"]
    parts = [
        test.assign(cell_type=name, type_cells=40, support=4, f1=test["accuracy"] + shift)
        for name, shift in (("B", 0.01), ("T", -0.02))
    ]
    return pd.concat(parts)


def finished(folder: Path) -> Path:
    """A finished run: records, configuration and tables."""
    run = folder / "results/mine"
    for name, frame in records().items():
        write_csv(run / f"records/{name}.csv", frame, exact=True)
    text = yaml.safe_dump(settings().model_dump(mode="json"), sort_keys=False)
    (run / "config.yaml").write_text(text)
    write_csv(run / "tables/table5_deposit.csv", deposit(0.5, 0.66).assign(dataset=STUDY))
    return run


def settings() -> Settings:
    return parse_settings(CONFIG)


def run_command(folder: Path, *arguments: str, docs: Path | None = None) -> None:
    """Run the command, which decides all runs that are kept below `docs`."""
    places = ["--results", str(folder / "results"), "--docs", str(docs or folder / "docs")]
    verdicts.main([*arguments, *places])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    finished(folder)
    run_command(folder, "--keep", "mine", "--as", "other")
    return folder


def test_verdicts_from_kept_records_are_those_of_the_run(kept: Path) -> None:
    run, entry = kept / "results/mine", TABLES["claims"]
    paths = {name: run / f"records/{name}.csv" for name in records()}
    paths["table5_deposit"] = run / "tables/table5_deposit.csv"
    expected = entry.build(read_needs(paths), settings())
    found = pd.read_csv(kept / "docs/other/claims.csv", keep_default_na=False)
    assert found["claim"].tolist() == expected["claim"].tolist()
    assert len(found) == len(RULES)
    assert found["verdict"].tolist() == expected["verdict"].tolist()
    assert len(set(found["verdict"])) == 3
    for column in ("estimate", "low", "high"):
        numbers = pd.to_numeric(found[column])
        pd.testing.assert_series_equal(numbers, expected[column], rtol=1e-3, atol=1e-4)
    text = (kept / "docs/other/claims.md").read_text(encoding="utf-8")
    assert text.startswith("# Claims of the study\n")


def test_kept_records_have_what_the_claims_read_and_six_digits(kept: Path) -> None:
    folder = kept / "docs/other/records"
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        *(f"{name}.csv.gz" for name in records()),
    }
    scores = pd.read_csv(folder / "classifiers.csv.gz")
    assert set(scores["classifier"]) == {"ffnn", "logistic"}
    assert list(scores)[:4] == ["dataset", "variant", "cells", "replicate"]
    assert scores["accuracy"].astype(str).str.len().max() <= 8
    assert set(pd.read_csv(folder / "curves.csv.gz")["epoch"]) == {100}
    assert set(pd.read_csv(folder / "model_curves.csv.gz")["split"]) == {"validation"}
    assert (kept / "docs/other/table5_deposit.csv").is_file()


def test_equal_records_are_kept_as_equal_bytes(kept: Path, tmp_path: Path) -> None:
    run_command(kept, "--keep", "mine", "--as", "again", docs=tmp_path)
    first = kept / "docs/other/records/models.csv.gz"
    second = tmp_path / "again/records/models.csv.gz"
    assert first.read_bytes() == second.read_bytes()


def test_records_can_lie_uncompressed(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept / "docs/other", tmp_path / "plain")
    path = tmp_path / "plain/records/classifiers.csv.gz"
    changed = gzip.decompress(path.read_bytes()).decode().replace("gmvae-z50", "gmvae-z25")
    path.with_suffix("").write_text(changed)
    path.unlink()
    run_command(kept, docs=tmp_path)
    assert "gmvae-z25" in path.with_suffix("").read_text()
    assert len(pd.read_csv(tmp_path / "plain/claims.csv")) == len(RULES)


def test_without_records_the_command_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "docs/comparison").mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"verdicts: .*records: expected the records of a run, "):
        run_command(tmp_path)
    with pytest.raises(SystemExit, match=r"mine/config.yaml: expected a file of a finished run"):
        run_command(tmp_path, "--keep", "mine")


def test_a_missing_record_is_named(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept / "docs/other", tmp_path / "less")
    (tmp_path / "less/records/variance.csv.gz").unlink()
    with pytest.raises(InputError, match=r"variance.csv: expected a kept record"):
        verdicts.decide(tmp_path / "less")


def test_records_of_simulated_cells_are_not_kept(tmp_path: Path) -> None:
    run = finished(tmp_path)
    with marking(True):
        write_csv(run / "records/classifiers.csv", records()["classifiers"])
    with pytest.raises(SystemExit, match="expected results of real cells, found simulated ones"):
        run_command(tmp_path, "--keep", "mine")


def test_large_records_are_refused(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "LARGEST", 10)
    with pytest.raises(SystemExit, match="expected less than 10 bytes"):
        run_command(kept, "--keep", "mine", "--as", "large", docs=tmp_path)


def test_tables_of_the_docs_follow_from_their_records(tmp_path: Path) -> None:
    runs = list(verdicts.kept_runs(ROOT / "docs/results"))
    if not runs:
        pytest.skip("docs/results has no records (make verdicts)")
    for run in runs:
        settings = load_settings(run / "records/config.yaml")
        for entry in verdicts.deciding_tables(settings):
            expected = verdicts.decide(run, entry.name)
            entry.write(expected, [tmp_path / "table.csv"])
            assert (tmp_path / "table.csv").read_text() == (run / f"{entry.name}.csv").read_text()
