"""Likelihoods by name and their options, read from source files without importing them.

Each likelihood is a file of ``models/likelihoods`` with a constant ``GOES_WITH``: the likelihood
``log-normal`` is the class ``LogNormal`` of ``log_normal.py``. The constant lists the options that
the likelihood takes, of ``k_max``, ``size_factor`` and ``dispersion: gene``. Other files of the
folder are helpers.
"""

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from latentcell.runtime.errors import InputError

_FOLDER = Path(__file__).parents[1] / "models/likelihoods"
_GOES_WITH = re.compile(r"^GOES_WITH = (.+)$", re.MULTILINE)


def _discover() -> dict[str, tuple[str, ...]]:
    """Return the options of each likelihood by name."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.py"))}
    return {
        stem.replace("_", "-"): ast.literal_eval(match[1])
        for stem, text in texts.items()
        if (match := _GOES_WITH.search(text))
    }


LIKELIHOODS = _discover()


def likelihood_path(name: str) -> Path:
    """Return the file of a likelihood."""
    return _FOLDER / f"{name.replace('-', '_')}.py"


# Type checkers see any string; pydantic and the JSON schema see the names.
if TYPE_CHECKING:
    LikelihoodName = str
else:
    LikelihoodName = Literal[tuple(LIKELIHOODS)]


def check_options(
    name: str, k_max: int = 0, size_factor: bool = False, gene_dispersion: bool = False
) -> None:
    """Raise `InputError` unless the likelihood exists and accepts these options."""
    if name not in LIKELIHOODS:
        raise InputError(f"likelihood: expected one of {', '.join(LIKELIHOODS)}, found {name!r}")
    if k_max < 0:
        raise InputError(f"k_max: expected 0 or more, found {k_max}")
    asked = {"k_max": k_max, "size_factor": size_factor, "dispersion: gene": gene_dispersion}
    for option in filter(asked.get, asked):
        takers = [taker for taker, options in LIKELIHOODS.items() if option in options]
        if name not in takers:
            raise InputError(
                f"{option} goes with the likelihoods {', '.join(takers)}, found {name}"
            )
    if k_max and size_factor:
        raise InputError(f"k_max goes without size_factor, found k_max {k_max} with size_factor")
