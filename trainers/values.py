"""Values of dataclass fields from text, by the fields' own types: for axes and saved configurations. Stdlib only."""

import math
import re
from dataclasses import fields
from datetime import date
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trainers.errors import ConfigError, check_printable

Value = float | int | str | tuple[int, ...]
LONGEST_NUMBER = 1000
"""Bits of a whole number in a file; no setting takes as many, and Python writes only so many."""


def field_names(cls: type) -> list[str]:
    """The fields of a dataclass, in order."""
    return [field.name for field in fields(cls)]


def accepts(cls: type, name: str, kind: type) -> bool:
    """Whether field `name` of dataclass `cls` may hold a `kind`."""
    return kind in _alternatives(cls, name)


def row_type(cls: type, name: str) -> type:
    """What `as_row` makes of field `name` of dataclass `cls` where it is set: a bool, int, float or str."""
    hint = _alternatives(cls, name)[0]
    kind = type(get_args(hint)[0]) if get_origin(hint) is Literal else hint
    return kind if kind in (bool, int, float) else str


def parse_field(cls: type, name: str, text: str) -> Any:
    """The value of field `name` of dataclass `cls` that `text` writes, of the field's type.

    Raises:
        ConfigError: `text` is no such value; the message names the field and what it may be.
    """
    alternatives = _alternatives(cls, name)
    literals = [value for hint in alternatives if get_origin(hint) is Literal for value in get_args(hint)]
    if literals:
        matching = [value for value in literals if str(value) == text]
        if not matching:
            raise ConfigError(f"{name}: {text!r} is not allowed; choose from {', '.join(map(str, literals))}")
        return matching[0]
    if get_origin(alternatives[0]) is tuple:
        return _parse_whole_numbers(name, text)
    kind = next(hint for hint in alternatives if hint is not NoneType)
    if kind is bool and text in ("True", "False"):
        return text == "True"
    try:
        return {int: int, float: float, str: str, Path: Path}[kind](text)
    except (ValueError, KeyError):
        words = {int: "a whole number", float: "a number", bool: "True or False"}
        raise ConfigError(f"{name}: {text!r} is not {words[kind]}") from None


def field_from(cls: type, name: str, value: object) -> Any:
    """The value of field `name` of dataclass `cls` that a configuration file holds: one, or a list of whole numbers.

    Raises:
        ConfigError: as `parse_field`, or `value` is a list or an object where one value is wanted.
    """
    takes_list = get_origin(_alternatives(cls, name)[0]) is tuple
    values = value if takes_list and isinstance(value, list) else [value]
    return parse_field(cls, name, "+".join(text_of_scalar(name, each) for each in values))


def text_of_scalar(name: str, value: object) -> str:
    """A text, number, date or truth as a command line would have it.

    Raises:
        ConfigError: it is none of these, too long a number, or a text that cannot be printed.
    """
    if not isinstance(value, (str, int, float, date)):
        raise ConfigError(f"{name} holds a {type(value).__name__}; it must be a single value")
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        raise ConfigError(f"{name} is a number of more than {LONGEST_NUMBER} bits")
    check_printable(str(value))
    return str(value)


def parse_amount(text: str) -> float:
    """The number that `text` writes, with k, M or G for thousands, millions or thousand millions: `100M`.

    Raises:
        ValueError: it is no such number, or not above 0.
    """
    number = text.strip()
    factor = {"k": 1e3, "M": 1e6, "m": 1e6, "G": 1e9}.get(number[-1:])
    try:
        value = float(number[:-1]) * factor if factor else float(number)
    except ValueError:
        raise ValueError(f"{text!r} is no number such as 3000000, 3M or 0.5G") from None
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not above 0 and finite")
    return value


def parse_percent(text: str) -> float:
    """The percent that `text` writes, with its sign or without: `70`, `70%`.

    Raises:
        ValueError: it is no number of percent, or a share of 1.
    """
    number = text.strip()
    try:
        value = float(number.removesuffix("%"))
    except ValueError:
        raise ValueError(f"{text!r} is no percentage such as 70 or 70%") from None
    if not 0 <= value <= 100:
        raise ValueError(f"{text!r} is not 0 to 100")
    if 0 < value < 1 and not number.endswith("%"):
        raise ValueError(f"{text!r} is in percent: did you mean {100 * value:g}?")
    return value


def parse_duration(text: str) -> float:
    """The seconds that `text` writes with their unit, s, m or h: `30m`.

    Raises:
        ValueError: it is no such duration, or not above 0.
    """
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text.strip()[-1:])
    try:
        value = float(text.strip()[:-1]) * seconds if seconds else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is no duration such as 90s, 30m or 4h")
    return value


def as_row(config: Any) -> dict[str, Any]:
    """The fields of a dataclass as logs and tables keep them: whole numbers joined by +, all else as it is."""
    values = {name: getattr(config, name) for name in field_names(type(config))}
    return {name: "+".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}


def _parse_whole_numbers(name: str, text: str) -> tuple[int, ...]:
    """`105+125`, `[105, 125]` and `()` as tuples."""
    try:
        return tuple(int(item) for item in re.split(r"[\s,+]+", text.strip("[]() ,")) if item)
    except ValueError:
        raise ConfigError(f"{name}: {text!r} is not whole numbers joined by +, such as 105+125") from None


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _alternatives(cls: type, name: str) -> tuple[Any, ...]:
    """The types that a field may hold: `int | None` gives (int, NoneType)."""
    hint = _hints(cls)[name]
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
