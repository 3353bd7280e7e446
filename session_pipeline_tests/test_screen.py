"""Tests JSON as all commands write it: as json.dumps does, with exact decimals and without terminal controls."""

import json
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.cli.screen import json_text


class Word(StrEnum):
    ONE = "one"


class Level(IntEnum):
    TWO = 2


PLAIN = {
    "texts": ["", "é😀", 'a "quote" \\ and\nlines\x00', "\u2028", Word.ONE],
    "numbers": [0, -(10**30), Level.TWO, 1.0, 0.1, -1e-7, 1e300, 5e-324],
    "constants": (None, True, False),
    "empty": [{}, [], ()],
    "nested": [{"a": [{"b": None}]}, [[1], [2, [3]]]],
    "": {None: 1, True: 2, 3: 4, 0.5: 6},
}


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_json_is_that_of_the_standard_library(indent: int | None) -> None:
    in_ascii = TextIOWrapper(BytesIO(), encoding="latin-1")
    for value in (PLAIN, *PLAIN.values()):
        assert json_text(value, StringIO(), indent) == json.dumps(value, indent=indent, ensure_ascii=False)
        assert json_text(value, in_ascii, indent) == json.dumps(value, indent=indent)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("111111110295.111118"), "111111110295.111118"),
        (Decimal("-12345678901234567890123456789012.345678"), "-12345678901234567890123456789012.345678"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("1.500000"), "1.5"),
        (Decimal("100.000000"), "100"),
        (Decimal("0E-6"), "0"),
        ({Decimal("1.50"): [Decimal("2.50")]}, '{"1.50": [2.5]}'),
        ([float("nan"), float("inf"), -float("inf")], "[null, null, null]"),
        ((date(2026, 10, 5), Path("raw/a")), '["2026-10-05", "raw/a"]'),
        ({date(2026, 10, 5): "\x7f\x9b"}, r'{"2026-10-05": "\u007f\u009b"}'),
    ],
)
def test_values_that_json_has_no_type_for(value: Any, expected: str) -> None:
    assert json_text(value, StringIO()) == expected
