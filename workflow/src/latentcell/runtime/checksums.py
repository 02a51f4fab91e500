"""SHA-256 of the files of each job, by which changed files are found.

The digest of ``results/<run>/n1300/r1/cells.h5ad`` is in
``results/<run>/checksums/n1300/r1/cells.h5ad.sha256``, as a line that ``sha256sum --check`` reads.
A job deletes the digests of its outputs before it begins and writes them after it has succeeded, so
that none belongs to an older file. Files without a digest are accepted.

A job refuses inputs that have changed. ``latentcell verify`` lists all such files of a run and
moves them aside (`set_changed_aside`).
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from latentcell.runtime.errors import InputError
from latentcell.runtime.io import sweep, write_text
from latentcell.runtime.provenance import file_digest

_FOLDER = "checksums"
_SUFFIX = ".sha256"
_RESULTS = "results"
_ASIDE = "changed"


def forget(paths: Iterable[str | Path]) -> None:
    """Delete the digests of files that are about to be written.

    Parameters
    ----------
    paths : iterable of path
        Paths relative to the working directory; paths outside ``results/<run>/`` are ignored.
    """
    lines = list(filter(None, map(_line_of, paths)))
    for line in lines:
        line.unlink(missing_ok=True)
    sweep(lines)


def record(paths: Iterable[str | Path]) -> None:
    """Write the digests of files.

    Parameters
    ----------
    paths : iterable of path
        Paths relative to the working directory; paths outside ``results/<run>/`` are ignored.
    """
    for path in map(Path, paths):
        line = _line_of(path)
        if line is not None and path.is_file():
            write_text(line, f"{file_digest(path)}  {path.as_posix()}\n")


def require_intact(paths: Iterable[str | Path]) -> None:
    """Check files against their digests.

    Parameters
    ----------
    paths : iterable of path
        Missing files and files without a digest are ignored.

    Raises
    ------
    InputError
        If a file has changed.
    """
    for path in map(Path, paths):
        line = _line_of(path)
        if line is not None and _has_changed(path, line):
            raise InputError(
                f"{path}: expected the bytes that its job wrote (SHA-256 in {line}), found others: "
                f"run `latentcell verify --repair {path.parts[1]}`"
            )


def recorded(run: str) -> int:
    """Return the number of files of a run that have a digest; deleted ones do not count."""
    return sum(1 for path, _ in _digested(run) if path.exists())


def digested_run(run: str) -> str | None:
    """Return the run in the path of a digest, another one in a renamed folder; None: no digest."""
    line = next(_lines(run), None)
    try:
        parts = () if line is None else _written_in(line)[1].parts
    except OSError:
        return None  # A job has just deleted it.
    return parts[1] if len(parts) > 2 else None


def name_changed(run: str) -> list[str]:
    """Return the changed files of a run; nothing is modified."""
    return [path.as_posix() for path, _ in _changed(run)]


def set_changed_aside(run: str) -> dict[str, str]:
    """Move all changed files of a run to its folder ``changed``, to be computed again.

    Parameters
    ----------
    run : str
        Name of its folder in ``results/``.

    Returns
    -------
    dict of str to str
        New path of each file by its former one. A file that was moved earlier keeps its name; a
        further one of the same name is numbered.
    """
    moved = {}
    home = Path(_RESULTS, run)
    for path, line in _changed(run):
        aside = _free(home / _ASIDE / path.relative_to(home))
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, aside)  # The folders of a run may be on several disks.
        line.unlink(missing_ok=True)
        moved[path.as_posix()] = aside.as_posix()
    return moved


def _free(path: Path) -> Path:
    """Return the path, or the first of ``path.2``, ``path.3``, ... that does not exist."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found


def _lines(run: str) -> Iterator[Path]:
    return (Path(_RESULTS, run) / _FOLDER).rglob(f"*{_SUFFIX}")


def _digested(run: str) -> Iterator[tuple[Path, Path]]:
    """Yield each file, which may be deleted, with the file of its digest."""
    home = Path(_RESULTS, run)
    for line in sorted(_lines(run)):
        yield home / line.relative_to(home / _FOLDER).with_suffix(""), line


def _changed(run: str) -> list[tuple[Path, Path]]:
    """Return the changed files, each with the file of its digest."""
    return [(path, line) for path, line in _digested(run) if _has_changed(path, line)]


def _has_changed(path: Path, line: Path) -> bool:
    """Tell whether a file differs from its digest; a job may be writing both at this moment."""
    written = _digest_in(line)
    try:
        found = written and file_digest(path)
    except FileNotFoundError:
        return False
    return found != written and _digest_in(line) == written


def _digest_in(line: Path) -> str | None:
    try:
        return _written_in(line)[0]
    except FileNotFoundError:
        return None


def _written_in(line: Path) -> tuple[str, Path]:
    """Return the digest and the path in the file of a digest."""
    digest, _, path = line.read_text(encoding="utf-8", errors="replace").partition(" ")
    return digest, Path(path.strip())


def _line_of(path: str | Path) -> Path | None:
    """Return the path of the digest of a file."""
    results, *parts = Path(path).parts
    if results != _RESULTS or len(parts) < 2:
        return None
    run, *inside = parts
    return Path(_RESULTS, run, _FOLDER, *inside[:-1], inside[-1] + _SUFFIX)
