"""Rows of JSON-lines files: what each column may hold, the reader that says which value is damaged, and the writer."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from trainers.errors import ConfigError
from trainers.values import row_type

LARGEST_NUMBER, LARGEST_COUNT = 1e300, 2**63
SURROGATE = re.compile("[\ud800-\udfff]")
"""What JSON can write and no file can hold."""


@dataclass(frozen=True)
class Kind:
    """What a column may hold."""

    name: str
    holds: Callable[[Any], bool]


def _is_number(value: Any, below: float) -> bool:
    return type(value) in (int, float) and 0 <= value < below  # a NaN compares false


TEXT = Kind("a text", lambda value: isinstance(value, str) and not SURROGATE.search(value))
NAME = Kind(
    "the name of a folder",
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", value) is not None,
)
COUNT = Kind("a whole number of 0 or more", lambda value: type(value) is int and 0 <= value < LARGEST_COUNT)
NUMBER = Kind("a number of 0 or more", lambda value: _is_number(value, LARGEST_NUMBER))
POSITIVE_COUNT = Kind("a whole number of 1 or more", lambda value: COUNT.holds(value) and value > 0)
POSITIVE = Kind("a number above 0", lambda value: NUMBER.holds(value) and value > 0)
TIME = Kind("seconds since 1970, before the year 10000", lambda value: _is_number(value, 253402300800.0))
PERCENT = Kind("a number from 0 to 100", lambda value: _is_number(value, math.nextafter(100, 101)))
FLAG = Kind("true or false", lambda value: type(value) is bool)
KINDS = {str: TEXT, int: COUNT, float: NUMBER, bool: FLAG}


def one_of(names: Sequence[str]) -> Kind:
    """One of these texts."""
    return Kind(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


@dataclass(frozen=True)
class Column:
    """A value of a row, by name."""

    name: str
    kind: Kind
    needed: bool = False
    """Whether every row has it, and never null."""


def columns_of(cls: type) -> list[Column]:
    """The columns of a dataclass' fields, by their types; those without a default are needed."""
    return [Column(f.name, KINDS[row_type(cls, f.name)], f.default is MISSING) for f in fields(cls)]


def read_rows(
    path: Path, columns: Sequence[Column], rule: Callable[[dict[str, Any]], str] = lambda row: ""
) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file; none if it does not exist. A last line that was cut off is left out.

    Args:
        path: the file.
        columns: what is checked; others may hold anything.
        rule: what else is wrong with a row whose columns are right; "" if nothing is.

    Raises:
        ConfigError: a line is no JSON object, lacks a column or holds something else in it, which the message names.
    """
    lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is empty or torn
        row = _json(line)
        damage = damage_of(row, columns) or rule(row)
        if damage:
            raise ConfigError(f"{path}, line {number} is damaged: {damage}; repair or remove the line")
        yield row


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def damage_of(row: Any, columns: Sequence[Column]) -> str:
    """What is wrong with a row, or with what should be one; "" if nothing is."""
    if not isinstance(row, dict):
        return "it is not a JSON object"
    for column in columns:
        value = row.get(column.name)
        if value is None:
            if column.needed:
                return f"column {column.name} is missing"
        elif not column.kind.holds(value):
            return f"column {column.name} is {shortened(value)}, not {column.kind.name}"
    return ""


def is_cut_off(path: Path) -> bool:
    """Whether a file has a last line without an end, as a killed writer leaves it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
