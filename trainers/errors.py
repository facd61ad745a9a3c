"""Errors of users and failures of trainings, and the wording of messages. Standard library only."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(ValueError):
    """A request of the user that cannot be done; the message says what was wrong, what is allowed and the next step."""


class UnreadableImageError(ConfigError):
    """An image that cannot be decoded, with the remedy."""

    def __init__(self, image: str, reason: str, remedy: str = "remove or replace it") -> None:
        super().__init__(image, reason, remedy)  # pickle passes these arguments again
        self.image, self.reason, self.remedy = image, reason, remedy

    def __str__(self) -> str:
        return f"cannot read the image '{self.image}' ({self.reason}); {self.remedy}"


DIVERGED = "diverged"
"""Start of the failure reason of a diverged point, which counts as a result, unlike other failures."""


class TrainingDivergedError(RuntimeError):
    """A loss that is NaN or infinite; the message starts with DIVERGED and names the epoch and step."""


class OtherImagesError(ConfigError):
    """A dataset without the images that a point was planned for; the error says nothing about the point."""


def unknown_choice(kind: str, name: str, choices: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name: similar choices or choices that begin with it, then all choices."""
    known = sorted(choices)
    longer = [choice for choice in known if len(name) > 2 and choice.startswith(name)]
    close = get_close_matches(name, known, n=2, cutoff=0.75) or longer[:2]
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    return ConfigError(f"unknown {kind} {name!r}; {guess}choose from {', '.join(known)}")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 point` or `2 points`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return seconds as a text for people: `45 s`, `1 min 30 s`, `12 min`, `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def byte_size(number: float) -> str:
    """Return bytes as a text for people: `310 MB`, `1.4 GB`."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Escape codes that colour a text on a terminal."""


def one_line(error: object, longest: int = 300) -> str:
    """Return the text of an error on one line, cut to `longest` characters and without the credentials of URIs.

    Colours are left out, and other unprintable characters are escaped.
    """
    text = without_credentials(" ".join(COLOURS.sub("", str(error)).split()))[:longest]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def check_printable(text: str) -> None:
    """Raise a ConfigError unless all characters of a path or name can be printed."""
    if not text.isprintable():
        raise ConfigError(f"{text!r} has characters that cannot be printed; leave them out")


def printable(path: str) -> str:
    """Return `path` with bytes that are not UTF-8 and control characters escaped, such as `caf\\xe9.jpg`."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in path)


def spreadsheet_cell(text: str) -> str:
    """Return a text of others as a cell of a CSV file: printable, and quoted if a spreadsheet would run it."""
    cell = printable(text)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _escaped(letter: str) -> str:
    is_byte = "\udc80" <= letter <= "\udcff"  # a byte of a path that is not UTF-8
    return f"\\x{ord(letter) - 0xDC00:02x}" if is_byte else letter.encode("unicode_escape").decode()


URI = re.compile(r"\S*://\S*")
USER = re.compile(
    r"(?<=://)(?!(?:(?<=http://)|(?<=https://))[^\s:/@]*:\d+/)(?:[^\s:/@]*:(?:(?!://)\S)*|[^\s/?]*)@", re.IGNORECASE
)
"""User and password of a URI. A password may hold a slash; only behind the port of HTTP an @ belongs to the path."""
SECRET = re.compile(
    r"([?&;#][\w.-]*(?:pass|pwd|token|secret|key|sig|auth|cred|odbc)[\w.-]*=)(?:\*\*\*|[^&\s]*)", re.IGNORECASE
)
"""A query parameter of a URI whose value is a secret, or holds one."""


def without_credentials(text: str) -> str:
    """Return `text` without the user, the password and the secret query parameters of every URI."""
    return URI.sub(lambda uri: SECRET.sub(r"\1***", USER.sub("", uri[0])), text)
