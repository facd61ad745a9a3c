"""The command `recipe`: prints a published recipe."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from sweep.commands.flags import Positional
from sweep.commands.parse import parse
from trainers.recipes import KEPT, get_recipe


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Print a published recipe: its source, the accuracy to expect, its settings, and where README and code differ."""

    name: Annotated[str, Positional("NAME")]
    """The name of the recipe; `run_sweep.py list` names all recipes."""
    plot: bool = False
    """Also draw its learning rate, as NAME_lr.png and NAME_lr.svg in the working directory."""


def run(argv: Sequence[str]) -> int:
    """Print a recipe, and draw its learning rate if asked."""
    arguments = parse(argv, Arguments, "recipe")
    recipe = get_recipe(arguments.name)
    print(f"{arguments.name}: {recipe.doc}\nsource: {recipe.source}\nexpect: {recipe.expected}")
    for note in recipe.notes:
        print(f"note: {note}")
    print("settings (the search space gives the others, flags go on top):")
    for name, value in asdict(recipe.config).items():
        if name not in KEPT:
            print(f"  {name:<18}{value}")
    if arguments.plot:
        from analysis.plots.schedule import draw
        from analysis.report.report import write_chart
        from trainers.training.schedules import learning_rates

        falls_over_decades = recipe.config.lr_schedule == "multistep"
        figure = draw(*learning_rates(recipe.config), title=arguments.name, log=falls_over_decades)
        print(f"chart: {write_chart(figure, Path(f'{arguments.name}_lr'))[0]}")
    return 0
