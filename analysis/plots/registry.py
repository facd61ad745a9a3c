"""PLOTS: the charts of a report by name. A plot decides what it shows of a sweep, purely, and then draws that."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from analysis.frontier.costs import Cost
from analysis.plots import (
    along_width_resolution,
    frontier,
    frontier_info,
    hypervolume,
    importance,
    learning_curves,
    top1_top5,
    width_resolution,
)
from analysis.published.sweep_results import SweepResults


class Info(Protocol):
    """Content of a chart."""

    def numbers(self) -> pd.DataFrame:
        """Return the numbers of the chart as a table."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A kind of chart."""

    description: str
    """One line."""
    info: Callable[[SweepResults], Info | None]
    """None where there is nothing to show, such as latencies that nobody measured; never None for the first two."""
    draw: Callable[[Any], Figure]
    """Draws what `info` returned."""


def _against(cost: Cost, results: SweepResults) -> frontier_info.FrontierInfo:
    on = results.places.get(cost, "")
    return frontier_info.info(results.settings, results.comparison, cost, sweep=results.name, on=on)


def _against_assessed(cost: Cost, results: SweepResults) -> frontier_info.FrontierInfo | None:
    return _against(cost, results) if cost in results.places else None


PLOTS: dict[str, Plot] = {
    "macs_top1": Plot(
        description="top-1 against multiply-accumulates, with the Pareto frontier",
        info=partial(_against, "macs"),
        draw=frontier.draw,
    ),
    "params_top1": Plot(
        description="top-1 against parameters, with the Pareto frontier",
        info=partial(_against, "num_params"),
        draw=frontier.draw,
    ),
    "latency_top1": Plot(
        description="top-1 against milliseconds on one device, of the points that were measured",
        info=partial(_against_assessed, "latency_ms"),
        draw=frontier.draw,
    ),
    "top1_top5": Plot(
        description="top-1 and top-5 of each network, the cheapest first",
        info=top1_top5.info,
        draw=top1_top5.draw,
    ),
    "width_resolution": Plot(
        description="the best top-1 of each width and resolution as a heat map, with lines of equal MACs",
        info=width_resolution.info,
        draw=width_resolution.draw,
    ),
    "along_width_resolution": Plot(
        description="top-1 along width at each resolution, and along resolution at each width",
        info=along_width_resolution.info,
        draw=along_width_resolution.draw,
    ),
    "learning_curves": Plot(
        description="validation top-1 at each epoch, a line a point",
        info=learning_curves.info,
        draw=learning_curves.draw,
    ),
    "hypervolume": Plot(
        description="the hypervolume found against ended points and hours of training",
        info=hypervolume.info,
        draw=hypervolume.draw,
    ),
    "importance": Plot(
        description="how much of the variance of top-1 each swept setting explains",
        info=importance.info,
        draw=importance.draw,
    ),
}
