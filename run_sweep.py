#!/usr/bin/env python3
"""Sweep MobileNets in parallel and draw which one to ship: parse the command line, dispatch, set the exit code.

Exit codes: 0 all well, 1 a trial failed, 2 a mistake in what was asked, 130 interrupted, 143 terminated.
"""

import gc
import math
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # while the imports take their seconds
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # many container images set it, and every process of a sweep would then compile all of PyTorch anew
        sys.dont_write_bytecode = False

from rich.console import Console
from tyro import MISSING
from tyro.conf import Positional, arg

from search_spaces.registry import SPACES
from sweep.commands.checkpoint_commands import CHECKPOINT_COMMANDS
from sweep.commands.parse import parse, parse_sweep, say_aside, short_forms
from sweep.config import CAPS, Amount, Percent, SweepConfig, load_config
from trainers.config import network_name
from trainers.errors import (
    ConfigError,
    byte_size,
    check_printable,
    counted,
    one_line,
    printable,
    unknown_choice,
    without_credentials,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from analysis.advice.recommend import Caps
    from analysis.report.report import Report
    from trainers.trial import Latency

DESCRIPTION = """Train every network of a search space, log each to MLflow, draw accuracy against cost.

- run_sweep.py --space mnv2_quick: minutes on 2 CPU cores
- run_sweep.py --space mnv2_grid --data /data/imagenet: the 22 cells of the published table
- run_sweep.py --space mnv2_grid --axis dropout=0,0.2 --train.epochs 90 --name dropout: another axis
- run_sweep.py --space mnv2_grid --axis lr=0.02,0.05,0.1 --max-macs 100M: bad settings are stopped early
- run_sweep.py --space mnv2_grid --recipe tf_slim --data /data/imagenet: trained as TF-slim did
- run_sweep.py --config runs/NAME/config.json --name other: the settings of an earlier sweep

The same command again trains only what is missing. Other commands, each with --help: plan (points, exact costs, what
it will take; trains nothing), report FOLDER, recommend FOLDER (which network to ship), promote FOLDER (the best again,
with several seeds), recipe NAME, ui, list; and with what was trained: evaluate, predict, features, export, latency."""


STARTED_AT = time.monotonic()
"""When the program started."""
CHOOSING = ("space", "recipe", "axis", "sampler", "num_samples", *CAPS)
"""Settings that choose points, which a promotion does otherwise."""
STOPPING = ("scheduler", "time_budget", "max_device_hours")
"""Settings that stop some points of a sweep or leave them out, which its promotion has for itself."""
GRIDS = {
    "mobilenet_v1": "mnv1_grid",
    "mobilenet_v2": "mnv2_grid",
    "mobilenet_v3_large": "mnv3_grid",
    "mobilenet_v3_small": "mnv3_grid",
}
"""The search space whose settings train a published network of each family."""
COSTS = {"MACs (M)": "macs", "params (M)": "num_params", "activations (M)": "activations"}
"""Columns of a printed plan, in millions, by their headings."""


@dataclass(frozen=True, kw_only=True)
class PlanArguments(SweepConfig):
    """List every point of a sweep with its exact cost, and predict time, memory and disk from a few training steps on
    this machine; trains nothing, and writes nothing but `--csv` and these timings."""

    csv: Path | None = None
    """Also write the table to this file, at once: with predictions where no network needs to be timed for them."""
    predict: bool = False
    """Have predictions in the file in any case; a budget has them too."""


@dataclass(frozen=True, kw_only=True)
class ReportArguments:
    """Draw the page, charts and tables of a sweep again, from its logs; or those of a published source alone."""

    folder: Annotated[Positional[Path | None], arg(metavar="FOLDER")] = None
    """The sweep's folder, such as runs/mnv2_quick-digits; unset: the published source by itself."""
    published: str | None = None
    """Published table to draw beside a sweep on ImageNet, or `none`; unset: tf_slim."""
    out: Path | None = None
    """Where the report goes; unset: `report` in the sweep's folder, or published-NAME in the working directory."""


@dataclass(frozen=True, kw_only=True)
class RecommendArguments:
    """Name the network to ship: of a sweep, or of a published table before any sweep, the most accurate within caps, or
    with --min-top1 the one with the fewest MACs; the next best, and the commands that go on with it."""

    folder: Annotated[Positional[Path | None], arg(metavar="FOLDER")] = None
    """The sweep's folder, such as runs/mnv2_quick-digits; or --published."""
    published: str | None = None
    """Published table to choose from, such as tf_slim, instead of a sweep."""
    max_macs: Amount = None
    """Multiply-accumulates at most, such as 100M."""
    max_params: Amount = None
    """Parameters at most, such as 3M."""
    max_latency_ms: float | None = None
    """Milliseconds at most for one image on this machine under PyTorch; a sweep's folder keeps what was measured."""
    min_top1: Percent = None
    """Validation top-1 to reach, percent: of the networks that do, the one with the fewest MACs is chosen."""
    threads: int = 1
    """CPU threads to measure with."""
    fresh: bool = False
    """Measure again what was measured before, such as on a busy machine."""

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


@dataclass(frozen=True, kw_only=True)
class PromoteArguments(SweepConfig):
    """Train the frontier of a sweep and its near neighbours again with several seeds, as a sweep of its own: shows what
    luck put there. Settings are those of each point, flags on top. Seeds that were trained are taken over."""

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """The sweep's folder, such as runs/mnv2_quick-digits; it comes first."""
    seeds: int = 3
    """Train every point with this many seeds, from --train.seed on."""
    margin: float = 1.0
    """Points of top-1 below the frontier up to which a setting is a near neighbour."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.margin <= 100:
            raise ConfigError(f"margin is {self.margin}; it must be 0 to 100")


@dataclass(frozen=True, kw_only=True)
class RecipeArguments:
    """Print a published recipe: its source, what to expect, every field, and where README and code differ."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """The recipe; `run_sweep.py list` names them all."""
    plot: bool = False
    """Also draw its learning rate, as NAME_lr.png and NAME_lr.svg in the working directory."""


@dataclass(frozen=True, kw_only=True)
class UiArguments:
    """Serve the MLflow UI on this project's store until Ctrl-C."""

    runs: Path = Path("runs")
    """Where the store lies."""
    tracking_uri: str | None = None
    """Another store, as a sweep was given it; unset: MLFLOW_TRACKING_URI, else the one in `runs`."""
    host: str = "127.0.0.1"
    """Address to listen on; others than this machine can reach it only if you change this."""
    port: int = 5000
    """Port to listen on."""

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("host is empty; give an address of this machine, such as 127.0.0.1")
        if not 1 <= self.port < 2**16:
            raise ConfigError(f"port is {self.port}; it must be 1 to 65535")


@dataclass(frozen=True, kw_only=True)
class ListArguments:
    """Name the spaces, models, datasets, trainers, plots and published tables."""


def sweep(argv: Sequence[str]) -> int:
    """Train what is missing of the sweep, report, and say what to look at."""
    return run_and_report(parse_sweep(argv, SweepConfig, "", DESCRIPTION), command(*argv))


def promote(argv: Sequence[str]) -> int:
    """Train the best of a sweep with several seeds."""
    arguments = parse_promotion(argv)
    from analysis.advice.promotion import worth_promoting
    from analysis.results.read import load_table
    from analysis.results.settings import by_setting

    chosen = worth_promoting(by_setting(load_table(arguments.folder)), arguments.margin)
    print(f"promoting {', '.join(dict.fromkeys(map(cell_name, chosen.to_dict('records'))))}")
    settings: dict[str, Any] = {field.name: getattr(arguments, field.name) for field in fields(SweepConfig)}
    settings["promoted"] = tuple(str(arguments.folder.absolute() / point) for point in chosen["point"])
    return run_and_report(SweepConfig(**settings), command("promote", *argv))


def cell_name(row: Mapping[Any, Any]) -> str:
    """The name of a row's network."""
    return network_name(row["model"], row["width_mult"], row["resolution"])


def parse_promotion(argv: Sequence[str]) -> PromoteArguments:
    """The configuration of the sweep in the folder that `argv` starts with, without what chose its points."""
    if argv and not argv[0].startswith("-"):
        folder = Path(argv[0])
        origin = load_config(folder / "config.json")
        kept: dict[str, Any] = {field.name: getattr(origin, field.name) for field in fields(SweepConfig)}
        cleared = SweepConfig(space=origin.space)
        kept |= {name: getattr(cleared, name) for name in (*CHOOSING, *STOPPING) if name != "space"}
        kept |= {
            "runs": folder.parent,
            "name": f"{folder.resolve().name}-promoted"[:100],
            "seeds": PromoteArguments.seeds,
        }
        default = PromoteArguments(**kept, folder=folder)
    elif {"-h", "--help"} & set(argv):
        default = PromoteArguments(space="its own", folder=MISSING)
    else:
        raise ConfigError("which sweep? Give its folder first: promote runs/NAME")
    arguments = parse(short_forms(argv), PromoteArguments, "promote", default=default)
    for name in (*CHOOSING, "promoted"):
        if getattr(arguments, name) != getattr(default, name):
            raise ConfigError(
                f"promote takes the points of the sweep as they are; leave out --{name.replace('_', '-')}"
            )
    return arguments


def run_and_report(config: SweepConfig, again: str) -> int:
    """Run the sweep of `config`; `again` is the command line that goes on with it."""
    from analysis.published.comparison import check_source
    from sweep.plan.plan import make_plan
    from sweep.run.sweep import run

    check_source(config.published)
    plan = make_plan(config)
    console = Console(quiet=config.quiet, highlight=False)

    outcome = run(plan, console=console, started_at=STARTED_AT)
    if outcome.report:
        print_report(outcome.report)
    print(outcome.summary())
    if outcome.tracking_error:
        print(f"MLflow lacks {outcome.tracking_error}; the same command again sends it")
    if outcome.ended_by:
        to_go = counted(outcome.num_missing, "point")
        print(f"{outcome.ended_by}, with {to_go} to go; continue with: {again}")
    if outcome.signal:
        return 128 + outcome.signal
    if config.register and not outcome.tracking_error:
        from sweep.networks.registration import register  # MLflow takes seconds to import

        frontier = list(outcome.report.frontier["point"]) if outcome.report else []
        for line in register(plan.folder, frontier, runs=config.runs, wanted_uri=config.tracking_uri):
            print(line)
    print(f"MLflow UI: {ui_command(config)}")
    return 1 if outcome.num_failed else 0


def plan(argv: Sequence[str]) -> int:
    """Print every point of the sweep with its cost."""
    arguments = parse_sweep(argv, PlanArguments, "plan", PlanArguments.__doc__ or "")
    from analysis.published.comparison import check_source
    from sweep.plan.left import read_left
    from sweep.plan.plan import make_plan
    from sweep.run.sweep import forecast_of, progress_so_far
    from trainers.datasets.registry import DATASETS
    from trainers.files import check_writable, whole_file

    check_source(arguments.published)
    planned = make_plan(arguments)
    if arguments.csv is not None:
        check_writable(arguments.csv)
    left = read_left(planned)
    predicted = forecast_of(left, say_aside, may_time=arguments.predict or arguments.csv is None)
    table = planned.table()
    cells = {name: (table[column] / 1e6).map("{:.3f}".format) for name, column in COSTS.items()}
    if predicted:
        points = [asdict(predicted.prediction.points[id_]) for id_ in table["point"]]
        table = table.assign(**{name: [point[name] for point in points] for name in points[0]})
        cells["s/epoch"] = table["seconds_per_epoch"].map("{:.3g}".format)
        cells["memory"] = table["memory_bytes"].map(byte_size)
    if arguments.csv is not None:
        with whole_file(arguments.csv) as partial:
            table.to_csv(partial, index=False)
        say_aside(f"table: {arguments.csv}")
    shown = [n for n in dict.fromkeys(["model", "width_mult", "resolution", *planned.varied]) if n not in planned.drawn]
    print(table.map(number).assign(**cells)[[*shown, *cells]].to_string(index=False))
    print(planned.summary)
    if predicted and predicted.text:
        print(predicted.text)
    if arguments.train.data in DATASETS and arguments.train.num_classes is None:
        print("costs are for the classes of this dataset; --train.num-classes 1000 gives those of the published tables")
    print(progress_so_far(left))
    return 0


def report(argv: Sequence[str]) -> int:
    """Write the report of a sweep again."""
    arguments = parse(argv, ReportArguments, "report")
    from analysis.report.report import write_published, write_report
    from analysis.results.read import cut_off_notes

    if arguments.folder is None:
        if arguments.published in (None, "none"):
            raise ConfigError("which sweep? Give its folder, report runs/NAME, or a source, report --published tf_slim")
        written = write_published(arguments.published, arguments.out or Path(f"published-{arguments.published}"))
    else:
        written = write_report(arguments.folder, published=arguments.published, out=arguments.out)
        for note in [
            *cut_off_notes(arguments.folder),
            *([written.note] if arguments.published and written.note else []),
        ]:
            print(note, file=sys.stderr)
    print_report(written)
    return 0


def recommend(argv: Sequence[str]) -> int:
    """Print which network to ship."""
    arguments = parse(argv, RecommendArguments, "recommend")
    from analysis.advice.recommend import Caps

    caps = Caps(
        max_macs=arguments.max_macs,
        max_params=arguments.max_params,
        max_latency_ms=arguments.max_latency_ms,
        min_top1=arguments.min_top1,
    )
    if arguments.folder is not None:
        recommend_of_sweep(arguments.folder, caps, num_threads=arguments.threads, fresh=arguments.fresh)
    elif arguments.published is not None:
        recommend_published(arguments.published, caps, num_threads=arguments.threads)
    return 0


def recommend_of_sweep(folder: Path, caps: "Caps", *, num_threads: int, fresh: bool) -> None:
    """Print which network of a sweep to ship, and how to export it."""
    from analysis.report.provenance import read_provenance
    from analysis.results.read import load_table
    from analysis.results.schema import LATENCIES

    def latency(point: str) -> "Latency":
        from sweep.networks.assessments import point_latency  # PyTorch takes seconds to import

        return point_latency(folder, point, num_threads=num_threads, fresh=fresh)

    table = load_table(folder)
    replicate = command("promote", str(folder), "--seeds", "3")
    best = print_choice(table, caps, latency, num_val=read_provenance(folder, table).num_val, replicate=replicate)
    if caps.max_latency_ms is not None:
        print(f"           kept in {folder / LATENCIES}; --fresh measures again")
    print(f"export:    {command('export', str(folder / best['point']), '--format', 'onnx')}")


def recommend_published(source: str, caps: "Caps", *, num_threads: int) -> None:
    """Print which network of a published table to ship, whose figure it is, and how to train, measure and export it."""
    from analysis.published.tables import CELL, NUM_VAL
    from analysis.results.load import published_results

    table = published_results(source).points.set_index("point", drop=False)

    def latency(point: str) -> "Latency":
        from sweep.networks.assessments import untrained_latency  # PyTorch takes seconds to import

        found = untrained_latency(**table.loc[point, list(CELL)].to_dict(), num_threads=num_threads)
        say_aside(f"measured {point}: {found.median_ms:.2f} ms")
        return found

    best = print_choice(table, caps, latency, num_val=NUM_VAL)
    sys.stdout.flush()
    from sweep.networks.checkpoints import untrained_name  # PyTorch: after a mistake was told, or the answer
    from trainers.recipes import RECIPES
    from trainers.weights.published import PUBLISHED, best_weights

    cell = {name: best[name] for name in CELL}
    print(f"figures:   ImageNet validation, {best['variant']} in {best['citation']}")
    untrained = untrained_name(**cell)
    axes = [f"{name}={number(value)}" for name, value in cell.items() if name != "round_nearest" or not untrained]
    flags = [part for axis in axes for part in ("--axis", axis)]
    recipe = ["--recipe", source] if source in RECIPES and RECIPES[source].config.model == best["model"] else []
    named = ["--name", cell_name(best), "--data", "PATH"]
    print(f"train:     {command('--space', GRIDS[best['model']], *flags, *recipe, *named)}")
    if untrained:
        print(f"measure:   {command('latency', untrained)}")
    if weights := best_weights(**cell):
        print(f"export:    {command('export', weights, '--format', 'onnx')} ({PUBLISHED[weights].top1:.2f} % top-1)")
    else:
        print("export:    no weights of this network are known here; train it")


def print_choice(
    table: "DataFrame",
    caps: "Caps",
    latency: Callable[[str], "Latency"],
    *,
    num_val: int | None,
    replicate: str = "",
) -> Mapping[str, Any]:
    """Print which setting of a results table to ship; its row. `latency` is that of a point, by its id."""
    from analysis.advice.recommend import recommend, summary
    from analysis.results.settings import by_setting

    measured: set[str] = set()

    def latency_ms(point: str) -> float:
        found = latency(point)
        measured.add(f"one image, {found.runtime} on {found.device}, {counted(found.num_threads, 'thread')}")
        return found.median_ms

    found = recommend(by_setting(table), caps, latency_ms)
    for line in [
        *summary(found, num_val=num_val, replicate=replicate),
        *(f"latency:   {where}" for where in sorted(measured)),
    ]:
        print(printable(line))
    return found.best


def recipe(argv: Sequence[str]) -> int:
    """Print a recipe, and draw its learning rate if asked."""
    arguments = parse(argv, RecipeArguments, "recipe")
    from trainers.recipes import KEPT, get_recipe

    found = get_recipe(arguments.name)
    print(f"{arguments.name}: {found.doc}\nsource: {found.source}\nexpect: {found.expected}")
    for note in found.notes:
        print(f"note: {note}")
    print("settings (the search space gives the others, flags go on top):")
    for name, value in asdict(found.config).items():
        if name not in KEPT:
            print(f"  {name:<18}{value}")
    if arguments.plot:
        from analysis.plots.schedule import draw
        from analysis.report.report import write_chart
        from trainers.training.schedules import learning_rates

        log = found.config.lr_schedule == "multistep"  # falls over decades
        figure = draw(*learning_rates(found.config), title=arguments.name, log=log)
        print(f"chart: {write_chart(figure, Path(f'{arguments.name}_lr'))[0]}")
    return 0


def ui(argv: Sequence[str]) -> int:
    """Serve the MLflow UI on the project's store."""
    arguments = parse(argv, UiArguments, "ui")
    try:
        family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
        socket.create_server((arguments.host, arguments.port), family=family).close()
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        why = (error.strerror or one_line(error)).partition(" (while")[0]
        raise ConfigError(f"cannot listen on {where} ({why}); choose another --port or --host") from error
    from sweep.watch.mlflow_server import serve
    from sweep.watch.mlflow_store import STORE, DeletedExperimentError, connect, tracking_uri
    from sweep.watch.mlflow_views import view_links

    store = tracking_uri(arguments.runs, arguments.tracking_uri)
    if store.lower().startswith("http"):
        raise ConfigError(f"{without_credentials(store)} is a server: open it in a browser, or name another store")
    path = arguments.runs.absolute() / STORE
    if store == f"sqlite:///{path}" and not (path.is_file() and path.stat().st_size):
        raise ConfigError(f"no MLflow store at {path}; run a sweep first, or give its folder with --runs")
    say_aside("starting the MLflow UI ...")
    try:
        experiment = connect(store, arguments.runs).experiment_id
    except DeletedExperimentError as error:  # which the UI can restore
        say_aside(f"warning: {error}")
        experiment = None
    host = "127.0.0.1" if arguments.host == "0.0.0.0" else arguments.host
    address = f"http://[{host}]:{arguments.port}" if ":" in host else f"http://{host}:{arguments.port}"

    def announce() -> None:
        print(f"the MLflow UI is on {address}; Ctrl-C ends it")
        for what, link in view_links(address, experiment).items() if experiment else ():
            print(f"{what}: {link}")
        sys.stdout.flush()

    return serve(store, arguments.host, arguments.port, announce)


def list_registries(argv: Sequence[str]) -> int:
    """Print every registry, a line an entry."""
    parse(argv, ListArguments, "list")
    from analysis.plots.registry import PLOTS
    from analysis.published.tables import misprints, sources
    from sweep.plan.kinds import SCHEDULERS
    from trainers.datasets.registry import DATASETS
    from trainers.datasets.sources.torchvision_sets import TORCHVISION_SETS
    from trainers.models.registry import MODELS
    from trainers.recipes import RECIPES
    from trainers.registry import TRAINERS
    from trainers.weights.published import PUBLISHED, TIMM

    sections: dict[str, dict[str, str]] = {
        "search spaces (--space)": {name: space.doc for name, space in SPACES.items()},
        "recipes (--recipe)": {name: recipe.doc for name, recipe in RECIPES.items()},
        "models (--train.model)": {name: first_line(build) for name, build in MODELS.items()},
        "datasets (--data)": {name: first_line(load) for name, load in DATASETS.items()}
        | {f"{name}[:ROOT]": known.doc for name, known in TORCHVISION_SETS.items()}
        | {
            "PATH": "A folder of images, PATH/train/CLASS/IMAGE, or of Parquet shards, PATH/train-*.parquet; with val "
            "(or validation) and test where there are any."
        },
        "trainers (--trainer)": {name: trainer.doc for name, trainer in TRAINERS.items()},
        "schedulers (--scheduler)": {name: kind.doc for name, kind in SCHEDULERS.items()},
        "published networks": {name: f"{known.top1:.3f} % top-1 on ImageNet" for name, known in PUBLISHED.items()}
        | {name: f"width {width_mult:g}; where timm is installed" for name, width_mult in TIMM.items()},
        "plots": {name: plot.description for name, plot in PLOTS.items()},
        "published tables (--published)": sources(),
        "cells that upstream printed wrong": {
            f"{row['source']} {row['variant']}": row["misprint"] for row in misprints().to_dict("records")
        },
    }
    for title, entries in sections.items():
        print(title)
        width = max(map(len, entries))
        for name, line in entries.items():
            print(f"  {name:<{width}}  {line}")
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "sweep": sweep,
    "plan": plan,
    "report": report,
    "recommend": recommend,
    "promote": promote,
    "recipe": recipe,
    **CHECKPOINT_COMMANDS,
    "ui": ui,
    "list": list_registries,
}


def print_report(written: "Report") -> None:
    """Print a report's frontier and where it lies."""
    from analysis.results.settings import with_deviation

    if written.frontier.empty:
        print("no complete point yet, so no frontier")
    rows = written.frontier.to_dict("records")
    longest = max((len(cell_name(row)) for row in rows), default=0)
    for row in rows:
        size = f"{row['macs'] / 1e6:7.2f} M MACs {row['num_params'] / 1e6:6.3f} M params"
        print(printable(f"  frontier: {cell_name(row):<{longest}} {size} {with_deviation(row):>6} % top-1"))
    print(f"report: {written.html}\nchart: {next(iter(written.charts))}\ntable: {written.markdown}")


def ui_command(config: SweepConfig) -> str:
    """What shows this sweep's runs in a browser."""
    uri = config.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        return f"open {without_credentials(uri)}"
    runs = [] if config.runs == Path("runs") else ["--runs", str(config.runs)]
    return command("ui", *runs, *(["--tracking-uri", config.tracking_uri] if config.tracking_uri else []))


def command(*arguments: str) -> str:
    """The command line that runs this program with `arguments`, as the user started it."""
    start = ["uv", "run"] if "UV" in os.environ else ["python"]
    return shlex.join([*start, "run_sweep.py", *map(without_credentials, arguments)])


def number(value: object) -> str:
    """A table's cell: floats with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def first_line(function: Callable[..., object]) -> str:
    """The first line of a docstring."""
    return (function.__doc__ or "").strip().splitlines()[0]


def split_command(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that `argv` starts with, `sweep` if none, and its arguments."""
    if not argv or argv[0].startswith("-"):
        return "sweep", argv
    if argv[0] in SPACES:
        raise ConfigError(f"{argv[0]} is a search space: give it as --space {argv[0]}")
    if argv[0] not in COMMANDS:
        raise unknown_choice("command", argv[0], COMMANDS)
    return argv[0], argv[1:]


def main(argv: Sequence[str]) -> int:
    """Run the command that `argv` names, `sweep` if none; the exit code."""
    name = ""
    try:
        for argument in argv:
            check_printable(argument)
        name, arguments = split_command(argv)
        return COMMANDS[name](arguments)
    except ConfigError as error:
        print(f"error: {one_line(error, longest=1000)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that may not be written, a file system that is gone
        kept = "; what has ended is kept, the same command goes on from there" if name in ("sweep", "promote") else ""
        print(f"error: {one_line(error)}{kept}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; continue with: {command(*argv)}", file=sys.stderr)
        return 130


def end_once(number: signal.Signals, how: BaseException) -> None:
    """Raise `how`; the signal again, as `uv run` passes on what all of its process group was sent, changes nothing."""
    signal.signal(number, signal.SIG_IGN)
    raise how


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: end_once(signal.SIGINT, KeyboardInterrupt()))
    signal.signal(signal.SIGTERM, lambda *_: end_once(signal.SIGTERM, SystemExit(143)))
    gc.set_threshold(100_000, 20, 20)  # Python's own is for programs that keep fewer objects than PyTorch alone has
    exit_code = main(sys.argv[1:])
    with suppress(OSError):  # nobody reads on
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)  # what Ray and MLflow do at exit takes seconds, and everything is closed
