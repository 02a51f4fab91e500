"""``latentcell verify``: find files of a run that have changed since they were written."""

import argparse
import re
import shlex
from collections.abc import Mapping
from contextlib import chdir, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.config.datasets import NAME_PATTERN

if TYPE_CHECKING:
    from latentcell.config.settings import Settings
    from latentcell.grid.variants import Variant

SUMMARY = "list the changed result files of a run, or move them aside"
DESCRIPTION = """\
List every file of a run that differs from its SHA-256 in results/<run>/checksums/. With --repair,
move these files to results/<run>/changed/ without overwriting earlier ones, and print the command
that computes them again.
"""
EPILOG = """\
examples:
  latentcell verify                          check the default run
  latentcell verify mine.yaml
  latentcell verify sample --repair          move the changed files of the run "sample"

exit status: 1 if changed files remain, 0 if there are none or all were moved aside.
"""
_YAML = (".yaml", ".yml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument(
        "run_or_config",
        nargs="?",
        metavar="CONFIG_OR_RUN",
        help="configuration file or name of a run (default: config/config.yaml of the clone)",
    )
    parser.add_argument("--repair", action="store_true", help="move the changed files aside")


def run(options: argparse.Namespace) -> int:
    """Compare the files with their checksums, report, and move them aside on request."""
    from latentcell.runtime.checksums import name_changed, recorded, set_changed_aside

    root, name, config = _locate(options.run_or_config)
    with chdir(root):
        if options.repair:
            from latentcell.grid.variants import variants

            _refuse_changed_config(config, name)
            known = variants(_settings_of(config, root, name))
            moved = set_changed_aside(name)
        else:
            moved = dict.fromkeys(name_changed(name), "")
        whole = recorded(name)
    for file, aside in moved.items():
        place = f": moved to {aside}" if aside else ""
        print(f"{file}: expected the bytes that its job wrote, found others{place}")
    if not moved:
        print(f"results/{name}: all {whole:,} files are unchanged")
    elif options.repair:
        made = [file for file in moved if _is_made(file, known)]
        if made:
            print(f"next        {_remake(root, config, made)}")
        for file in [file for file in moved if file not in made]:
            print(f"{file}: not of {config.name}, which does not make it again")
    else:
        command = shlex.join(["latentcell", "verify", "--repair", options.run_or_config or name])
        print(f"next        {command} moves them aside for a new computation")
    return int(bool(moved) and not options.repair)


def _locate(text: str | None) -> tuple[Path, str, Path]:
    """Return the folder of the results, the name of the run and its configuration."""
    from latentcell.cli.clone import clone, config_file, load_here
    from latentcell.runtime.errors import InputError

    root = here if ((here := Path.cwd()) / "results").is_dir() else clone()
    name = text or ""
    if text is None or Path(text).is_file() or Path(text).suffix in _YAML:
        config = config_file(text, root)
        name = load_here(config, root).run
    else:
        config = root / "results" / name / "config.yaml"
    if not re.match(NAME_PATTERN, name) or not (root / "results" / name).is_dir():
        raise InputError(
            f"{root / 'results' / name}: expected the results of a run, found none: check the name"
        )
    return root, name, config


def _refuse_changed_config(config: Path, run: str) -> None:
    """Refuse a configuration that has changed, since the run could not be repeated with it."""
    from latentcell.runtime.checksums import require_intact
    from latentcell.runtime.errors import InputError

    if not config.is_file():
        raise InputError(
            f"{config}: expected the configuration of the run, found none: name your own file "
            "instead of the run"
        )
    stored = Path("results", run, "config.yaml")
    if stored.exists() and stored.resolve() == config.resolve():
        try:
            require_intact([stored])
        except InputError:
            raise InputError(
                f"{stored}: expected the bytes that its job wrote, found others: name your own "
                "configuration instead of the run"
            ) from None


def _settings_of(config: Path, root: Path, run: str) -> "Settings":
    """Return the settings of a run; raises `InputError` if they are those of another one."""
    from latentcell.cli.clone import load_here
    from latentcell.runtime.errors import InputError

    settings = load_here(config, root)
    if settings.run != run:
        raise InputError(
            f"{config}: expected the configuration of the run {run}, found that of {settings.run}: "
            f"rename the folder results/{run} to results/{settings.run}"
        )
    return settings


def _is_made(file: str, variants: "Mapping[str, Variant]") -> bool:
    """Whether one of the variants, by folder, has the folders of a file."""
    from latentcell.config.settings import RUN_FOLDERS
    from latentcell.grid.points import is_in_grid

    _, folder, *parts = Path(file).parts
    if parts[0] == "variants":
        folder, parts = "/".join((folder, *parts[:2])), parts[2:]
    if (variant := variants.get(folder)) is None:
        return False
    if parts[0] == "figures":
        return parts[1] in variant.settings.dataset_names()
    return parts[0] in RUN_FOLDERS or is_in_grid(variant, parts[:-1])


def _remake(root: Path, config: Path, files: list[str]) -> str:
    """Return the command that computes files again; Snakemake ignores files that are missing."""
    inside = config.relative_to(root) if config.is_relative_to(root) else config
    command = ["snakemake", *_snakefile(root), "--cores", "all", "--configfile", str(inside)]
    command += ["--forcerun", *files]
    before = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
    return before + shlex.join(command)


def _snakefile(root: Path) -> list[str]:
    """Return the option that names the clone's Snakefile, for results in a folder without one."""
    from latentcell.cli.clone import clone
    from latentcell.runtime.errors import InputError

    if (root / "Snakefile").exists():
        return []
    with suppress(InputError):
        return ["--snakefile", str(clone() / "Snakefile")]
    return []
