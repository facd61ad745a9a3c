"""The settings of a sweep from the command line: flags override a space, a saved configuration or a recipe."""

from collections.abc import Sequence
from dataclasses import fields
from inspect import cleandoc
from typing import Any, TypeVar

from search_spaces.registry import SPACES, get_space
from sweep.commands.parse import CommandLine
from sweep.config import SweepConfig, load_config
from sweep.plan.axes import effective_space
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.recipes import with_recipe

S = TypeVar("S", bound=SweepConfig)
SHORT_FORMS = "A setting of the training needs no prefix: --epochs 5 is --train.epochs 5."


def sweep_line(argv: Sequence[str], cls: type[S], command: str) -> CommandLine[S]:
    """Return the command line of a command with the settings of a sweep."""
    return CommandLine(argv, cls, command)


def parse_sweep(argv: Sequence[str], cls: type[S], command: str, examples: str = "") -> S:
    """Return the arguments of a command with the settings of a sweep; flags override a saved configuration or a space.

    Args:
        argv: the words after the command's name.
        cls: the arguments of the command; its field `config`, if it has one, names a saved configuration.
        command: the name of the command, "" for the default command.
        examples: text that follows the docstring of `cls` in the help.

        Raises:
            ConfigError: `argv` has a mistake; the message is one line.
    """
    line = sweep_line(argv, cls, command)
    base, source = _base(line)
    line.given["axis"] = _joined(base.get("axis", ()), line.given.get("axis", ()))
    paragraphs = [cleandoc(cls.__doc__ or ""), examples, SHORT_FORMS, f"The defaults below are {source}."]
    arguments = line.build(base, "\n\n".join(filter(None, paragraphs)))
    for axis in effective_space(arguments).axes:
        if f"train.{axis}" in line.given:
            raise ConfigError(f"{axis} is an axis of {arguments.space}; choose its values with --axis {axis}=...")
    return arguments


def settings_of(arguments: SweepConfig) -> dict[str, Any]:
    """Return the fields of SweepConfig in the arguments of a command, by name."""
    return {field.name: getattr(arguments, field.name) for field in fields(SweepConfig)}


def _base(line: CommandLine[Any]) -> tuple[dict[str, Any], str]:
    """Return the settings that flags override, and the name of their source in the possessive."""
    space, path, recipe = (line.given.get(name) for name in ("space", "config", "recipe"))
    if path is not None:
        base = settings_of(load_config(path))
        if space not in (None, base["space"]):
            raise ConfigError(f"{path} is of the space {base['space']}, --space names {space}; leave one of them out")
        source = f"{path}'s"
    elif space is not None:
        base, source = {"train": get_space(space).base}, f"{space}'s"
    elif line.wants_help:
        base = {"train": TrainConfig()}
        source = "TrainConfig's; a space may set its own, which --space NAME --help shows"
    else:
        raise ConfigError(f"which search space? Give --space, one of {', '.join(SPACES)}")
    return base if recipe is None else base | {"train": with_recipe(base["train"], recipe)}, source


def _joined(saved: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Return the saved axes that no flag replaces, then the axes of flags."""
    names = {_axis_name(text) for text in given}
    return (*(text for text in saved if _axis_name(text) not in names), *given)


def _axis_name(text: str) -> str:
    return text.partition("=")[0].strip().replace("-", "_")
