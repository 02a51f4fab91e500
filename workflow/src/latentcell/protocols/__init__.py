"""Protocols: named, composable settings of how the study is run; one YAML file each.

``as-run`` is what the study's authors did, ``as-stated`` what their paper says, ``controlled``
what the question needs. A configuration that names one starts from it; what the configuration
says itself wins.
"""

from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

PROTOCOLS = ("as-run", "as-stated", "controlled")


def protocol(name: str) -> dict[str, Any]:
    """Sections of the configuration that a protocol sets.

    Parameters
    ----------
    name : {'as-run', 'as-stated', 'controlled'}

    Returns
    -------
    dict
        A copy; section -> key -> value.
    """
    return deepcopy(_read(name))


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay changes over a configuration, section by section and key by key; lists are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


@cache
def _read(name: str) -> dict[str, Any]:
    if name not in PROTOCOLS:
        raise ValueError(f"{name!r} is no protocol ({', '.join(PROTOCOLS)})")
    text = files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    sections: dict[str, Any] = yaml.safe_load(text)
    return sections
