"""All that a report is made of: a sweep's points, settings and learning curves, and the published figures beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.frontier.frontier import add_frontiers
from analysis.published.comparison import PUBLISHED_STRIDE, TASK, Comparison, all_sources, compare
from analysis.published.tables import load_cells
from analysis.results.read import load_latencies, load_measurements, load_table
from analysis.results.schema import COLUMNS
from analysis.results.settings import by_setting
from trainers.config import network_name
from trainers.errors import ConfigError, counted
from trainers.trial import Latency, Measurement


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepResults:
    """What a sweep found."""

    name: str
    points: pd.DataFrame
    """The results table, a row a point, in the order in which they ended."""
    settings: pd.DataFrame
    """The table of `by_setting` with the columns of `add_frontiers` and `latency_ms`, NaN where none was measured."""
    curves: Mapping[str, Sequence[Measurement]]
    """The measurements of each point, in the order of epochs; a point may have none."""
    latency: str
    """What `latency_ms` was measured on; "" where nothing was."""
    comparison: Comparison
    """The published figures beside it."""


def load_results(folder: Path, published: str | None = None) -> SweepResults:
    """The sweep in `folder`, beside the figures of the source `published` (see `compare`).

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, or there is no such source.
    """
    table = load_table(folder)
    latencies: dict[str, dict[str, float]] = {}
    for point, found in load_latencies(folder).items():
        for latency in (each for each in found if each.batch_size == 1):
            latencies.setdefault(_place(latency), {})[point] = latency.median_ms
    name, curves = folder.resolve().name, load_measurements(folder)
    return results_of(table, compare(table, published), name=name, curves=curves, latencies=latencies)


def published_results(source: str) -> SweepResults:
    """The networks of a published source as if they had been swept, at the costs that this project counts.

    The points have two more columns, `variant` and `citation`: which training the figures are of, and where they are.

    Raises:
        ConfigError: there is no such source, or it has no accuracies.
    """
    cells = load_cells(source)
    if cells.empty:
        raise ConfigError(f"{source} has no accuracies; `run_sweep.py list` says what each source has")
    names = [network_name(*row) for row in zip(cells["model"], cells["width_mult"], cells["resolution"], strict=True)]
    given = {"point": names, "state": "COMPLETE", "dataset": TASK, "total_stride": PUBLISHED_STRIDE}
    table = cells.assign(**given).reindex(columns=[*COLUMNS, "variant", "citation"])
    latencies: dict[str, dict[str, float]] = {}
    for name, device, milliseconds in zip(names, cells["latency_device"], cells["latency_ms"], strict=True):
        if not math.isnan(milliseconds):
            latencies.setdefault(f"{device}, as published", {})[name] = milliseconds
    comparison = all_sources(sorted(set(cells["model"])))
    return results_of(table, comparison, name=f"{source}, as published", latencies=latencies)


def results_of(
    table: pd.DataFrame,
    comparison: Comparison,
    *,
    name: str,
    curves: Mapping[str, Sequence[Measurement]] | None = None,
    latencies: Mapping[str, Mapping[str, float]] | None = None,
) -> SweepResults:
    """The same of a results table; latencies are milliseconds of an image by place and point.

    Those of the place that has most points are kept: figures of two devices are never mixed.
    """
    places = latencies or {}
    place = min(places, key=lambda each: (-len(places[each]), each)) if places else ""
    settings = add_frontiers(by_setting(table))
    measured = places[place] if place else {}
    # the seeds of a setting are one network
    milliseconds = [next((measured[p] for p in points if p in measured), math.nan) for points in settings["points"]]
    return SweepResults(
        name=name,
        points=table,
        settings=settings.assign(latency_ms=np.array(milliseconds, dtype=float)),
        curves=curves or {},
        latency=place,
        comparison=comparison,
    )


def _place(latency: Latency) -> str:
    return f"{latency.device}, {counted(latency.num_threads, 'thread')}, {latency.runtime}"
