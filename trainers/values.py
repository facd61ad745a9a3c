"""Parsing of texts to typed values, for flags, axes, configuration files and settings in logs.

The type of a dataclass field decides which texts are allowed. Standard library only.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from trainers.errors import ConfigError, check_printable


@dataclass(frozen=True)
class Unit:
    """A way in which people write a number."""

    parse: Callable[[str], float]
    """Function from a text to its number; raises a ValueError that says which texts are allowed."""
    placeholder: str
    """Placeholder for the number in a help text."""
    suffix: str = ""
    """Text after the digits of a number in messages for people."""


def parse_amount(text: str) -> float:
    """Return the number in `text`, which may end in k, M or G for thousands, millions or thousand millions: `100M`.

    Raises:
        ValueError: `text` is no number above 0.
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
    """Return the percentage in `text`, with or without the sign: `70`, `70%`.

    Raises:
        ValueError: `text` is no percentage, or a number between 0 and 1 without the sign.
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
    """Return the seconds in `text`, which ends in s, m or h: `30m`.

    Raises:
        ValueError: `text` is no duration above 0.
    """
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text.strip()[-1:])
    try:
        value = float(text.strip()[:-1]) * seconds if seconds else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is no duration such as 90s, 30m or 4h")
    return value


Amount = Annotated[float, Unit(parse_amount, "N")]
"""A number above 0, which people write as 100M."""
Percent = Annotated[float, Unit(parse_percent, "PERCENT", "%")]
"""A number from 0 to 100, which people write as 70 or 70%."""
Duration = Annotated[float, Unit(parse_duration, "TIME", "s")]
"""Seconds, which people write as 90s, 30m or 4h; a number in a file is in seconds."""


Value = float | int | str | tuple[int, ...]
LONGEST_NUMBER = 1000
"""Most bits of a whole number in a file. No setting needs more, and Python refuses to print very long numbers."""


@dataclass(frozen=True)
class FieldType:
    """The parts of the type of a dataclass field."""

    item: Any
    """Type of the value, or of one item of a tuple."""
    several: bool = False
    """Whether the field holds a tuple."""
    optional: bool = False
    """Whether the field may be None."""

    @property
    def choices(self) -> tuple[Any, ...]:
        """All values of a Literal or a bool; empty for other types."""
        if get_origin(self.item) is Literal:
            return get_args(self.item)
        return (True, False) if self.item is bool else ()

    @property
    def unit(self) -> Unit | None:
        """The unit of an annotated number; None for other types."""
        return next((mark for mark in getattr(self.item, "__metadata__", ()) if isinstance(mark, Unit)), None)

    @property
    def plain(self) -> type:
        """The Python type, such as float for Percent and str for a Literal of texts."""
        if self.choices:
            return type(self.choices[0])
        return get_args(self.item)[0] if self.unit else self.item

    def parse(self, text: str) -> Any:
        """Return the value or item in `text`.

        Raises:
            ValueError: `text` is of another type; the message shows it and says what is allowed.
        """
        for choice in self.choices:
            if str(choice) == text:
                return choice
        if self.choices:
            allowed = (
                "True or False" if self.item is bool else f"allowed; choose from {', '.join(map(str, self.choices))}"
            )
            raise ValueError(f"{text!r} is not {allowed}")
        if self.unit:
            return self.unit.parse(text)
        try:
            return self.item(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {'a whole number' if self.item is int else 'a number'}") from None


@cache
def field_type(cls: type, name: str) -> FieldType:
    """Return the type of field `name` of dataclass `cls`."""
    hint = get_type_hints(cls, include_extras=True)[name]
    while get_origin(hint) is Annotated and not FieldType(hint).unit:  # annotations that are no units
        hint = get_args(hint)[0]
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    [kind] = [alternative for alternative in alternatives if alternative is not NoneType]
    several = get_origin(kind) is tuple
    return FieldType(get_args(kind)[0] if several else kind, several, NoneType in alternatives)


def accepts(cls: type, name: str, kind: type) -> bool:
    """Whether field `name` of dataclass `cls` may hold any value of type `kind`."""
    type_ = field_type(cls, name)
    return type_.optional if kind is NoneType else not type_.choices and not type_.several and type_.plain is kind


def row_type(cls: type, name: str) -> type:
    """Return the type of field `name` of dataclass `cls` in a row, if set: bool, int, float or str."""
    kind = field_type(cls, name)
    return kind.plain if kind.plain in (bool, int, float) and not kind.several else str


def parse_field(cls: type, name: str, value: object, label: str = "") -> Any:
    """Return the value of field `name` of dataclass `cls` from a text, a scalar of a file, or a list of these.

    Args:
        cls: the dataclass.
        name: the field.
        value: the text, scalar or list.
        label: the name of the field in messages; empty: `name`.

    Raises:
        ConfigError: `value` is of another type; the message names the field, shows the value and says what is allowed.
    """
    label = label or name
    kind = field_type(cls, name)
    if kind.several and kind.item is not int and not isinstance(value, list):
        raise ConfigError(f"{label} is {value!r}; it must be a list")
    items: list[object] = value if kind.several and isinstance(value, list) else [value]
    texts = [text_of_scalar(label, item, kind.unit) for item in items]
    try:
        if not kind.several:
            return kind.parse(texts[0])
        if kind.item is int:
            return _parse_whole_numbers(texts)
        return tuple(map(kind.parse, texts))
    except ValueError as error:
        raise ConfigError(f"{label}: {error}") from None


def text_of_scalar(label: str, value: object, unit: Unit | None = None) -> str:
    """Return the text of a scalar (text, number, date or bool) as a command line has it.

    Raises:
        ConfigError: `value` has another type, or is too long a number or an unprintable text.
    """
    if not isinstance(value, (str, int, float, date)):
        raise ConfigError(f"{label} holds a {type(value).__name__}; it must be a single value")
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        raise ConfigError(f"{label} is a number of more than {LONGEST_NUMBER} bits")
    check_printable(str(value))
    return f"{value}{unit.suffix}" if unit and isinstance(value, (int, float)) else str(value)


def _parse_whole_numbers(texts: list[str]) -> tuple[int, ...]:
    """Return the numbers in texts such as `105+125`, `[105, 125]` and `()`."""
    words = [word for text in texts for word in re.split(r"[\s,+]+", text.strip("[]() ,")) if word]
    try:
        return tuple(map(FieldType(int).parse, words))
    except ValueError:
        raise ValueError(f"{'+'.join(texts)!r} is not whole numbers joined by +, such as 105+125") from None
