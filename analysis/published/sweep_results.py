"""Results of a sweep: points, settings, learning curves and the published figures beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from analysis.frontier.costs import ASSESSED, Cost
from analysis.frontier.frontier import add_frontiers
from analysis.published.comparison import PUBLISHED_STRIDE, TASK, Comparison, all_sources, compare
from analysis.published.tables import load_cells
from analysis.results.read import load_assessments, load_measurements, load_table
from analysis.results.schema import COLUMNS
from analysis.results.settings import by_setting
from trainers.config import network_name
from trainers.errors import ConfigError
from trainers.trial import Measurement

Assessed = Mapping[Cost, Mapping[str, Mapping[str, float]]]
"""Figures by cost, place and point."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepResults:
    """Results of a sweep."""

    name: str
    points: pd.DataFrame
    """Results table: a row per point, in the order in which points ended."""
    settings: pd.DataFrame
    """Table of `by_setting` with the columns of `add_frontiers` and a column for each of ASSESSED; NaN: unknown."""
    curves: Mapping[str, Sequence[Measurement]]
    """Measurements of each point, in the order of epochs; a point may have none."""
    places: Mapping[Cost, str]
    """Device and conditions of each assessed cost; a cost without measurements is absent."""
    comparison: Comparison
    """Published figures beside the sweep."""


def load_results(folder: Path, published: str | None = None) -> SweepResults:
    """Load the sweep in `folder`, beside the figures of the source `published` (see `compare`).

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, or there is no such source.
    """
    table = load_table(folder)
    assessed: dict[Cost, dict[str, dict[str, float]]] = {}
    for row in load_assessments(folder):
        if row.metric in ASSESSED and row.batch_size == 1:
            assessed.setdefault(row.metric, {}).setdefault(row.place, {})[row.point] = row.value
    name, curves = folder.resolve().name, load_measurements(folder)
    return results_of(table, compare(table, published), name=name, curves=curves, assessed=assessed)


def published_results(source: str) -> SweepResults:
    """Return the networks of a published source in the form of a sweep, at the costs that this project counts.

    The points have two more columns: `variant` names the training, `citation` the place of the figures.

    Raises:
        ConfigError: there is no such source, or it has no accuracies.
    """
    cells = load_cells(source)
    if cells.empty:
        raise ConfigError(f"{source} has no accuracies; `run_sweep.py list` says what each source has")
    names = [network_name(*row) for row in zip(cells["model"], cells["width_mult"], cells["resolution"], strict=True)]
    constants = {"point": names, "state": "COMPLETE", "dataset": TASK, "total_stride": PUBLISHED_STRIDE}
    table = cells.assign(**constants).reindex(columns=[*COLUMNS, "variant", "citation"])
    latencies: dict[str, dict[str, float]] = {}
    for name, device, milliseconds in zip(names, cells["latency_device"], cells["latency_ms"], strict=True):
        if not math.isnan(milliseconds):
            latencies.setdefault(f"{device}, as published", {})[name] = milliseconds
    comparison = all_sources(sorted(set(cells["model"])))
    assessed = {"latency_ms": latencies} if latencies else {}
    return results_of(table, comparison, name=f"{source}, as published", assessed=assessed)


def results_of(
    table: pd.DataFrame,
    comparison: Comparison,
    *,
    name: str,
    curves: Mapping[str, Sequence[Measurement]] | None = None,
    assessed: Assessed = MappingProxyType({}),
) -> SweepResults:
    """Build results from a table of points, with assessed figures of one image by cost, place and point.

    The figures of a cost come from one place, the place with the most points: figures of two devices are never mixed.
    """
    settings = add_frontiers(by_setting(table))
    places: dict[Cost, str] = {}
    columns = dict.fromkeys(ASSESSED, np.full(len(settings), math.nan))
    for cost, figures in assessed.items():
        place = places[cost] = min(figures, key=lambda place: (-len(figures[place]), place))
        columns[cost] = np.array([_of_seeds(points, figures[place]) for points in settings["points"]], dtype=float)
    return SweepResults(
        name=name,
        points=table,
        settings=settings.assign(**columns),
        curves=curves or {},
        places=places,
        comparison=comparison,
    )


def _of_seeds(points: Sequence[str], figures: Mapping[str, float]) -> float:
    """Return the figure of a setting, that of its first assessed seed: all seeds are one network."""
    return next((figures[point] for point in points if point in figures), math.nan)
