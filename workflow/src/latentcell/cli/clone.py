"""Location and start of the workflow."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.runtime.errors import InputError
from latentcell.runtime.provenance import PACKAGE

if TYPE_CHECKING:
    from latentcell.config.settings import Settings


def clone() -> Path:
    """Return the clone of the repository that holds this package or the working directory.

    Raises
    ------
    InputError
        If there is none, because the package was installed alone.
    """
    for folder in (*PACKAGE.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "Snakefile").is_file() and (folder / "workflow/rules").is_dir():
            return folder
    raise InputError(
        f"{Path.cwd()}: expected a clone of the repository, which has the Snakefile, found none: "
        "run this in a clone"
    )


def config_file(text: str | None, root: Path) -> Path:
    """Return the path of an existing configuration, by default that of the clone."""
    path = root / "config/config.yaml" if text is None else Path(text)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a configuration, a YAML file, found none: "
            "latentcell check mine.h5ad --write-config mine.yaml makes one"
        )
    return path.resolve()


def load_here(config: Path, folder: Path) -> "Settings":
    """Load settings as a run in `folder` does, with its table of data sets; raises `InputError`."""
    from latentcell.config.settings import load_settings

    with chdir(folder):
        return load_settings(config)


def start(root: Path, arguments: Sequence[str]) -> int:
    """Run this Python with arguments in the clone and return the exit status."""
    return subprocess.run([sys.executable, *arguments], cwd=root, check=False).returncode


def snakemake(
    root: Path,
    config: Path,
    targets: Sequence[str],
    cores: int | None,
    options: Sequence[str] = (),
) -> int:
    """Run the workflow on a number of cores (None: all); returns 0, or 1 if it failed."""
    # Targets come first: after --configfile they would be taken for configurations.
    given = ["-m", "snakemake", *targets, "--cores", str(cores or "all"), "--quiet", "rules"]
    return 1 if start(root, [*given, *options, "--configfile", str(config)]) else 0
