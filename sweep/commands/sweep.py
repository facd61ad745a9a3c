"""The default command: trains the missing points of a sweep."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.commands.frontier_lines import print_report
from sweep.commands.parse_sweep import parse_sweep, settings_of
from sweep.commands.places import check_places
from sweep.commands.program import STARTED_AT, command_line
from sweep.commands.source_docs import registry_docs
from sweep.config import SweepConfig
from sweep.watch.console import plain_console
from trainers.errors import counted, without_credentials

EXAMPLES = """\
- run_sweep.py --space mnv2_quick: minutes on 2 CPU cores
- run_sweep.py --space mnv2_grid --data /data/imagenet: the 22 cells of the published table
- run_sweep.py --space mnv2_grid --axis dropout=0,0.2 --train.epochs 90 --name dropout: another axis
- run_sweep.py --space mnv2_grid --axis lr=0.02,0.05,0.1 --max-macs 100M: bad settings are stopped early
- run_sweep.py --space mnv2_grid --recipe tf_slim --data /data/imagenet: trained as TF-slim did
- run_sweep.py --config runs/NAME/config.json --name other: the settings of an earlier sweep

The same command again trains only what is missing."""


@dataclass(frozen=True, kw_only=True)
class Arguments(SweepConfig):
    """Train every network of a search space, log each to MLflow, draw accuracy against cost."""

    config: Path | None = None
    """Start from a saved configuration (JSON or YAML; any sweep's config.json is one); flags override it."""


def run(argv: Sequence[str]) -> int:
    """Train the missing points of a sweep; print its frontier, outcome and next steps."""
    return train_and_report(sweep_config(argv), command_line(*argv))


def sweep_config(argv: Sequence[str]) -> SweepConfig:
    """Return the configuration of the sweep that a command line asks for.

    Raises:
        ConfigError: `argv` has a mistake; the message is one line.
    """
    commands = registry_docs("sweep.commands.registry", "COMMANDS")  # the registry imports this module
    lines = [f"  {name:<{max(map(len, commands))}}  {line}" for name, line in commands.items()]
    examples = "\n".join([EXAMPLES, "", "Commands, each with --help; without a name it is sweep:", *lines])
    return SweepConfig(**settings_of(parse_sweep(argv, Arguments, "", examples)))


def train_and_report(config: SweepConfig, again: str) -> int:
    """Train the missing points of a sweep, print its outcome, and return the exit code.

    Args:
        config: the sweep.
        again: the command line that continues it.

    Raises:
        ConfigError: the sweep cannot be started.
        OSError: a file cannot be written; the error's note says what to do.
    """
    check_places(config)
    try:
        return _train_and_report(config, again)
    except OSError as error:
        error.add_note("ended points are kept; start the same command again to go on")
        raise


def _train_and_report(config: SweepConfig, again: str) -> int:
    from analysis.published.comparison import check_source
    from sweep.plan.plan import make_plan
    from sweep.run.sweep import run

    check_source(config.published)
    plan = make_plan(config)
    outcome = run(plan, console=plain_console(quiet=config.quiet), started_at=STARTED_AT)
    if outcome.report:
        print_report(outcome.report)
    print(outcome.summary())
    if outcome.tracking_error:
        print(f"MLflow lacks {outcome.tracking_error}; start the same command again to send it")
    if outcome.ended_by:
        print(f"{outcome.ended_by}, with {counted(outcome.num_missing, 'point')} to go; continue with: {again}")
    if outcome.signal:
        return 128 + outcome.signal
    if config.register and not outcome.tracking_error:
        from sweep.networks.registration import register  # MLflow takes seconds to import

        frontier = list(outcome.report.frontier["point"]) if outcome.report else []
        for line in register(plan.folder, frontier, runs=config.runs, given_uri=config.tracking_uri):
            print(line)
    if outcome.report and not outcome.report.frontier.empty:
        folder = str(plan.folder)
        print(f"which to ship: {command_line('recommend', folder, '--max-macs', 'N')}")
        print(f"how sure: {command_line('promote', folder, '--seeds', '3')}")
    print(f"MLflow UI: {_ui_command(config)}")
    return 1 if outcome.num_failed else 0


def _ui_command(config: SweepConfig) -> str:
    """Return the command that shows the runs of a sweep in a browser."""
    uri = config.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        return f"open {without_credentials(uri)}"
    runs = [] if config.runs == Path("runs") else ["--runs", str(config.runs)]
    return command_line("ui", *runs, *(["--tracking-uri", config.tracking_uri] if config.tracking_uri else []))
