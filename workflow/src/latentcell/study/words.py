"""Numbers and sentences in ``claims.csv``."""

import math

from latentcell.evaluate.rounding import round_number


def number_text(value: float) -> str:
    """Format a number with three decimal digits, or one if it is large."""
    return round_number(value, digits_of(value))


def digits_of(*values: float) -> int:
    """Decimal digits of numbers in a row: three, or one if a number is large."""
    largest = max((abs(value) for value in values if not math.isnan(value)), default=0.0)
    return 3 if largest < 9.9995 else 1


def sentences(*parts: str) -> str:
    """Join non-empty parts as sentences."""
    return ". ".join(part.rstrip(".") for part in parts if part)
