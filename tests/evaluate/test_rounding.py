"""One rounding of all numbers that are shown."""

import io

import numpy as np
import pandas as pd
import pytest

from latentcell.evaluate.rounding import round_number
from latentcell.runtime.io import FLOAT_FORMAT
from latentcell.study.words import number_text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.5875, 3, "0.588"),  # half to even: 7 is odd
        (0.5865, 3, "0.586"),
        (0.5874999999999999, 3, "0.588"),  # the same mean, summed in another order
        (np.float64(2.5), 0, "2"),
        (-1875.04, 1, "-1875.0"),
        (-0.0004, 3, "0.000"),
        (-0.4, 0, "0"),
        (12, 3, "12.000"),
        (np.int64(68579), 0, "68579"),
        (12345678901, 0, "12345678901"),
        (None, 3, ""),
        (float("nan"), 3, ""),
        (pd.NA, 0, ""),
        (float("inf"), 2, "inf"),
    ],
)
def test_numbers_are_rounded_as_decimals(value: object, digits: int, text: str) -> None:
    assert round_number(value, digits) == text


def test_thousands_are_separated_where_asked() -> None:
    assert round_number(1234567.5, 0, thousands=",") == "1,234,568"


def test_a_number_looks_the_same_in_memory_and_from_its_file() -> None:
    values = pd.Series(np.random.default_rng(1).integers(0, 70, 4000).reshape(-1, 2).mean(1) / 70)
    text = values.to_csv(index=False, header=False, float_format=FLOAT_FORMAT)
    read = pd.read_csv(io.StringIO(text), header=None)[0]
    for digits in range(1, 6):
        shown = [round_number(value, digits) for value in values]
        assert shown == [round_number(value, digits) for value in read]


def test_sentences_round_alike() -> None:
    assert number_text(0.5874999999999999) == "0.588"
    assert number_text(-1228.35) == "-1228.4"
