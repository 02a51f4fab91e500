"""Digests of code and files, so that an edit re-runs only the jobs that depend on it."""

import ast
import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Import statements at the beginning of a line, with those lines on which they go on, and others.
_IMPORT = re.compile(
    rb"""
    ^[ \t\f]* (
        (?: from\b (?: [^\n\\] | \\\r?\n )*? )?
        \bimport\b (?: [^\n(\\] | \([^)]*\) | \\\r?\n )*
    )""",
    re.MULTILINE | re.VERBOSE,
)
_INLINE_IMPORT = re.compile(rb"[:;][ \t]*(?:from\b[^\n]*?)?\bimport\b")


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
    for node in ast.walk(_import_statements(_source(path))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _package_of(path, node.level) if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            modules.add(module)
            modules.update(f"{module}.{alias.name}" for alias in node.names)
    ours = [name for name in modules if name.split(".")[0] == "latentcell"]
    return tuple(path for name in ours for path in _module_files(PACKAGE, name))


def _package_of(path: Path, level: int) -> list[str]:
    """Return the names of the package that the dots of a relative import mean; none outside."""
    inside = path.parts[len(PACKAGE.parts) - 1 : -1] if path.is_relative_to(PACKAGE) else ()
    return list(inside[: len(inside) - level + 1])


def _import_statements(source: bytes) -> ast.Module:
    """Parse the import statements of a module alone, which takes a tenth of the time.

    The module is parsed as a whole if a statement may be missed, or if a match is something else,
    such as a sentence of a docstring.
    """
    if not _INLINE_IMPORT.search(source):
        with suppress(SyntaxError):
            return ast.parse(b"\n".join(found[1] for found in _IMPORT.finditer(source)))
    return ast.parse(source)


@cache
def _module_files(package: Path, name: str) -> tuple[Path, ...]:
    """Return the files that importing a module runs, with those of its parent packages."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return (package / "__init__.py",)
    place = package.joinpath(*parent.split(".")[1:])
    candidates = (place / f"{last}.py", place / last / "__init__.py")
    return (*_module_files(package, parent), *(path for path in candidates if path.is_file()))


def text_digest(*parts: object) -> str:
    """Return a digest of the text of values."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
