"""Rounding of the numbers in tables, on pages and in sentences."""

import math
import re
from decimal import Decimal
from typing import Any, Literal

from latentcell.runtime.io import FLOAT_FORMAT

_NEGATIVE_ZERO = re.compile(r"-(?=[0.]*$)")


def round_number(value: Any, digits: int, *, thousands: Literal["", ","] = "") -> str:
    """Format a number.

    The number is first rounded to the nine digits of the CSV files, then as a decimal, half to
    even. Measures in memory and measures read from files therefore have the same text.

    Parameters
    ----------
    value : number or None
        None, NaN and ``pandas.NA`` give an empty text.
    digits : int
        Digits after the decimal point.
    thousands : {'', ','}
        Thousands separator.

    Returns
    -------
    str
        The number; negative zero loses its sign.

    Examples
    --------
    >>> round_number(0.5875, 3), round_number(0.5874999999999999, 3)
    ('0.588', '0.588')
    """
    # NaN is not equal to itself; pandas.NA has no truth value.
    if value is None or type(value).__name__ == "NAType" or value != value:
        return ""
    if math.isinf(value):
        return f"{float(value)}"
    number = Decimal(int(value)) if value == int(value) else Decimal(FLOAT_FORMAT % value)
    return _NEGATIVE_ZERO.sub("", f"{number:{thousands}.{digits}f}")
