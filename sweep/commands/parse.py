"""Parses the words of a command line into the typed arguments of a command, and writes the command's help.

Knows no command. argparse splits the words into flags and texts; each flag parses its texts by the type of its field.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, replace
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any, Generic, TypeVar

from sweep.commands.flags import flags_of, with_short_names
from sweep.commands.source_docs import field_docs
from sweep.commands.synonyms import SYNONYMS
from trainers.errors import ConfigError

T = TypeVar("T")


class CommandLine(Generic[T]):
    """The flags in the words of a command, with their values, parsed by the fields of a dataclass.

    Raises:
        ConfigError: a flag does not exist, a value has the wrong type, or a word belongs to no flag.
    """

    def __init__(self, argv: Sequence[str], cls: type[T], command: str) -> None:
        self._cls, self._program = cls, f"run_sweep.py {command}".strip()
        self._flags = {flag.path: flag for flag in with_short_names(flags_of(cls))}
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
        """Whether the words ask for help."""
        self.given = {path: self._flags[path].value(text) for path, text in words.items()}
        """The values of the flags in the words, by the path of their field."""

    def build(self, base: Mapping[str, Any] | None = None, description: str = "") -> T:
        """Return the arguments: flags override `base`, which overrides the fields' defaults. Help is printed and exits.

        Args:
            base: values by field of the dataclass.
            description: the text at the start of the help; unset: the docstring of the dataclass.

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
        """Return the texts of each flag in the words, by path."""
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
        """Return the error for words that belong to no flag."""
        options = [word.partition("=")[0] for word in stray if re.match(r"--?[a-z]", word, re.IGNORECASE)]
        if not options:
            return ConfigError(f"Unrecognized: {stray[0]}; several values of an axis are joined by commas; see --help")
        return ConfigError(f"Unrecognized options: {'; '.join(f'{word}, {self._advice(word)}' for word in options)}")

    def _advice(self, word: str) -> str:
        """Return what a user who wrote the unknown flag `word` may have meant."""
        spellings = {spelling for flag in self._flags.values() for spelling in flag.spellings}
        known = {spelling: f"perhaps you meant {spelling}" for spelling in spellings}
        known |= {
            synonym: advice
            for synonym, advice in SYNONYMS.items()
            if synonym not in spellings and set(re.findall(r"--[a-z-]+", advice)) <= spellings
        }
        close = get_close_matches(word.lower().replace("_", "-"), known, n=1)
        return known[close[0]] if close else "see --help"

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
    """Parse the words after a command's name into its arguments; `--help` prints and exits.

    Raises:
        ConfigError: `argv` has a mistake; the message is one line.
    """
    return CommandLine(argv, cls, command).build()
