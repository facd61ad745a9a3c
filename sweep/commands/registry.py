"""COMMANDS: the commands by name. Importing them imports no PyTorch, Ray, MLflow or pandas."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sweep.commands import (
    evaluate,
    export,
    features,
    latency,
    list,
    plan,
    predict,
    promote,
    recipe,
    recommend,
    report,
    sweep,
    ui,
)


@dataclass(frozen=True)
class Command:
    """A command of the command line."""

    arguments: type
    """A dataclass: its docstring is the command's help, its fields are the flags."""
    run: Callable[[Sequence[str]], int]
    """Runs the command with the words after its name; returns the exit code."""


COMMANDS: dict[str, Command] = {
    "sweep": Command(sweep.Arguments, sweep.run),
    "plan": Command(plan.Arguments, plan.run),
    "report": Command(report.Arguments, report.run),
    "recommend": Command(recommend.Arguments, recommend.run),
    "promote": Command(promote.Arguments, promote.run),
    "recipe": Command(recipe.Arguments, recipe.run),
    "evaluate": Command(evaluate.Arguments, evaluate.run),
    "predict": Command(predict.Arguments, predict.run),
    "features": Command(features.Arguments, features.run),
    "export": Command(export.Arguments, export.run),
    "latency": Command(latency.Arguments, latency.run),
    "ui": Command(ui.Arguments, ui.run),
    "list": Command(list.Arguments, list.run),
}
