"""The user's file of a data set: located or downloaded, and checked against its SHA-256."""

import re
from pathlib import Path

from latentcell.config.datasets import SHA256_PATTERN
from latentcell.config.settings import DatasetSettings
from latentcell.data.sources import Source, fetch_source
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_text
from latentcell.runtime.provenance import file_digest


def own_file(settings: DatasetSettings, resources: Path, progress: bool = False) -> Path:
    """Locate or download the file or folder of a data set that is not built in.

    Parameters
    ----------
    settings
        Section with ``path``, a local path or an address.
    resources
        Folder for downloads.
    progress
        Whether to report the progress of a download.

    Returns
    -------
    Path
        File with the SHA-256 of the settings or of the recorded first download.

    Raises
    ------
    InputError
        If there is no such file, or its SHA-256 differs.
    """
    if not settings.is_remote:
        path = Path(settings.path or "")
        if settings.sha256 is not None and path.exists():
            _require(path, settings.sha256)
        return path
    record = record_file(settings.name, resources)
    known = settings.sha256 or _recorded(record)
    source = Source(
        name=settings.file_name(),
        sha256=known or "",
        urls=(str(settings.path),),
        unpacked=False,
        anywhere=False,
    )
    try:
        found = fetch_source(source, settings.name, resources, progress)
    except InputError as error:
        if known is None or settings.sha256 is not None:
            raise
        raise InputError(
            f"{error} (or delete {record}, the record of the first download, to accept another "
            "file)"
        ) from None
    assert found is not None  # The source is required.
    return found


def hold_to(path: Path, settings: DatasetSettings, resources: Path) -> None:
    """Record the SHA-256 of a download that was read, to check the next one."""
    record = record_file(settings.name, resources)
    if settings.is_remote and settings.sha256 is None and not record.exists():
        write_text(record, f"{file_digest(path)}  {path.relative_to(resources).as_posix()}\n")


def record_file(name: str, resources: Path) -> Path:
    """Return the path of a download's SHA-256, a line as ``sha256sum --check`` reads it."""
    return resources / f"{name}.sha256"


def _recorded(record: Path) -> str | None:
    try:
        digest = record.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    except FileNotFoundError:
        return None
    if not re.match(SHA256_PATTERN, digest):
        raise InputError(f"{record}: expected a SHA-256 and a file's name, found {digest[:80]!r}")
    return digest


def _require(path: Path, sha256: str) -> None:
    if path.is_dir():
        raise InputError(f"{path}: expected a file, which has a SHA-256, found a folder")
    digest = file_digest(path)
    if digest != sha256:
        raise InputError(f"{path}: expected the SHA-256 {sha256}, found {digest}")
