"""Mistakes that a user can make, and failures that a training can meet. Standard library only."""


class ConfigError(ValueError):
    """What the user asked for cannot be done; the message says what was wrong, what is allowed and the next step."""


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a number; the message says at which epoch and step."""


def unknown_choice(kind: str, name: str, choices: object) -> ConfigError:
    """The error for a name that is not in a registry, naming every choice."""
    return ConfigError(f"unknown {kind} {name!r}; choose from {', '.join(sorted(map(str, choices)))}")  # type: ignore[call-overload]
