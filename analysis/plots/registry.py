"""PLOTS: the charts of a report by name. A plot turns a results table into a figure and fits any table, also an empty
one."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.comparison import Comparison
from analysis.plots import frontier


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A kind of chart."""

    description: str
    """One line."""
    figure: Callable[[pd.DataFrame, Comparison, str], Figure]
    """The table of `by_setting`, published figures and the sweep's name to a figure."""


PLOTS: dict[str, Plot] = {
    "macs_top1": Plot(
        description="top-1 against multiply-accumulates, with the Pareto frontier",
        figure=lambda table, comparison, sweep: frontier.figure(table, comparison, "macs", sweep=sweep),
    ),
    "params_top1": Plot(
        description="top-1 against parameters, with the Pareto frontier",
        figure=lambda table, comparison, sweep: frontier.figure(table, comparison, "num_params", sweep=sweep),
    ),
}
