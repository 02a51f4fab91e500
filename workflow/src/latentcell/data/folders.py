"""Files of a matrix in Matrix Market format: which names of genes and cells belong to it."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from latentcell.data.formats import SUFFIXES
from latentcell.runtime.errors import InputError

# The three files of a 10x folder, by content.
TENX_FILES = {
    "matrix": ("matrix.mtx",),
    "genes": ("genes.tsv", "features.tsv"),
    "barcodes": ("barcodes.tsv",),
}
# Names that kallisto, alevin and Parse Biosciences use besides.
_OTHER_NAMES = {
    "genes": ("genes.txt", "features.txt", "genes.names.txt", "cols.txt", "all_genes.csv"),
    "barcodes": ("barcodes.txt", "rows.txt", "cell_metadata.csv"),
}
# Endings of names in the EBI's Single Cell Expression Atlas, after that of the matrix.
_ENDINGS = {"genes": "_rows", "barcodes": "_cols"}
_PACKED = ("", ".gz")
# Levels below a folder, and entries, that are looked through for a matrix.
_LEVELS, _MOST_ENTRIES = 4, 20_000
_NAMED = 8


def matrix_files(path: Path) -> dict[str, Path]:
    """Find a matrix with the names of its genes and cells.

    Parameters
    ----------
    path
        The matrix, its folder, or a folder above with one matrix.

    Raises
    ------
    InputError
        If there is no matrix, there are several, or names are missing.
    """
    matrix = path if path.is_file() else _matrix_below(path)
    files = {"matrix": matrix}
    for role in ("genes", "barcodes"):
        files[role] = _names_beside(matrix, role)
    return files


def _parts_of(path: str | Path) -> list[Path]:
    """List the files of the matrix that is, or is below, a path; none for files of other formats.

    Without a whole matrix the list is empty too: its reader says what is missing.
    """
    path = Path(path)
    if not path.is_dir() and not _is_matrix(path.name):
        return []
    try:
        return list(matrix_files(path).values())
    except InputError:
        return []


def with_parts(paths: Iterable[str | Path]) -> list[str]:
    """List paths, each followed by the files of its matrix; none twice."""
    found = (part for path in paths for part in (path, *_parts_of(path)))
    return list(dict.fromkeys(map(str, found)))


def file_sizes(paths: Iterable[str | Path]) -> list[int]:
    """Sizes in bytes of files and of the parts of matrices; a folder has no size of its own.

    A file that is replaced by an older one changes its size, but has no later time.
    """
    files = map(Path, with_parts(paths))
    return [file.stat().st_size for file in files if file.is_file()]


def _matrix_below(folder: Path) -> Path:
    own = [folder / f"matrix.mtx{packed}" for packed in _PACKED]
    if present := [file for file in own if file.is_file()]:
        return present[0]
    among = _candidates(sorted(file for file in _walk(folder, _LEVELS) if _is_matrix(file.name)))
    if len(among) == 1:
        return among[0]
    if not among:
        others = sorted(file.name for file in _entries(folder) if _is_known(file.name))
        there = f" (files to name instead: {_listed(others)})" if others else ""
        raise InputError(f"{folder}: expected one folder with a matrix.mtx, found none{there}")
    if all(_is_plain(file.name) for file in among):
        where = " and ".join(str(file.parent) for file in among)
        raise InputError(f"{folder}: expected one folder with a matrix.mtx, found {where}")
    raise InputError(
        f"{folder}: expected one matrix, found {len(among)}: name one of them in place of the "
        f"folder: {_listed([str(file) for file in among])}"
    )


def _candidates(found: list[Path]) -> list[Path]:
    """Keep each matrix once, packed or not, and ``matrix.mtx`` alone of those in its folder."""
    once = {file.with_name(file.name.removesuffix(".gz")): file for file in found[::-1]}
    plain = {file.parent for file in once if _is_plain(file.name)}
    return sorted(
        file for name, file in once.items() if _is_plain(name.name) or name.parent not in plain
    )


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _is_plain(name: str) -> bool:
    return name.removesuffix(".gz") == "matrix.mtx"


def _is_matrix(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(".mtx") and not name.startswith(".")


def _is_known(name: str) -> bool:
    # Most files .txt are something else.
    suffixes = tuple(one for ends in SUFFIXES.values() for one in ends if ".txt" not in one)
    names = tuple(one for role in TENX_FILES.values() for one in role)
    return name.lower().endswith(suffixes) and not name.removesuffix(".gz").endswith(names)


def _entries(folder: Path) -> Iterator[Path]:
    """Iterate over the entries of a folder; none, if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries)
    except OSError:
        return


def _walk(folder: Path, levels: int) -> Iterator[Path]:
    """Iterate over files below a folder, level by level; raises `InputError` at too many."""
    seen, level = 0, [folder]
    for _ in range(levels):
        below = []
        for entry in (entry for parent in level for entry in _entries(parent)):
            seen += 1
            if seen > _MOST_ENTRIES:
                raise InputError(
                    f"{folder}: expected a folder with a matrix.mtx, found more than "
                    f"{_MOST_ENTRIES:,} files and folders: name the folder of the matrix"
                )
            if _is_folder(entry):
                below.append(entry)
            else:
                yield entry
        level = below


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _names_beside(matrix: Path, role: str) -> Path:
    """Find the names of genes or cells: with the prefix of the matrix, or without any."""
    names = (*TENX_FILES[role], *_OTHER_NAMES[role])
    folder = matrix.parent
    prefixes = _prefixes(matrix.name)
    for prefix in prefixes:
        for name in names:
            for packed in _PACKED:
                if (file := folder / f"{prefix}{name}{packed}").is_file():
                    return file
    plain = matrix.name.removesuffix(".gz")
    for packed in _PACKED:
        if (file := folder / f"{plain}{_ENDINGS[role]}{packed}").is_file():
            return file
    if role == "genes":
        # Samples of a study may share a file of genes.
        shared = [file for file in _entries(folder) if _is_shared(file.name, names)]
        if len(shared) == 1:
            return shared[0]
    expected = " or ".join(f"{prefixes[0]}{name}" for name in TENX_FILES[role])
    raise InputError(f"{folder}: expected a file {expected} beside {matrix.name}, found none")


def _prefixes(matrix: str) -> list[str]:
    """Return the prefixes that names beside a matrix may have, the longest first.

    Those of ``GSM1_A_matrix.mtx`` are ``GSM1_A_``, ``GSM1_`` and none.
    """
    stem = re.sub(r"\.?mtx(\.gz)?$", "", matrix, flags=re.IGNORECASE)
    whole = [stem[: -len("matrix")]] if stem.lower().endswith("matrix") else []
    whole = whole or [f"{stem}_", f"{stem}.", f"{stem}-"]
    shorter = [stem[: found.end()] for found in re.finditer(r"[_.-]", stem)][::-1]
    return list(dict.fromkeys([*whole, *shorter, ""]))


def _is_shared(name: str, names: tuple[str, ...]) -> bool:
    base = name.removesuffix(".gz")
    return any(re.fullmatch(rf"[^.].*[_.-]{re.escape(one)}", base) for one in names)
