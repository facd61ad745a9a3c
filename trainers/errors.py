"""Mistakes that a user can make, failures that a training can meet, and how both are said. Standard library only."""

import re


class ConfigError(ValueError):
    """What the user asked for cannot be done; the message says what was wrong, what is allowed and the next step."""


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a number; the message says at which epoch and step."""


def unknown_choice(kind: str, name: str, choices: object) -> ConfigError:
    """The error for a name that is not in a registry, naming every choice."""
    return ConfigError(f"unknown {kind} {name!r}; choose from {', '.join(sorted(map(str, choices)))}")  # type: ignore[call-overload]


def one_line(error: object, longest: int = 300) -> str:
    """The text of an error on one line, without credentials, cut to `longest` characters."""
    return without_credentials(" ".join(str(error).split()))[:longest]


def without_credentials(text: str) -> str:
    """`text` with user and password taken out of every URI in it."""
    return re.sub(r"(://)[^/\s]+@", r"\1", text)
