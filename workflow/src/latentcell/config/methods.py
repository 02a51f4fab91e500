"""Representations and classifiers by name, one file each, listed without importing them.

``represent/methods/scvi.py`` with ``SIZE = "z"`` is ``scvi-z10``, and
``classify/methods/svm_rbf.py`` is ``svm-rbf``. A file declares its method by plain constants:

- ``USES``: modules that it imports, which are checked beforehand.
- ``GIVES`` (a representation): ``counts``, ``log`` (sparse, log-normalised), ``scores`` (dense) or
  ``types`` (dense, probabilities of the types).
- ``REFERENCE`` (a representation): a data set of the run whose cells it reads, too.
- ``DATASETS`` (a representation): the only data sets that it serves; by default all.
- ``UNLABELLED`` (a representation): whether it also learns from cells without types.
- ``EPOCHS`` (a representation): whether it reads ``grid.epochs``; an edit leaves others alone.
- ``ROLE`` (a representation): ``latent``: learnt by a generative model; ``oracle``: it knows how
  the types were made, so it competes with no other; by default ``baseline``.
- ``STREAMS``: whether it takes counts that stay in their file: the transform of a representation,
  or a classifier, whose training and validation cells are then `latentcell.runtime.pieces.Stored`.
- ``COMBINES`` (a representation): features come from results of other pairs of the grid, which
  ``grid.<stem>`` lists by name: ``consensus-<name>``.
- ``TAKES`` (a classifier): those of the four that it accepts, ``members``: the latents of the
  models of an ensemble, such as ``gmvae-z10-h100-s5``, side by side, or ``experts``: the
  probabilities of the types by the experts of a consensus, side by side.

Its function ``fit``, or ``combine``, is described in `latentcell.config.fitting`. Models such as
``gmvae-z10-h100`` are representations too; they come from section ``grid.models``, not from a file.
"""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from latentcell.config.names import ModelName, is_model
from latentcell.runtime.errors import InputError

Stage = Literal["represent", "classify"]
EXTRAS = "pip install -r requirements-methods.txt"
_PACKAGE = Path(__file__).parents[1]
_GIVEN = ("counts", "log", "scores", "types")
_TAKEN = (*_GIVEN, "members", "experts")
_ROLES = ("latent", "baseline", "oracle")
# Constants, each with its value in words and a test of the value.
_Check = Callable[[Any], bool]
_CONSTANTS: dict[str, tuple[str, _Check]] = {
    "SIZE": ("a letter from a to z", lambda value: _is_text(value, "[a-z]")),
    "GIVES": (f"one of {', '.join(_GIVEN)}", lambda value: value in _GIVEN),
    "TAKES": (
        f"a tuple of {', '.join(_TAKEN)}",
        lambda value: bool(value) and _is_tuple(value, _TAKEN),
    ),
    "USES": ("a tuple of modules", lambda value: _is_tuple(value)),
    "ROLE": (f"one of {', '.join(_ROLES)}", lambda value: value in _ROLES),
    "SECTION": ("pca or ffnn", lambda value: value in ("pca", "ffnn")),
    "REFERENCE": ("the name of a data set", lambda value: _is_text(value, ".+")),
    "DATASETS": ("a tuple of data sets", lambda value: _is_tuple(value)),
    "STREAMS": (
        f"a tuple of {', '.join(_TAKEN)}",
        lambda value: _is_tuple(value, _TAKEN),
    ),
    **dict.fromkeys(
        ("NESTED", "ALL_TYPES", "UNLABELLED", "EPOCHS", "COMBINES"),
        ("True or False", lambda value: isinstance(value, bool)),
    ),
}
# Packages of libraries with another name.
_DISTRIBUTED_AS = {"scvi": "scvi-tools", "sklearn": "scikit-learn"}
_NEEDED = {"represent": "GIVES", "classify": "TAKES"}
_WORDS = {"represent": "representation", "classify": "classifier"}


@dataclass(frozen=True)
class Method:
    """A representation or a classifier.

    Attributes
    ----------
    stage
        ``represent`` or ``classify``.
    name
        Name in the configuration.
    path
        Path of its file.
    size
        Number in its name; 0 if there is none.
    kinds
        Kind of features that it gives, or kinds that it takes, of ``counts``, ``log``, ``scores``,
        ``types``, ``members`` and ``experts``.
    uses
        Modules that it imports when it runs.
    nested
        Whether a smaller size is the first columns of a larger one, so that one fit is enough.
    all_types
        Whether a classifier has an output for each type of the data, seen in training or not.
    section
        Section of the configuration that it reads; None if it reads none.
    reference
        Data set of the run whose cells a representation reads, too; None if it reads none.
    datasets
        The only data sets that a representation serves; empty for all.
    unlabelled
        Whether a representation also learns from cells without types.
    epochs
        Whether a representation reads ``grid.epochs``.
    streams
        Kinds of features that may stay in their file. A classifier then takes AnnData's CSRDataset,
        as does the transform of a representation that gives scores; one that gives counts or
        logarithms is called on some cells at a time.
    combines
        Whether features come from the probabilities of other pairs of the grid.
    role
        Part of a representation in comparisons: ``latent``, ``baseline`` or ``oracle``.
    """

    stage: Stage
    name: str
    path: Path
    size: int
    kinds: tuple[str, ...]
    uses: tuple[str, ...]
    nested: bool = False
    all_types: bool = False
    section: str | None = None
    reference: str | None = None
    datasets: tuple[str, ...] = ()
    unlabelled: bool = False
    epochs: bool = False
    streams: tuple[str, ...] = ()
    combines: bool = False
    role: str = "baseline"

    def learns_from(self, options: Any) -> str:
        """Return the cells that a representation is fitted on: ``training``, ``all``, ``none``."""
        rule = getattr(self._module(), "learns_from", None)
        return rule(options) if rule else "training"

    def versions(self) -> list[str]:
        """Return the versions of the libraries that it uses, as far as a package has their name."""
        found = []
        for library in sorted({module.split(".")[0] for module in self.uses} - {"latentcell"}):
            with suppress(PackageNotFoundError):
                found.append(f"{library} {version(_DISTRIBUTED_AS.get(library, library))}")
        return found

    def load(self) -> Callable[..., Any]:
        """Import its function ``fit``, or ``combine``, and the libraries that it uses.

        Raises
        ------
        InputError
            If a library is not installed.
        """
        refuse_missing([self])
        for library in self.uses:
            import_module(library)
        name = "combine" if self.combines else "fit"
        function: Callable[..., Any] = getattr(self._module(), name)
        return function

    def _module(self) -> Any:
        return import_module(f"latentcell.{self.stage}.methods.{self.path.stem}")


def representation(name: str) -> Method:
    """Return the representation of a name like ``scvi-z10``; raises `InputError` if unknown."""
    return _find("represent", name)


def classifier(name: str) -> Method:
    """Return the classifier of a name like ``svm-rbf``; raises `InputError` if unknown."""
    return _find("classify", name)


def gives(name: str) -> str:
    """Return the features of a representation: ``counts``, ``log``, ``scores`` or ``types``."""
    if is_model(name):
        return "types" if ModelName.parse(name).sees_types else "scores"
    (kind,) = representation(name).kinds
    return kind


def role(name: str) -> str:
    """Return the part of a representation in comparisons: ``latent``, ``baseline``, ``oracle``."""
    return "latent" if is_model(name) else representation(name).role


def learns_unlabelled(name: str) -> bool:
    """Tell whether a representation also learns from cells without types."""
    if is_model(name):
        return ModelName.parse(name).kind != "semi-gmvae"
    return representation(name).unlabelled


def serves(name: str, dataset: str) -> bool:
    """Tell whether a representation serves a data set."""
    only = () if is_model(name) else representation(name).datasets
    return not only or dataset in only


def fitting_classifiers(representation: str, classifiers: Iterable[str]) -> list[str]:
    """Return the classifiers that accept a representation, in their order."""
    kinds = {gives(representation)}
    if is_model(representation) and ModelName.parse(representation).seeds > 1:
        kinds.add("members")
    if not is_model(representation) and _find("represent", representation).combines:
        kinds.add("experts")
    return [name for name in classifiers if kinds & set(classifier(name).kinds)]


def refuse_missing(methods: Sequence[Method]) -> None:
    """Raise `InputError` if a method's library is not installed."""
    for method in methods:
        for module in method.uses:
            library = module.split(".")[0]
            if find_spec(library) is None:
                raise InputError(
                    f"grid: {_WORDS[method.stage]} {method.name} needs the library {library}, "
                    f"found none: {EXTRAS}"
                )


def known_methods(stage: Stage) -> list[str]:
    """Return the names of all methods of a stage, with a size as in ``scvi-z<number>``."""
    names = []
    for path in _files(stage):
        constants = _constants(path)
        size = constants.get("SIZE")
        end = f"-{size}<number>" if size else "-<name>" if constants.get("COMBINES") else ""
        names.append(_stem(path) + end)
    return names


def _find(stage: Stage, name: str) -> Method:
    sizes = {path: _size_in(name, path) for path in _files(stage) if _begins(name, path)}
    meant = [path for path, size in sizes.items() if size is not None]
    if not meant:
        raise InputError(
            f"expected a {_WORDS[stage]} among {', '.join(known_methods(stage))}, found {name!r}"
        )
    if len(meant) > 1:
        raise InputError(
            f"{meant[0]}: expected no other file of the {_WORDS[stage]} {name}, found {meant[1]}: "
            "rename one of them"
        )
    (path,) = meant
    constants = _constants(path)
    needed = _NEEDED[stage]
    if needed not in constants:
        raise InputError(f"{path}: expected {needed} = {_CONSTANTS[needed][0]}, found none")
    kinds = [constants["GIVES"]] if stage == "represent" else constants["TAKES"]
    return Method(
        stage,
        name,
        path,
        sizes[path] or 0,
        tuple(kinds),
        tuple(constants.get("USES", ())),
        nested=constants.get("NESTED", False),
        all_types=constants.get("ALL_TYPES", False),
        section=constants.get("SECTION"),
        reference=constants.get("REFERENCE"),
        datasets=tuple(constants.get("DATASETS", ())),
        unlabelled=constants.get("UNLABELLED", False),
        epochs=constants.get("EPOCHS", False),
        streams=tuple(constants.get("STREAMS", ())),
        combines=constants.get("COMBINES", False),
        role=constants.get("ROLE", "baseline"),
    )


def _begins(name: str, path: Path) -> bool:
    """Tell whether a name is that of a file, alone or before a hyphen."""
    return f"{name}-".startswith(f"{_stem(path)}-")


def _size_in(name: str, path: Path) -> int | None:
    """Return the number in a name, 0 if its file has none; None if the name is not of the file."""
    constants, end = _constants(path), name.removeprefix(_stem(path))
    if constants.get("COMBINES"):
        return 0 if len(end) > 1 else None
    if "SIZE" not in constants:
        return None if end else 0
    found = re.fullmatch(rf"-{constants['SIZE']}([1-9]\d*)", end)
    return int(found[1]) if found else None


def _stem(path: Path) -> str:
    """Return the name of the method of a file, without a size."""
    return path.stem.replace("_", "-")


def _files(stage: Stage) -> list[Path]:
    folder = _PACKAGE / stage / "methods"
    return sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _constants(path: Path) -> dict[str, Any]:
    return _read_constants(path, path.stat().st_mtime_ns)


@cache
def _read_constants(path: Path, _: int) -> dict[str, Any]:
    """Read the constants of a file from its source; raises `InputError` on wrong ones."""
    try:
        statements = ast.parse(path.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path}: expected Python, found {error}") from None
    found = {}
    for node in statements:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        else:
            continue
        if isinstance(target, ast.Name) and target.id in _CONSTANTS and node.value is not None:
            found[target.id] = _checked(path, target.id, node.value)
    return found


def _checked(path: Path, name: str, node: ast.expr) -> Any:
    """Return the value of a constant that is as it must be."""
    words, is_right = _CONSTANTS[name]
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise InputError(
            f"{path}: expected {name} = {words}, written out, found {ast.unparse(node)}"
        ) from None
    if not is_right(value):
        raise InputError(f"{path}: expected {name} = {words}, found {value!r}")
    return value


def _is_text(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_tuple(value: Any, among: Sequence[str] | None = None) -> bool:
    """Whether a value is a tuple of texts, of some texts if these are given."""
    texts = isinstance(value, tuple | list) and all(isinstance(one, str) for one in value)
    return texts and (among is None or set(value) <= {*among})
