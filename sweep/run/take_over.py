"""Takes over results of other sweeps: logs their rows and links their checkpoints."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.results.read import latest_rows, load_measurements
from analysis.results.schema import COLUMNS
from sweep.plan.points import PlannedPoint
from sweep.run.log import ResultsLog
from trainers.config import as_row
from trainers.trial import Measurement, Point


@dataclass(frozen=True)
class Taken:
    """The rows and measurements of points that were taken over, by point id."""

    rows: Mapping[str, dict[str, Any]]
    history: Mapping[str, list[Measurement]]


def take_over(elsewhere: Mapping[str, Path], points: Iterable[PlannedPoint], log: ResultsLog) -> Taken:
    """Take over the points that other sweeps have trained; `elsewhere` maps the id of a point to that sweep's folder.

    Checkpoints are hard links and take no extra disk; they are copied where the file system has no links. A point's
    checkpoints are linked before its row is logged.
    """
    sources = {source: (latest_rows(source), load_measurements(source)) for source in set(elsewhere.values())}
    rows: dict[str, dict[str, Any]] = {}
    history: dict[str, list[Measurement]] = {}
    for point in points:
        if point.id not in elsewhere:
            continue
        source = elsewhere[point.id]
        rows_there, measurements = sources[source]
        link_checkpoints(source, point.point)
        history[point.id] = measurements.get(point.id, [])
        for measurement in history[point.id]:
            log.append_measurement(measurement)
        row_there = rows_there[point.id]
        row = {name: row_there.get(name) for name in COLUMNS} | as_row(point.config)
        row["reused_from"] = row_there.get("reused_from") or source.name
        rows[point.id] = row
        log.append_result(row)
    return Taken(rows, history)


def link_checkpoints(source: Path, point: Point) -> None:
    """Link the checkpoints of `point` in the sweep `source` into the folder of `point`."""
    point.folder.mkdir(parents=True, exist_ok=True)
    for checkpoint in (source / "points" / point.id).glob("[!.]*.pt"):  # a name that begins with a dot is unfinished
        _link(checkpoint, point.folder / checkpoint.name)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
