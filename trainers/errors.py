"""Mistakes that a user can make, failures that a training can meet, and how both are said. Standard library only."""

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(ValueError):
    """What the user asked for cannot be done; the message says what was wrong, what is allowed and the next step."""


class UnreadableImageError(ConfigError):
    """An image that cannot be decoded."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(image, reason)  # what it is pickled as
        self.image, self.reason = image, reason

    def __str__(self) -> str:
        return f"cannot read the image '{self.image}' ({self.reason}); remove or replace it"


DIVERGED = "diverged"
"""How the reason of a point starts whose training diverged: a result as others are, unlike other failures."""


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a number; the message starts with DIVERGED and says at which epoch and step."""


class OtherImagesError(ConfigError):
    """A dataset does not hold the images that a point was planned for: no answer of the point."""


def unknown_choice(kind: str, name: str, choices: Iterable[str]) -> ConfigError:
    """The error for a name that is not in a registry: those it resembles or begins, then every choice."""
    known = sorted(choices)
    begun = [each for each in known if len(name) > 2 and each.startswith(name)]
    close = get_close_matches(name, known, n=2, cutoff=0.75) or begun[:2]
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    return ConfigError(f"unknown {kind} {name!r}; {guess}choose from {', '.join(known)}")


def counted(number: int, noun: str) -> str:
    """`1 point`, `2 points`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `45 s`, `1 min 30 s`, `12 min`, `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def byte_size(number: float) -> str:
    """Bytes as a person says them: `310 MB`, `1.4 GB`."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def one_line(error: object, longest: int = 300) -> str:
    """The text of an error on one line, without credentials, cut to `longest` characters; what a terminal would not
    print is escaped."""
    text = without_credentials(" ".join(str(error).split()))[:longest]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def check_printable(text: str) -> None:
    """Raise a ConfigError if a path or name has a character that no terminal prints and few systems take."""
    if not text.isprintable():
        raise ConfigError(f"{text!r} has characters that cannot be printed; leave them out")


def printable(path: str) -> str:
    """`path` with what is no UTF-8 in it, or steers a terminal, escaped, such as `caf\\xe9.jpg`."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without_credentials(text: str) -> str:
    """`text` with user and password taken out of every URI in it."""
    return re.sub(r"(://)[^/\s]+@", r"\1", text)
