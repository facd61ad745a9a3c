"""Flags of the command line, each made from a field of a dataclass. argparse sees every value as a text."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from trainers.values import FieldType, field_type, parse_field

ONE_WORD_EACH = ("axis",)
"""Fields of several texts whose flag takes one text and may be repeated."""
PLACEHOLDERS: dict[Any, str] = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}


@dataclass(frozen=True)
class Positional:
    """Marks a field that is given by its position, without a flag."""

    placeholder: str
    """The text in place of the value in a help text."""


@dataclass(frozen=True)
class Flag:
    """A field of a command's arguments, or of a dataclass that one of them holds."""

    owner: type
    field: Field[Any]
    path: str
    """The field names from the arguments to this field, such as train.lr_schedule."""
    has_short_name: bool = False
    """Whether the field of a nested dataclass may be given without the name of that dataclass."""

    @property
    def name(self) -> str:
        """The flag's spelling on a command line; for a positional, its placeholder."""
        return self.positional or f"--{self.path}".replace("_", "-")

    @property
    def spellings(self) -> list[str]:
        """Every spelling on a command line, the full one first; none for a positional."""
        if self.positional:
            return []
        return [self.name, f"--{self.field.name}".replace("_", "-")] if self.has_short_name else [self.name]

    @property
    def positional(self) -> str:
        """The placeholder of a positional; "" for a flag."""
        marks = getattr(get_type_hints(self.owner, include_extras=True)[self.field.name], "__metadata__", ())
        return next((mark.placeholder for mark in marks if isinstance(mark, Positional)), "")

    @property
    def type(self) -> FieldType:
        """The type of the field."""
        return field_type(self.owner, self.field.name)

    @property
    def is_required(self) -> bool:
        """Whether the field has no default."""
        return self.field.default is MISSING and self.field.default_factory is MISSING

    @property
    def placeholder(self) -> str:
        """The text in place of the value in a help text."""
        kind = self.type
        choices = f"{{{','.join(map(str, kind.choices))}}}" if kind.choices else PLACEHOLDERS[kind.plain]
        return self.positional or (kind.unit.placeholder if kind.unit else choices)

    def add_to(self, group: Any) -> argparse.Action:
        """Add the flag, in all its spellings, to a group of an argparse parser; the help lists the full name only."""
        if self.positional:
            return group.add_argument(self.path, metavar=self.positional, nargs="*" if self.type.several else "?")
        full, *short = [self._add(group, spelling) for spelling in self.spellings]
        for action in short:
            action.help = argparse.SUPPRESS
        return full

    def _add(self, group: Any, spelling: str) -> argparse.Action:
        if self.type.item is bool:
            prefix, dot, name = spelling.removeprefix("--").rpartition(".")
            return group.add_argument(spelling, f"--{prefix}{dot}no-{name}", dest=self.path, action=_Truth, nargs=0)
        repeated = self.field.name in ONE_WORD_EACH
        words: dict[str, Any] = {"action": "append"} if repeated else {"nargs": "*" if self.type.several else None}
        return group.add_argument(spelling, dest=self.path, metavar=self.placeholder, **words)

    def value(self, words: Any) -> Any:
        """Return the typed value of argparse's result: a text, several texts, or a bool.

        Raises:
            ConfigError: a text has the wrong type; the message names the flag and the allowed values.
        """
        if isinstance(words, bool):
            return words
        if words == "None" and self.type.optional:
            return None
        return parse_field(self.owner, self.field.name, words, self.name)

    def text(self, value: Any) -> str:
        """Write a value as on a command line."""
        if isinstance(value, tuple):
            return " ".join(map(str, value))
        return f"{value:g}{self.type.unit.suffix}" if self.type.unit and value is not None else str(value)


def flags_of(cls: type, prefix: str = "") -> list[Flag]:
    """Return a flag for every field of a dataclass and its nested dataclasses; their paths begin with `prefix`."""
    flags: list[Flag] = []
    hints = get_type_hints(cls)
    for field in fields(cls):
        path = f"{prefix}{field.name}"
        flags += (
            flags_of(hints[field.name], f"{path}.") if is_dataclass(hints[field.name]) else [Flag(cls, field, path)]
        )
    return flags


def with_short_names(flags: Sequence[Flag]) -> list[Flag]:
    """Return `flags`; each nested field whose own name no other flag has gets a short name, such as --epochs."""
    names = Counter(flag.field.name for flag in flags)
    return [replace(flag, has_short_name="." in flag.path and names[flag.field.name] == 1) for flag in flags]


class _Truth(argparse.Action):
    """A flag without a value: true, or false when spelled with `no-`."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, option_string == self.option_strings[0])
