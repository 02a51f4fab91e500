"""The user's file of a data set: located or downloaded, and checked against its SHA-256."""

from pathlib import Path

from latentcell.config.settings import DatasetSettings
from latentcell.data.recording import record_file, recorded, write_record
from latentcell.data.sources import Source, fetch_source
from latentcell.runtime.errors import InputError
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
    known = settings.sha256 or recorded(record).get(settings.file_name())
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
    if settings.is_remote and settings.sha256 is None:
        write_record(record, [path])


def _require(path: Path, sha256: str) -> None:
    if path.is_dir():
        raise InputError(f"{path}: expected a file, which has a SHA-256, found a folder")
    digest = file_digest(path)
    if digest != sha256:
        raise InputError(f"{path}: expected the SHA-256 {sha256}, found {digest}")
