"""The command `plan`: lists every point of a sweep with its costs, before anything is trained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.commands.parse_sweep import parse_sweep
from sweep.commands.places import check_data
from sweep.commands.program import say_aside
from sweep.config import SweepConfig
from trainers.errors import byte_size

if TYPE_CHECKING:
    from pandas import DataFrame

    from sweep.forecast.budgets import Forecast
    from sweep.plan.plan import Plan

COSTS = {"MACs (M)": "macs", "params (M)": "num_params", "activations (M)": "activations"}
"""The columns of a printed plan by heading; values are in millions."""


@dataclass(frozen=True, kw_only=True)
class Arguments(SweepConfig):
    """List every point of a sweep with its exact cost, and predict what training takes; train nothing.

    Time, memory and disk are predicted from a few training steps on this machine. Only the file of --csv and the
    timings of these steps are written.
    """

    config: Path | None = None
    """Start from a saved configuration (JSON or YAML; any sweep's config.json is one); flags override it."""
    csv: Path | None = None
    """Also write the table to this file, with predictions only if no network needs to be timed for them."""
    predict: bool = False
    """Write predictions to the file in any case, as a budget does too."""


def run(argv: Sequence[str]) -> int:
    """Print every point of the sweep with its cost."""
    arguments = parse_sweep(argv, Arguments, "plan")
    check_data(arguments.train.data)
    from analysis.published.comparison import check_source
    from sweep.plan.class_balance import class_lines
    from sweep.plan.left import read_left
    from sweep.plan.plan import make_plan
    from sweep.run.sweep import forecast_of, progress_so_far
    from trainers.datasets.registry import DATASETS
    from trainers.files import check_writable, whole_file

    check_source(arguments.published)
    plan = make_plan(arguments)
    if arguments.csv is not None:
        check_writable(arguments.csv)
    left = read_left(plan)
    forecast = forecast_of(left, say_aside, may_time=arguments.predict or arguments.csv is None)
    table, text = _tables(plan, forecast)
    if arguments.csv is not None:
        with whole_file(arguments.csv) as partial:
            table.to_csv(partial, index=False)
        say_aside(f"table: {arguments.csv}")
    print(text)
    print(plan.summary)
    for line in class_lines(plan.dataset):
        print(line)
    if forecast and forecast.text:
        print(forecast.text)
    if arguments.train.data in DATASETS and arguments.train.num_classes is None:
        print("costs are for the classes of this dataset; --train.num-classes 1000 gives those of the published tables")
    print(progress_so_far(left))
    return 0


def _tables(plan: "Plan", forecast: "Forecast | None") -> "tuple[DataFrame, str]":
    """Return the points of a plan with all columns, and the columns for people as text."""
    table = plan.table()
    cells = {heading: (table[column] / 1e6).map("{:.3f}".format) for heading, column in COSTS.items()}
    if forecast:
        points = [asdict(forecast.prediction.points[point]) for point in table["point"]]
        table = table.assign(**{name: [point[name] for point in points] for name in points[0]})
        cells["s/epoch"] = table["seconds_per_epoch"].map("{:.3g}".format)
        cells["memory"] = table["memory_bytes"].map(byte_size)
    settings = dict.fromkeys(["model", "width_mult", "resolution", *plan.varied])
    columns = [name for name in settings if name not in plan.drawn]
    return table, table.map(number).assign(**cells)[[*columns, *cells]].to_string(index=False)


def number(value: object) -> str:
    """Write a cell of a table; floats have six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
