"""PLOTS: the charts of a report by name. A plot turns what a sweep found into a figure; None where it shows nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from analysis.plots import frontier
from analysis.sweep_results import SweepResults


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A kind of chart."""

    description: str
    """One line."""
    figure: Callable[[SweepResults], Figure | None]
    """None where there is nothing to show, such as latencies that nobody measured; never None for the first two."""


PLOTS: dict[str, Plot] = {
    "macs_top1": Plot(
        description="top-1 against multiply-accumulates, with the Pareto frontier",
        figure=partial(frontier.figure, cost="macs"),
    ),
    "params_top1": Plot(
        description="top-1 against parameters, with the Pareto frontier",
        figure=partial(frontier.figure, cost="num_params"),
    ),
    "latency_top1": Plot(
        description="top-1 against milliseconds on this machine, of the points that were measured",
        figure=lambda results: frontier.figure(results, cost="latency_ms") if results.latency else None,
    ),
}
