"""Numbers and sentences of the ledger of claims."""

import math
import re


def number_text(value: float) -> str:
    """A number with three digits after the point, or one where it is large."""
    return f"{value:.3f}" if abs(value) < 9.9995 else f"{value:.1f}"


def interval_text(estimate: float, low: float, high: float) -> str:
    """An estimate with its interval; nothing where there is none."""
    if math.isnan(estimate):
        return ""
    digits = 3 if max(abs(estimate), abs(low), abs(high)) < 9.9995 else 1
    return f"{estimate:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def sentences(*parts: str) -> str:
    """Parts that say something, as sentences."""
    return ". ".join(part.rstrip(".") for part in parts if part)


def escape_cell(text: str) -> str:
    """A bar or line break would end the cell; stars and underscores would be emphasis."""
    return re.sub(r"([\\|*_`<])", r"\\\1", " ".join(text.split()))
