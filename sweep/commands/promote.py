"""The command `promote`: trains the best settings of a sweep again with several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from sweep.commands.flags import Positional
from sweep.commands.frontier_lines import cell_name
from sweep.commands.parse_sweep import settings_of, sweep_line
from sweep.commands.program import command_line
from sweep.commands.sweep import train_and_report
from sweep.config import CAPS, SweepConfig, load_config
from trainers.config import TrainConfig
from trainers.errors import ConfigError

CHOOSING = ("space", "recipe", "axis", "sampler", "num_samples", "promoted", *CAPS)
"""Settings that choose points; a promotion chooses its points from the results."""
STOPPING = ("scheduler", "time_budget", "max_device_hours")
"""Settings that stop points or leave them out; a promotion does not inherit them."""


@dataclass(frozen=True, kw_only=True)
class Arguments(SweepConfig):
    """Train the frontier of a sweep and its near neighbours again with several seeds, as a sweep of its own.

    Several seeds show which points are on the frontier by luck. Every point keeps its settings, which flags override.
    Results of seeds that have been trained are taken over.
    """

    folder: Annotated[Path, Positional("FOLDER")]
    """The sweep's folder, such as runs/mnv2_quick-digits."""
    seeds: int = 3
    """Train every point with this many seeds, starting at --train.seed."""
    margin: float = 1.0
    """Most percentage points of top-1 by which a near neighbour is below the frontier."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.margin <= 100:
            raise ConfigError(f"margin is {self.margin}; it must be 0 to 100")


def run(argv: Sequence[str]) -> int:
    """Train the best settings of a sweep with several seeds."""
    arguments = parse_promotion(argv)
    from analysis.advice.promotion import worth_promoting
    from analysis.results.read import load_table
    from analysis.results.settings import by_setting

    chosen = worth_promoting(by_setting(load_table(arguments.folder)), arguments.margin)
    print(f"promoting {', '.join(dict.fromkeys(map(cell_name, chosen.to_dict('records'))))}")
    promoted = tuple(str(arguments.folder.absolute() / point) for point in chosen["point"])
    config = replace(SweepConfig(**settings_of(arguments)), promoted=promoted)
    return train_and_report(config, command_line("promote", *argv))


def parse_promotion(argv: Sequence[str]) -> Arguments:
    """Return the settings of the sweep whose folder `argv` names, without those that choose points, changed by flags.

    Raises:
        ConfigError: `argv` has a mistake, or the folder holds no sweep.
    """
    line = sweep_line(argv, Arguments, "promote")
    if "folder" in line.given:
        base = _base(line.given["folder"])
    elif line.wants_help:
        base = {"space": "its own", "train": TrainConfig()}
    else:
        raise ConfigError("which sweep? Give its folder first: promote runs/NAME")
    arguments = line.build(base)
    for name in CHOOSING:
        if line.given.get(name, base[name]) != base[name]:
            raise ConfigError(
                f"promote takes the points of the sweep as they are; leave out --{name.replace('_', '-')}"
            )
    return arguments


def _base(folder: Path) -> dict[str, Any]:
    """Return the settings of a promotion without flags."""
    origin = load_config(folder / "config.json")
    unset = settings_of(SweepConfig(space=origin.space))
    return (
        settings_of(origin)
        | {name: unset[name] for name in (*CHOOSING, *STOPPING)}
        | {
            "runs": folder.parent,
            "name": f"{folder.resolve().name}-promoted"[:100],
            "seeds": Arguments.seeds,
        }
    )
