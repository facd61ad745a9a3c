"""From the words of a command line to configurations, and from a mistake in them to one line.

Knows no command: what a word such as `plan` does is run_sweep.py's.
"""

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import tyro

from search_spaces.registry import SPACES, get_space
from sweep.config import SweepConfig, load_config
from sweep.plan.axes import effective_space
from trainers.errors import ConfigError, without_credentials
from trainers.recipes import with_recipe

PLAIN = {
    r"invalid literal for int\(\) with base 10: ('.*?')": r"\1 is not a whole number",
    r"could not convert string to float: ('.*?')": r"\1 is not a number",
    r"^Missing from (\S+)( \S+)?: (?:--)?(\S+) .*": r"\1\2 needs \3",
    r"^Unrecognized options: ([^-].*)": r"Unrecognized: \1; several values of an axis are joined by commas",
}
"""What the parser and Python say of a mistake, and what that means."""
T = TypeVar("T")
S = TypeVar("S", bound=SweepConfig)

SHORT_FORMS = """Short forms: --data PATH is --train.data PATH, --init published is --train.init published; --config
FILE starts from a saved configuration (JSON or YAML; any sweep's config.json is one), with the flags on top."""


def parse_sweep(argv: Sequence[str], cls: type[S], command: str, description: str) -> S:
    """The configuration that `argv` asks for: a saved one or the space's own base, and the flags on top."""
    arguments, saved = _take_option(short_forms(argv), "--config")
    _, space = _take_option(arguments, "--space")
    _, recipe = _take_option(arguments, "--recipe")
    if saved is not None:
        default = load_config(Path(saved))
        if space not in (None, default.space):
            raise ConfigError(f"{saved} is of the space {default.space}, --space names {space}; leave one of them out")
    elif space is not None:
        default = SweepConfig(space=space, train=get_space(space).base)
    elif {"-h", "--help"} & set(arguments):
        default = SweepConfig(space=tyro.MISSING)
    else:
        parse(arguments, cls, command, default=cls(space=next(iter(SPACES))))  # a misspelt --space is told as such
        raise ConfigError(f"which search space? Give --space, one of {', '.join(SPACES)}")
    if recipe is not None:
        default = replace(default, train=with_recipe(default.train, recipe))
    if space is None and saved is None:
        whose = "TrainConfig's; a space may set its own, which --space NAME --help shows"
    else:
        whose = f"{saved or space}'s"
    description = f"{description}\n\n{SHORT_FORMS}\n\nThe defaults below are {whose}."
    config = parse(arguments, cls, command, default=cls(**vars(default)), description=description)
    given = config.axis[len(default.axis) :]
    names = {_axis_name(text) for text in given}
    config = replace(config, axis=(*(text for text in default.axis if _axis_name(text) not in names), *given))
    _refuse_flags_of_axes(arguments, config)
    return config


def short_forms(argv: Sequence[str]) -> list[str]:
    """`argv` with its short forms written out."""
    return [re.sub(r"^--(data|init)(?==|$)", r"--train.\1", argument) for argument in argv]


def parse(
    argv: Sequence[str], cls: type[T], command: str, *, default: T | None = None, description: str | None = None
) -> T:
    """Parse `argv` into `cls` by its fields; `--help` prints and exits.

    Args:
        argv: the words after the command's.
        cls: a dataclass; its docstring describes the command unless `description` does.
        command: its name, "" for the main one.
        default: values of the fields that `argv` leaves out.
        description: Markdown is not interpreted; paragraphs are kept.

    Raises:
        ConfigError: what the parser says, on one line and without credentials.
    """
    shown = [without_credentials(argument) for argument in argv]
    if shown != list(argv):
        parse(shown, cls, command, default=default, description=description)  # what the parser says is cut into lines
    options: dict[str, Any] = {"prog": f"run_sweep.py {command}".strip()}
    if default is not None:
        options["default"] = default
    if description is not None:
        options["description"] = description
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(cls, args=list(argv), **options)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ConfigError(_parser_message(said.getvalue())) from None


def _take_option(argv: Sequence[str], option: str) -> tuple[list[str], str | None]:
    """`argv` without `option VALUE` or `option=VALUE`, and the last such value."""
    rest: list[str] = []
    value = None
    arguments = iter(argv)
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if name != option:
            rest.append(argument)
            continue
        value = text if equals else next(arguments, None)
        if value is None:
            raise ConfigError(f"{option} needs a value")
    return rest, value


def _axis_name(text: str) -> str:
    return text.partition("=")[0].strip().replace("-", "_")


def _refuse_flags_of_axes(argv: Sequence[str], config: SweepConfig) -> None:
    """Raise a ConfigError for a `--train.X` whose X is an axis, which would be without effect."""
    for axis in effective_space(config).axes:
        spellings = {f"--train.{axis}", f"--train.{axis.replace('_', '-')}"}
        if any(argument.partition("=")[0] in spellings for argument in argv):
            raise ConfigError(f"{axis} is an axis of {config.space}; choose its values with --axis {axis}=...")


def _parser_message(box: str) -> str:
    """The statement in the box that the parser draws around its errors, and the flags that it suggests.

    The box is of lines, or of dashes where the terminal has no Unicode; its first part is the title, and the next one,
    up to a rule, the statement.
    """
    parts = [" ".join(part.replace("│", " ").split()) for part in re.split(r"[╭╮╰╯\s]*[─-]{2,}(?!\w)[╭╮╰╯\s]*", box)]
    statement, *others = [part for part in parts if part][1:] or [box]
    ours = re.fullmatch(
        r"Error parsing (?:train|\w+Config|\w+Arguments): (.*)", statement
    )  # raised by the class itself
    if ours:
        return ours[1]
    statement = statement.removeprefix("Error parsing ")
    for of_python, plain in PLAIN.items():
        statement = re.sub(of_python, plain, statement)
    statement = re.sub(r"(?<=^Unrecognized options: )-.*", _options_only, statement)
    suggested = dict.fromkeys(
        re.findall(r"--[\w.-]+", " ".join(p for p in others if p.startswith("Perhaps you meant")))
    )
    hint = f"perhaps you meant {' or '.join(list(suggested)[:3])}" if suggested else "see --help"
    return f"{statement.removesuffix('.')}; {hint}"


def _options_only(words: re.Match[str]) -> str:
    """The options of a list of words; the others are their values."""
    return ", ".join(word for word in words[0].split(", ") if word.startswith("-"))


def say_aside(line: str) -> None:
    """Print a line that is no part of what was asked for."""
    print(line, file=sys.stderr, flush=True)
