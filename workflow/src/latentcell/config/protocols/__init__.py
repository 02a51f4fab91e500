"""Protocols: named sets of settings for the study, one YAML file each.

``as-run`` is the procedure of the study's authors, ``as-stated`` that of their paper, and
``controlled`` one without confounders. A configuration that names a protocol starts from it; keys
of the configuration take precedence.
"""

from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

PROTOCOLS = ("as-run", "as-stated", "controlled")


def protocol(name: str) -> dict[str, Any]:
    """Return the sections of the configuration that a protocol sets.

    Parameters
    ----------
    name : {'as-run', 'as-stated', 'controlled'}

    Returns
    -------
    dict
        Copy of the sections: section -> key -> value.
    """
    return deepcopy(_read(name))


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into a configuration by section and key; lists are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


@cache
def _read(name: str) -> dict[str, Any]:
    if name not in PROTOCOLS:
        raise ValueError(f"{name!r} is not a protocol ({', '.join(PROTOCOLS)})")
    text = files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    sections: dict[str, Any] = yaml.safe_load(text)
    return sections
