"""Hook of MkDocs: an API page for each package, with an index of its modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_SOURCE = Path(__file__).parents[1] / "workflow/src"
# The command is documented by its help.
_NOT_SHOWN = ("cli",)
_HEAD = "| {} | content |\n| --- | --- |\n"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages ``api/<package>.md``."""
    for package in _packages():
        files.append(File.generated(config, f"api/{package.name}.md", content=_page(package)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the mark in ``api.md`` by the list of packages."""
    rows = (f"| [{one.name}](api/{one.name}.md) | {_content(one)} |" for one in _packages())
    return markdown.replace("<!-- packages -->", _HEAD.format("package") + "\n".join(rows))


def _packages() -> list[Path]:
    folders = (path.parent for path in _SOURCE.glob("latentcell/*/__init__.py"))
    return sorted(folder for folder in folders if folder.name not in _NOT_SHOWN)


def _modules(package: Path) -> Iterator[tuple[str, str]]:
    """Names and first lines of the documented modules of a package and of its folders."""
    for path in sorted(package.rglob("*.py")):
        if not path.name.startswith("_") and _docstring(path):
            name = ".".join(path.relative_to(_SOURCE).with_suffix("").parts)
            yield name, _docstring(path).splitlines()[0]


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _content(package: Path) -> str:
    """First line of a package's docstring."""
    return _docstring(package / "__init__.py").splitlines()[0]


def _page(package: Path) -> str:
    modules = list(_modules(package))
    prefix = f"latentcell.{package.name}."
    rows = (f"| [{name.removeprefix(prefix)}](#{name}) | {line} |" for name, line in modules)
    parts = [f"# latentcell.{package.name}", _docstring(package / "__init__.py")]
    parts += [_HEAD.format("module") + "\n".join(rows)]
    parts += [f"::: {name}\n    options:\n      heading_level: 2" for name, _ in modules]
    return "\n\n".join(parts) + "\n"
