"""The SHA-256 of what each job has written: a file that changed since is found, and made anew.

Of ``results/<run>/n1300/r1/cells.h5ad`` it stands in
``results/<run>/checksums/n1300/r1/cells.h5ad.sha256``, as a line that ``sha256sum --check`` reads.
A job takes the lines of its outputs away before it begins and writes them when it has ended well,
so that none is ever of an older file. Files without a line are taken as they are.

Snakemake makes no file again that is merely missing, where all that was made from it is there. So
it is counted how often a file was set aside (`times_set_aside`): its job depends on that too.
"""

from collections.abc import Iterable
from pathlib import Path

from latentcell.errors import InputError
from latentcell.io import sweep, write_text
from latentcell.provenance import file_digest

_FOLDER = "checksums"
_SUFFIX = ".sha256"
_RESULTS = "results"
_ASIDE = "changed"
_TIMES = ".times"


def forget(paths: Iterable[str | Path]) -> None:
    """Take away what is known of files that are about to be written.

    Parameters
    ----------
    paths : iterable of path
        Relative to the working directory; those outside ``results/<run>/`` are left out.
    """
    lines = list(filter(None, map(_line_of, paths)))
    for line in lines:
        line.unlink(missing_ok=True)
    sweep(lines)


def record(paths: Iterable[str | Path]) -> None:
    """Write down the digests of files as they stand.

    Parameters
    ----------
    paths : iterable of path
        Relative to the working directory; those outside ``results/<run>/`` are left out.
    """
    for path in map(Path, paths):
        line = _line_of(path)
        if line is not None and path.is_file():
            write_text(line, f"{file_digest(path)}  {path.as_posix()}\n")


def require_intact(paths: Iterable[str | Path]) -> None:
    """Hold files against their digests.

    Parameters
    ----------
    paths : iterable of path
        Those without a digest, and those that are not there, are left out.

    Raises
    ------
    InputError
        If one is not as it was written.
    """
    for path in map(Path, paths):
        line = _line_of(path)
        if line is not None and _has_changed(path, line):
            raise InputError(
                f"{path}: expected the bytes that its job wrote (SHA-256 in {line}), found others: "
                "run again, and it is made anew"
            )


def set_changed_aside(run: str) -> list[str]:
    """Move all files of a run that have changed to its folder ``changed``, to be made anew.

    Parameters
    ----------
    run : str
        Name of its folder in ``results/``.

    Returns
    -------
    list of str
        A sentence for each file, which says where it lies now.
    """
    sentences = []
    home = Path(_RESULTS, run)
    for path, line in _changed(run):
        aside = home / _ASIDE / path.relative_to(home)
        aside.parent.mkdir(parents=True, exist_ok=True)
        times = _times_of(line)
        write_text(times, f"{_number_in(times) + 1}\n")
        path.replace(aside)
        line.unlink(missing_ok=True)
        sentences.append(f"{_sentence(path)}: it lies in {aside.parent} now, and is made anew")
    return sentences


def times_set_aside(run: str) -> dict[str, int]:
    """How often files of a run were set aside, by path; those that never were are not in it."""
    home = Path(_RESULTS, run)
    found = {}
    for times in (home / _FOLDER).rglob(f"*{_TIMES}"):
        path = home / times.relative_to(home / _FOLDER).with_suffix("")
        found[path.as_posix()] = _number_in(times)
    return found


def name_changed(run: str) -> list[str]:
    """A sentence for each file of a run that has changed; nothing is touched."""
    return [f"{_sentence(path)}: it will be made anew" for path, _ in _changed(run)]


def _sentence(path: Path) -> str:
    return f"{path}: expected the bytes that its job wrote, found others"


def _changed(run: str) -> list[tuple[Path, Path]]:
    """Files that are not as they were written, each with the line of its digest."""
    home = Path(_RESULTS, run)
    found = []
    for line in sorted((home / _FOLDER).rglob(f"*{_SUFFIX}")):
        path = home / line.relative_to(home / _FOLDER).with_suffix("")
        if _has_changed(path, line):
            found.append((path, line))
    return found


def _has_changed(path: Path, line: Path) -> bool:
    """Whether a file is another than its line says; a job may be writing both at this moment."""
    written = _digest_in(line)
    try:
        found = written and file_digest(path)
    except FileNotFoundError:
        return False
    return found != written and _digest_in(line) == written


def _digest_in(line: Path) -> str | None:
    try:
        return line.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    except FileNotFoundError:
        return None


def _times_of(line: Path) -> Path:
    return line.with_suffix(_TIMES)


def _number_in(times: Path) -> int:
    try:
        return int(times.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0


def _line_of(path: str | Path) -> Path | None:
    """Where the digest of a file stands."""
    results, *parts = Path(path).parts
    if results != _RESULTS or len(parts) < 2:
        return None
    run, *inside = parts
    return Path(_RESULTS, run, _FOLDER, *inside[:-1], inside[-1] + _SUFFIX)
