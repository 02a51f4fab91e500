"""Does a learnt latent representation make cell-type classification better, and by how much?

>>> import latentcell as lc
>>> cells = lc.datasets.pbmc68k_sample()
>>> lc.tl.gmvae(cells, labels_key="cell_type")
>>> cells.obsm["X_gmvae"]
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Places of the names for notebooks (types in __init__.pyi). No import statement may name them: the
# digest of each job's code covers all modules that this file imports, also in functions.
_PLACES = {
    "GMVAE": "latentcell.api.model",
    "datasets": "latentcell.api.datasets",
    "pl": "latentcell.api.pl",
    "tl": "latentcell.api.tl",
}
__all__ = ["GMVAE", "__version__", "datasets", "pl", "tl"]


def __getattr__(name: str) -> Any:
    """Import a name on first use: the libraries of all names together take seconds."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_PLACES[name])
    return module if module.__name__.endswith(f".{name}") else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
