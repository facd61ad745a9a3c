"""From the words of a command line to the typed arguments of a command, and from their dataclass to its help.

Knows no command. argparse splits the words into flags and texts; each flag reads its texts by the type of its field.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, replace
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any, Generic, TypeVar

from sweep.commands.flags import flags_of
from sweep.commands.source_docs import field_docs
from trainers.errors import ConfigError

T = TypeVar("T")


class CommandLine(Generic[T]):
    """The words of a command, read by the fields of a dataclass: which flags were given, and their values.

    Raises:
        ConfigError: a flag that does not exist, a value of another type, or a stray word.
    """

    def __init__(self, argv: Sequence[str], cls: type[T], command: str) -> None:
        self._cls, self._program = cls, f"run_sweep.py {command}".strip()
        self._flags = {flag.path: flag for flag in flags_of(cls)}
        positionals = [flag.positional for flag in self._flags.values() if flag.positional]
        self._parser = argparse.ArgumentParser(
            usage=" ".join([self._program, "[OPTIONS]", *positionals]),
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            exit_on_error=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        options = self._parser.add_argument_group("options")
        options.add_argument("-h", "--help", action="store_true", help="Print this and exit.")
        groups: dict[str, Any] = {"": options}
        self._actions: dict[str, argparse.Action] = {}
        for path, flag in self._flags.items():
            prefix = path.rpartition(".")[0]
            if prefix not in groups:
                groups[prefix] = self._parser.add_argument_group(f"{prefix} options")
            self._actions[path] = flag.add_to(self._parser if flag.positional else groups[prefix])
        words = self._split(argv)
        self.wants_help = bool(words.pop("help", False))
        """Whether the command is to print its help."""
        self.given = {path: self._flags[path].value(text) for path, text in words.items()}
        """The values that were given, by the path of their field."""

    def build(self, base: Mapping[str, Any] | None = None, description: str = "") -> T:
        """The arguments: what was given, on top of `base`, on top of the fields' defaults; help is printed and exits.

        Args:
            base: values by field of the dataclass.
            description: what the help starts with; unset: the docstring of the dataclass.

        Raises:
            ConfigError: a field has no value.
        """
        values = dict(base or {})
        if self.wants_help:
            sys.stdout.write(self._help(values, description or cleandoc(self._cls.__doc__ or "")))
            raise SystemExit(0)
        nested: dict[str, dict[str, Any]] = {}
        for path, value in self.given.items():
            outer, _, name = path.rpartition(".")
            (nested.setdefault(outer, {}) if outer else values)[name] = value
        for outer, changes in nested.items():  # at once, as one field may be allowed by another
            values[outer] = replace(values[outer], **changes)
        for flag in self._flags.values():
            if flag.field.name not in values and flag.is_required:
                raise ConfigError(f"{self._program} needs {flag.name}; see --help")
        return self._cls(**values)

    def _split(self, argv: Sequence[str]) -> dict[str, Any]:
        """The texts of each flag that was given, by path."""
        dashed = [re.sub(r"^--[^=]+", lambda name: name[0].replace("_", "-"), word) for word in argv]
        try:
            parsed, stray = self._parser.parse_known_intermixed_args(dashed)
        except argparse.ArgumentError as error:
            needs = "takes no value" if "/" in str(error.argument_name) else "needs a value"
            raise ConfigError(f"{error.argument_name} {needs}; see --help") from None
        words = vars(parsed)
        if stray and "help" not in words:
            raise self._unrecognized(stray)
        return words

    def _unrecognized(self, stray: Sequence[str]) -> ConfigError:
        """The error for words that no flag takes."""
        options = [word.partition("=")[0] for word in stray if word.startswith("-")]
        if not options:
            return ConfigError(f"Unrecognized: {stray[0]}; several values of an axis are joined by commas; see --help")
        names = [flag.name for flag in self._flags.values() if not flag.positional]
        ending = [name for name in names if name.endswith(f".{options[0].lstrip('-').replace('_', '-')}")]
        close = ending or get_close_matches(options[0], names)
        hint = f"perhaps you meant {' or '.join(close)}" if close else "see --help"
        return ConfigError(f"Unrecognized options: {', '.join(options)}; {hint}")

    def _help(self, base: Mapping[str, Any], description: str) -> str:
        docs = {owner: field_docs(owner) for owner in {flag.owner for flag in self._flags.values()}}
        for path, flag in self._flags.items():
            outer, _, name = path.rpartition(".")
            default = getattr(base[outer], name) if outer else base.get(name, flag.field.default)
            value = "required" if default is MISSING else f"default: {flag.text(default)}"
            self._actions[path].help = f"{docs[flag.owner][name]} ({value})".replace("%", "%%")
        self._parser.description = description
        return self._parser.format_help()


def parse(argv: Sequence[str], cls: type[T], command: str) -> T:
    """The arguments of a command from the words after its name; `--help` prints and exits.

    Raises:
        ConfigError: a mistake in `argv`; the message is one line.
    """
    return CommandLine(argv, cls, command).build()
