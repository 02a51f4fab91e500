"""Where the workflow lies, and how it is started."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from latentcell.errors import InputError
from latentcell.provenance import PACKAGE


def clone() -> Path:
    """The clone of the repository that this package is of, or that one stands in.

    Raises
    ------
    InputError
        There is none: the package was installed by itself.
    """
    for folder in (*PACKAGE.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "Snakefile").is_file() and (folder / "workflow/rules").is_dir():
            return folder
    raise InputError(
        f"{Path.cwd()}: expected a clone of the repository, which has the Snakefile, found none: "
        "run this in a clone"
    )


def config_file(text: str | None, root: Path) -> Path:
    """A configuration that is there; without a name, the default one."""
    path = root / "config/config.yaml" if text is None else Path(text)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a configuration, a YAML file, found none: "
            "latentcell check mine.h5ad --write-config mine.yaml makes one"
        )
    return path.resolve()


def start(root: Path, arguments: Sequence[str]) -> int:
    """Run this Python with such arguments in the clone; its exit status."""
    return subprocess.run([sys.executable, *arguments], cwd=root, check=False).returncode


def snakemake(
    root: Path,
    config: Path,
    targets: Sequence[str],
    cores: int | None,
    options: Sequence[str] = (),
) -> int:
    """Run the workflow on so many cores (None: all); 0, or 1 where something failed."""
    # Targets come first: behind --configfile they would be taken for configurations.
    given = ["-m", "snakemake", *targets, "--cores", str(cores or "all"), "--quiet", "rules"]
    return 1 if start(root, [*given, *options, "--configfile", str(config)]) else 0
