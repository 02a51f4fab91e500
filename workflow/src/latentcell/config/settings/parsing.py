"""Parsing of YAML into checked settings; each error is one message that names the key."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from latentcell.config.settings.base import Section
from latentcell.config.settings.run import Settings
from latentcell.runtime.checksums import digested_run
from latentcell.runtime.errors import InputError

# Keys of earlier versions and their replacements.
MOVED = {
    "dataset": "dataset was replaced by datasets, a list",
    "leaderboard": "leaderboard was replaced by grid.representations, grid.classifiers and "
    "grid.replicates",
    "few_labels": "few_labels was replaced by comparison.labelled_shares, with a semi-gmvae in "
    "grid.models",
    "grid": "grid is now a section: its list of models is grid.models",
    "pca.components": "pca.components was replaced by names in grid.representations, such as "
    "pca-k50",
    "annotate.averages": "annotate.averages was replaced by annotate.combine: learnt or equal",
    "ffnn.raw": "ffnn.raw was replaced by the name raw in grid.representations",
    "jobs.models_per_job": "jobs.models_per_job was removed: each model has its own job or, with "
    "jobs.pool_models, all models of a replicate share one",
    "jobs.classifiers_per_job": "jobs.classifiers_per_job was removed: each classifier has its own "
    "job",
}

# Numbers that YAML 1.1 reads as text: without a point, or without the sign of the exponent.
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)
# Values in quotation marks; Snakemake also takes all that is within braces of --config as text.
_QUOTED = re.compile(r"[-+]?\d+(\.\d*)?|true|false", re.IGNORECASE)
_PLAIN_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}

_Section = TypeVar("_Section", bound=Section)


def parse_settings(
    config: dict[str, Any],
    source: str = "the configuration",
    files: Sequence[str | Path] = (),
    *,
    absolute: bool = False,
) -> Settings:
    """Check a configuration and fill in the defaults.

    Parameters
    ----------
    config
        Keys and values.
    source
        Name of the configuration, for messages.
    files
        Files of the configuration. Relative paths of data that are there beside one of them are
        those of its folder; others are relative to the working folder.
    absolute
        Whether the paths of these others are made absolute.

    Raises
    ------
    InputError
        If keys are wrong; the message names each key, the fault and the value found.
    """
    folders = [Path(file).parent for file in files]
    return parse_section(Settings, _located(config, folders, absolute), source)


def parse_section(section: type[_Section], values: dict[str, Any], source: str) -> _Section:
    """Check the values of a section and fill in its defaults; raises `InputError`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors())
        raise InputError(f"{source}: {faults}") from None


def load_settings(path: str | Path) -> Settings:
    """Read and check a YAML configuration file; raises `InputError`."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: expected a readable YAML file, found: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected keys and values, found {type(config).__name__}")
    return parse_settings(config, str(path), [path])


def refuse_renamed(run: str) -> None:
    """Refuse results of another run, whose folder was renamed.

    Snakemake knows the settings of files by their paths. Without them it takes the files for those
    of this run.

    Raises
    ------
    InputError
        If the configuration that is stored with the results, or a checksum, has another name.
    """
    folder = Path("results", run)
    for place, name in (("config.yaml", _stored_run(folder)), ("checksums", digested_run(run))):
        if name not in (None, run):
            raise InputError(
                f"{folder}: expected the results of the run {run}, found those of {name} in its "
                f"{place}: rename the folder to results/{name}, or choose another name in run"
            )


def _stored_run(folder: Path) -> Any:
    """Return the name in the stored configuration, or None."""
    try:
        stored = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # Without results, or with a file that its checksum shows to be broken.
    return stored.get("run") if isinstance(stored, dict) else None


def _located(config: dict[str, Any], folders: Sequence[Path], absolute: bool) -> dict[str, Any]:
    """Replace relative paths of data by those of files beside the configuration."""
    found = dict(config)
    if isinstance(datasets := config.get("datasets"), list):
        keys = ("path", "labels")
        found["datasets"] = [_beside(one, keys, folders, absolute) for one in datasets]
    found["annotate"] = _beside(config.get("annotate"), ("query",), folders, absolute)
    return {key: value for key, value in found.items() if key in config}


def _beside(section: Any, keys: tuple[str, ...], folders: Sequence[Path], absolute: bool) -> Any:
    if not isinstance(section, dict):
        return section
    found = dict(section)
    for key in keys:
        value = section.get(key)
        if isinstance(value, str) and not Path(value).is_absolute():
            there = [folder / value for folder in folders if _exists(folder / value)]
            if value and there and not _is_same_place(there[-1].parent, Path(value).parent):
                found[key] = str(there[-1].parent.resolve() / there[-1].name)
            elif value and absolute and _exists(Path(value)):
                found[key] = str(Path(value).absolute())
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # No name of a file.
        return False


def _is_same_place(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        return MOVED.get(key, f"{key} is not a known key (see config/README.md)")
    if key == "grid" and isinstance(fault["input"], list):
        return MOVED[key]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "model_type":
        message = "expected keys and values"
    if fault["type"] == "float_type" and _EXPONENT.fullmatch(str(fault["input"])):
        return (
            f"{key}: expected a number, found the text {fault['input']!r}: YAML reads an exponent "
            f"after a decimal point and with a sign only, such as {float(fault['input']):.1e}"
        )
    text = fault["input"] if isinstance(fault["input"], str) else ""
    if fault["type"] in _PLAIN_TYPES and _QUOTED.fullmatch(text):
        return (
            f"{key}: expected {_PLAIN_TYPES[fault['type']]}, found the text {text!r}: write it in "
            "a file without quotation marks (--config takes all that is within braces as text)"
        )
    if isinstance(fault["input"], dict):
        return f"{key}: {message}"
    return f"{key}: {message}, found {fault['input']!r}"
