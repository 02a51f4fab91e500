"""Numbers and sentences in ``claims.csv``."""

import math

from latentcell.evaluate.rounding import round_number


def number_text(value: float) -> str:
    """Format a number with three decimal digits, or one if it is large."""
    return round_number(value, digits_of(value))


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """Format an estimate with its interval; bounds of None are left out."""
    if value is None:
        return "not measured"
    if low is None or high is None:
        return number_text(value)
    digits = digits_of(value, low, high)
    texts = [round_number(number, digits) for number in (value, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def digits_of(*values: float) -> int:
    """Decimal digits of numbers in a row: three, or one if a number is large."""
    largest = max((abs(value) for value in values if not math.isnan(value)), default=0.0)
    return 3 if largest < 9.9995 else 1


def sentences(*parts: str) -> str:
    """Join non-empty parts as sentences."""
    return ". ".join(part.rstrip(".") for part in parts if part)
