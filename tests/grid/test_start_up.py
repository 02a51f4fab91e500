"""Libraries that a job imports: those of hundreds of jobs together cost more than their work."""

import ast
import subprocess
import sys

from repository import ROOT

HEAVY = {"torch", "sklearn", "scipy.stats", "scanpy", "matplotlib", "statsmodels"}
# Scripts that use one of them in each of their jobs.
NEED = {"measure_quality", "sample_vae", "train_pool"}
SCRIPTS = sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py"))
MAJORITY = """
import anndata, numpy, pandas
from latentcell.config.fitting import Options
from latentcell.config.methods import classifier
from latentcell.grid.classifying import classify, write_classified

obs = {"cell_type": ["a", "b"] * 6, "split": ["training"] * 8 + ["validation", "test"] * 2}
obs = pandas.DataFrame(obs, [f"cell{i}" for i in range(12)])
obs["cell_type"] = obs["cell_type"].astype("category")
cells = anndata.AnnData(numpy.ones((12, 3), numpy.float32), obs)
names = ("model.safetensors", "history.csv", "predictions.csv", "metrics.json", "cost.json")
classified = classify(cells, classifier("majority"), Options(1))
write_classified((*names, "probabilities.safetensors"), ("raw", "majority"), cells, classified)
"""


def imported(code, folder):
    """Heavy libraries that some code imports."""
    code = f"{code}\nimport sys; print(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    return set(done.stdout.splitlines()[-1].split())


def imports_of(script):
    """Import statements at the top of a script."""
    body = ast.parse((ROOT / f"workflow/scripts/{script}.py").read_text(encoding="utf-8")).body
    return "\n".join(
        ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)
    )


def test_scripts_import_no_heavy_library_that_they_may_not_need(tmp_path):
    light = "\n".join(imports_of(script) for script in SCRIPTS if script not in NEED)
    assert imported(light, tmp_path) == set()


def test_measures_of_a_classifier_need_no_heavy_library(tmp_path):
    assert imported(MAJORITY, tmp_path) == set()
    assert (tmp_path / "metrics.json").exists()
