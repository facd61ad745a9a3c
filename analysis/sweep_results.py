"""All that a report is made of: a sweep's points, settings and learning curves, and the published figures beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparison import Comparison, compare
from analysis.frontier import add_frontiers
from analysis.replicates import by_setting
from sweep.results import load_latencies, load_measurements, load_table
from trainers.measurement import Latency, Measurement


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
    """The sweep in `folder`, beside the figures of the source `published`; unset: as fits its dataset.

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, or there is no such source.
    """
    table = load_table(folder)
    comparison = compare(table, published)
    return results_of(
        table,
        comparison,
        name=folder.resolve().name,
        curves=load_measurements(folder),
        latencies=load_latencies(folder),
    )


def results_of(
    table: pd.DataFrame,
    comparison: Comparison,
    *,
    name: str,
    curves: Mapping[str, Sequence[Measurement]] | None = None,
    latencies: Mapping[str, Sequence[Latency]] | None = None,
) -> SweepResults:
    """The same of a results table; latencies are those of single images, on the device that measured most points."""
    places = {
        point: {_place(latency): latency.median_ms for latency in found if latency.batch_size == 1}
        for point, found in (latencies or {}).items()
    }
    counts = Counter(place for found in places.values() for place in found)
    place = min(counts, key=lambda each: (-counts[each], each)) if counts else ""
    settings = add_frontiers(by_setting(table))
    milliseconds = [places.get(point, {}).get(place, np.nan) for point in settings["point"]]
    return SweepResults(
        name=name,
        points=table,
        settings=settings.assign(latency_ms=np.array(milliseconds, dtype=float)),
        curves=curves or {},
        latency=place,
        comparison=comparison,
    )


def _place(latency: Latency) -> str:
    threads = f"{latency.num_threads} thread{'s' if latency.num_threads != 1 else ''}"
    return f"{latency.device}, {threads}, {latency.runtime}"
