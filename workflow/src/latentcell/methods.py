"""Representations and classifiers by name; each is a file, which is not imported to be known.

``represent/methods/scvi.py`` is ``scvi-z10`` where it says ``SIZE = "z"``, and
``classify/methods/svm_rbf.py`` is ``svm-rbf``. A file says further, as plain constants,

- ``USES``: modules that it imports when it is at work, so that they are looked for beforehand and
  imported once a job;
- ``GIVES`` (a representation): ``counts``, ``log`` (sparse, log-normalised) or ``scores`` (dense);
- ``TAKES`` (a classifier): those of the three that make sense for it.

Its function ``fit`` is described in `latentcell.fitting`.
"""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from latentcell.errors import InputError
from latentcell.names import ModelName, pca_components

Stage = Literal["represent", "classify"]
EXTRAS = "pip install -r requirements-methods.txt"
_PACKAGE = Path(__file__).parent
_SIZED = re.compile(r"(.+)-([a-z])(\d+)")
_WORDS = {"represent": "representation", "classify": "classifier"}


@dataclass(frozen=True)
class Method:
    """A representation or a classifier.

    Attributes
    ----------
    stage
        ``represent`` or ``classify``.
    name
        As in the configuration.
    path
        Its file.
    size
        The number in its name; 0 where it has none.
    kinds
        What it gives, or takes, of ``counts``, ``log`` and ``scores``.
    uses
        Modules that it imports when it is at work.
    """

    stage: Stage
    name: str
    path: Path
    size: int
    kinds: tuple[str, ...]
    uses: tuple[str, ...]

    def load(self) -> Callable[..., Any]:
        """Its function ``fit``, with everything imported that it uses.

        Raises
        ------
        InputError
            If a library is not installed.
        """
        refuse_missing([self])
        for library in self.uses:
            import_module(library)
        module = import_module(f"latentcell.{self.stage}.methods.{self.path.stem}")
        fit: Callable[..., Any] = module.fit
        return fit


def representation(name: str) -> Method:
    """The representation of a name such as ``scvi-z10``; raises `InputError` if there is none."""
    return _find("represent", name)


def classifier(name: str) -> Method:
    """The classifier of a name such as ``svm-rbf``; raises `InputError` if there is none."""
    return _find("classify", name)


def is_existing(name: str) -> bool:
    """Whether a representation is one of the run's own: raw counts, PCA, or a model's latents."""
    return name == "raw" or pca_components(name) is not None or _is_model(name)


def gives(name: str) -> str:
    """What a representation's features are: ``counts``, ``log`` or ``scores``."""
    if is_existing(name):
        return "counts" if name == "raw" else "scores"
    (kind,) = representation(name).kinds
    return kind


def fitting_classifiers(representation: str, classifiers: Iterable[str]) -> list[str]:
    """Those of the classifiers that can take a representation, in their order."""
    kind = gives(representation)
    return [name for name in classifiers if kind in classifier(name).kinds]


def refuse_missing(methods: Sequence[Method]) -> None:
    """Raise `InputError` if a method's library is not installed."""
    for method in methods:
        for module in method.uses:
            library = module.split(".")[0]
            if find_spec(library) is None:
                raise InputError(
                    f"leaderboard: {_WORDS[method.stage]} {method.name} needs the library "
                    f"{library}, found none: {EXTRAS}"
                )


def known_methods(stage: Stage) -> list[str]:
    """Names of all methods of a stage, those with a number as ``scvi-z<number>``."""
    names = []
    for path in _files(stage):
        size = _constants(path).get("SIZE")
        names.append(path.stem.replace("_", "-") + (f"-{size}<number>" if size else ""))
    return names


def _find(stage: Stage, name: str) -> Method:
    files = {path.stem.replace("_", "-"): path for path in _files(stage)}
    stem, letter, size = name, None, 0
    if name not in files and (match := _SIZED.fullmatch(name)):
        stem, letter, size = match[1], match[2], int(match[3])
    path = files.get(stem)
    if path is None or _constants(path).get("SIZE") != letter or (letter and size < 1):
        raise InputError(
            f"leaderboard: expected a {_WORDS[stage]} among {', '.join(known_methods(stage))}, "
            f"found {name!r}"
        )
    constants = _constants(path)
    kinds = [constants["GIVES"]] if stage == "represent" else constants["TAKES"]
    return Method(stage, name, path, size, tuple(kinds), tuple(constants.get("USES", ())))


def _files(stage: Stage) -> list[Path]:
    folder = _PACKAGE / stage / "methods"
    return sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _constants(path: Path) -> dict[str, Any]:
    return _read_constants(path, path.stat().st_mtime_ns)


@cache
def _read_constants(path: Path, _: int) -> dict[str, Any]:
    """The file's constants, read from its text."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("SIZE", "GIVES", "TAKES", "USES"):
                found[name] = ast.literal_eval(node.value)
    return found


def _is_model(name: str) -> bool:
    try:
        ModelName.parse(name)
    except ValueError:
        return False
    return True
