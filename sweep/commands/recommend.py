"""The command `recommend`: chooses the network to ship from a sweep or a published table."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sweep.commands.flags import Positional
from sweep.commands.frontier_lines import cell_name
from sweep.commands.latency import BUSY
from sweep.commands.parse import parse
from sweep.commands.program import command_line, say_aside
from trainers.errors import ConfigError, counted, printable
from trainers.values import Amount, Percent

if TYPE_CHECKING:
    from pandas import DataFrame

    from analysis.advice.recommend import Caps
    from analysis.frontier.costs import Cost
    from sweep.networks.assessments import Latency
    from trainers.use.latency import RuntimeName

GRIDS = {
    "mobilenet_v1": "mnv1_grid",
    "mobilenet_v2": "mnv2_grid",
    "mobilenet_v3_large": "mnv3_grid",
    "mobilenet_v3_small": "mnv3_grid",
}
"""The search space whose settings train a published network of each family."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Name the network to ship, the next best network, and the commands for the next steps.

    The network is the most accurate one within the caps, or with --min-top1 the one with the fewest MACs. It is chosen
    from a sweep, or from a published table before any sweep.
    """

    folder: Annotated[Path | None, Positional("FOLDER")] = None
    """The sweep's folder, such as runs/mnv2_quick-digits; unset: --published names a table."""
    published: str | None = None
    """Published table to choose from, such as tf_slim, in place of a sweep."""
    max_macs: Amount | None = None
    """Most multiply-accumulates, such as 100M."""
    max_params: Amount | None = None
    """Most parameters, such as 3M."""
    max_latency_ms: float | None = None
    """Most milliseconds for one image on this machine under --runtime; a sweep's folder keeps measured latencies."""
    min_top1: Percent | None = None
    """Least validation top-1 in percent; the network with the fewest MACs that reaches it is chosen."""
    runtime: Literal["onnxruntime", "pytorch"] | None = None
    """What runs the network for latencies; unset: ONNX Runtime where it is installed, as networks ship under it."""
    threads: int = 1
    """Number of CPU threads for latencies."""
    fresh: bool = False
    """Measure latencies again, for example if the machine was busy."""

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.published is None):
            raise ConfigError(
                "which networks? Give a sweep's folder, recommend runs/NAME, or a published source instead, "
                "recommend --published tf_slim"
            )
        if self.max_latency_ms is not None and not 0 < self.max_latency_ms < math.inf:
            raise ConfigError(f"max_latency_ms is {self.max_latency_ms}; it must be above 0 and finite")
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; it must be 1 or more")


def run(argv: Sequence[str]) -> int:
    """Print which network to ship."""
    arguments = parse(argv, Arguments, "recommend")
    from analysis.advice.recommend import Caps

    limits = {
        "macs": arguments.max_macs,
        "num_params": arguments.max_params,
        "latency_ms": arguments.max_latency_ms,
    }
    caps = Caps(
        at_most={cost: limit for cost, limit in limits.items() if limit is not None}, min_top1=arguments.min_top1
    )
    if arguments.folder is not None:
        _recommend_of_sweep(arguments.folder, caps, arguments)
    elif arguments.published is not None:
        _recommend_published(arguments.published, caps, arguments)
    return 0


def _recommend_of_sweep(folder: Path, caps: "Caps", arguments: Arguments) -> None:
    """Print which network of a sweep to ship, and how to export it."""
    from analysis.report.provenance import read_provenance
    from analysis.results.read import load_table
    from analysis.results.schema import ASSESSMENTS

    def assess(point: str, cost: "Cost") -> "Latency":
        assert cost == "latency_ms", f"nothing here assesses {cost}"
        from sweep.networks.assessments import point_latency  # PyTorch takes seconds to import

        runtime, num_threads = _runtime(arguments), arguments.threads
        return point_latency(folder, point, runtime=runtime, num_threads=num_threads, fresh=arguments.fresh)

    table = load_table(folder)
    replicate = command_line("promote", str(folder), "--seeds", "3")
    best = _print_choice(table, caps, assess, num_val=read_provenance(folder, table).num_val, replicate=replicate)
    if caps.of(assessed=True):
        print(f"           kept in {folder / ASSESSMENTS}; --fresh measures again")
    print(f"export:    {command_line('export', str(folder / best['point']), '--format', 'onnx')}")


def _recommend_published(source: str, caps: "Caps", arguments: Arguments) -> None:
    """Print which network of a published table to ship, its citation, and how to train, measure and export it."""
    from analysis.published.sweep_results import published_results
    from analysis.published.tables import CELL, NUM_VAL

    table = published_results(source).points.set_index("point", drop=False)

    def assess(point: str, cost: "Cost") -> "Latency":
        assert cost == "latency_ms", f"nothing here assesses {cost}"
        from sweep.networks.assessments import untrained_latency  # PyTorch takes seconds to import

        cell = table.loc[point, list(CELL)].to_dict()
        latency = untrained_latency(**cell, runtime=_runtime(arguments), num_threads=arguments.threads)
        say_aside(f"measured {point}: {latency.median.value:.2f} ms")
        return latency

    best = _print_choice(table, caps, assess, num_val=NUM_VAL)
    sys.stdout.flush()
    print(f"figures:   ImageNet validation, {best['variant']} in {best['citation']}")
    _print_next_steps(best, {name: best[name] for name in CELL}, source)


def _runtime(arguments: Arguments) -> "RuntimeName":
    """Return the runtime of latencies: the requested one, or the first that is installed."""
    from trainers.use.latency import installed_runtimes

    return arguments.runtime or installed_runtimes()[0]


def _print_next_steps(best: Mapping[str, Any], cell: Mapping[str, Any], source: str) -> None:
    """Print the commands that train, measure and export a published network."""
    from sweep.networks.checkpoints import untrained_name  # imports PyTorch, so only after the answer is printed
    from trainers.recipes import RECIPES
    from trainers.weights.published import PUBLISHED, best_weights

    untrained = untrained_name(**cell)
    axes = [f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in cell.items()
            if name != "round_nearest" or not untrained]  # fmt: skip
    flags = [word for axis in axes for word in ("--axis", axis)]
    recipe = ["--recipe", source] if source in RECIPES and RECIPES[source].config.model == best["model"] else []
    if source in RECIPES and not recipe:
        print(f"recipe:    none here trains {best['model']} as {source} did; `run_sweep.py list` names all recipes")
    destination = ["--name", cell_name(best), "--data", "PATH"]
    print(f"train:     {command_line('--space', GRIDS[best['model']], *flags, *recipe, *destination)}")
    if untrained:
        print(f"measure:   {command_line('latency', untrained)}")
    if weights := best_weights(**cell):
        print(
            f"export:    {command_line('export', weights, '--format', 'onnx')} ({PUBLISHED[weights].top1:.2f} % top-1)"
        )
    else:
        print("export:    no weights of this network are known here; train it")


def _print_choice(
    table: "DataFrame",
    caps: "Caps",
    assess: "Callable[[str, Cost], Latency]",
    *,
    num_val: int | None,
    replicate: str = "",
) -> Mapping[str, Any]:
    """Print which setting of a results table to ship; return its row. `assess` returns an assessed cost of a point."""
    from analysis.advice.recommend import recommend, summary
    from analysis.results.settings import by_setting

    devices: set[str] = set()

    def figure(point: str, cost: "Cost") -> float:
        latency = assess(point, cost)
        row = latency.median
        threads = counted(row.num_threads, "thread")
        devices.add(f"latency:   one image, {row.runtime} on {row.device} {row.treatment}, {threads}")
        if not latency.is_steady:
            devices.add(f"warning:   {BUSY}")
        return row.value

    choice = recommend(by_setting(table), caps, figure)
    for line in [*summary(choice, num_val=num_val, replicate=replicate), *sorted(devices)]:
        print(printable(line))
    return choice.best
