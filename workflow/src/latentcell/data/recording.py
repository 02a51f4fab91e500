"""Records of downloads whose SHA-256 is not known: the first one is the one that counts."""

import re
from collections.abc import Iterable
from pathlib import Path

from latentcell.config.datasets import SHA256_PATTERN
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_text
from latentcell.runtime.provenance import file_digest


def record_file(name: str, resources: Path) -> Path:
    """Return the path of a data set's record, in lines as ``sha256sum --check`` reads them."""
    return resources / f"{name}.sha256"


def recorded(record: Path) -> dict[str, str]:
    """Return the recorded SHA-256 of each file name; raises `InputError` for other lines."""
    try:
        lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines or [""]:
        digest, _, path = line.partition(" ")
        if not re.match(SHA256_PATTERN, digest.strip()):
            raise InputError(
                f"{record}: expected a SHA-256 and a file's name, found {line.strip()[:80]!r}"
            )
        found[path.strip().rpartition("/")[2]] = digest.strip()
    return found


def write_record(record: Path, files: Iterable[Path]) -> None:
    """Record the SHA-256 of files that were read, beside those that are recorded."""
    known = recorded(record)
    new = [path for path in files if path.name not in known]
    if new:
        before = record.read_text(encoding="utf-8") if known else ""
        write_text(record, before + "".join(_line(path, record.parent) for path in new))


def _line(path: Path, folder: Path) -> str:
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{file_digest(path)}  {place.as_posix()}\n"
