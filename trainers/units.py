"""Numbers with units: how people write them, and the types of the fields that hold them. Standard library only."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Unit:
    """How people write a number."""

    parse: Callable[[str], float]
    """The number of a text; raises a ValueError that says what a text may be."""
    placeholder: str
    """Stands for the number in a help text."""
    suffix: str = ""
    """Follows the digits where the text is written for people."""


def parse_amount(text: str) -> float:
    """The number that `text` writes, with k, M or G for thousands, millions or thousand millions: `100M`.

    Raises:
        ValueError: `text` is no number, or not above 0.
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
        ValueError: `text` is no number of percent, or a share of 1.
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
        ValueError: `text` is no duration, or not above 0.
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
"""A number above 0 that people write as 100M."""
Percent = Annotated[float, Unit(parse_percent, "PERCENT", "%")]
"""A number from 0 to 100 that people write as 70 or 70%."""
Duration = Annotated[float, Unit(parse_duration, "TIME", "s")]
"""Seconds that people write as 90s, 30m or 4h; a number in a file is of seconds."""
