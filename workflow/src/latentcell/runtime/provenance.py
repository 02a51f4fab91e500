"""Digests of code and files, so that an edit re-runs only the jobs that depend on it."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def file_digest(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(script: str | Path) -> str:
    """Compute a digest of a script and all modules of latentcell that it imports, also indirectly.

    Snakemake judges scripts by their time stamps and ignores imported packages. This digest, a
    parameter of the rule, changes only with the content of the code that the rule runs.
    """
    digest = hashlib.sha256()
    for path in sorted(_reachable(Path(script))):
        digest.update(_source(path))
    return digest.hexdigest()[:16]


def _reachable(script: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [script.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path))
    return found


@cache
def _source(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(_source(path))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    paths = (_module_files(name) for name in modules if name.split(".")[0] == "latentcell")
    return tuple(path for files in paths for path in files)


def _module_files(name: str) -> list[Path]:
    """Return the files that importing a module runs, with those of its parent packages."""
    parts = name.split(".")[1:]
    candidates = [PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts))]
    if parts:
        candidates.append(PACKAGE.joinpath(*parts).with_suffix(".py"))
        candidates.append(PACKAGE.joinpath(*parts, "__init__.py"))
    return [path.resolve() for path in candidates if path.is_file()]


def text_digest(*parts: object) -> str:
    """Return a digest of the text of values."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
