"""A copy of what a run needs of the repository, in a folder of its own."""

import os
import shutil
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
# The configuration that CI runs, in which each test changes what it is about.
TINY = yaml.safe_load((ROOT / ".test/config/config.yaml").read_text(encoding="utf-8"))
_COPIED = ("Snakefile", "workflow", "config", "profiles", "envs")
# What Python and Numba compiled; other files in a cache are being written by another process.
_COMPILED = (".pyc", ".nbi", ".nbc")


def _left_out(folder, names):
    """Files of caches that a copy leaves out."""
    cached = Path(folder).name == "__pycache__"
    return [name for name in names if cached and not name.endswith(_COMPILED)]


def copy_workflow(folder, config):
    """Copy the workflow, with `config` beside it as tiny.yaml; gives the folder.

    Caches of compiled code are copied too. They are valid where times and sizes of the sources are
    the same, and spare each copy the compilation.
    """
    folder.mkdir(exist_ok=True)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_left_out)
        else:
            shutil.copy(source, folder / name)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


def environment():
    """Variables for a run: compiled modules are kept, or each of its jobs compiles them anew."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
