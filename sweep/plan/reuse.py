"""Points that another sweep below the same folder has trained: found by id, taken over with rows and checkpoints."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from analysis.results.read import ResultsLog, latest_rows, load_measurements
from analysis.results.schema import COLUMNS, RESULTS
from sweep.plan.plan import PlannedPoint
from trainers.config import as_row
from trainers.errors import ConfigError


def find_trained(points: Iterable[PlannedPoint] | None, runs: Path, folder: Path) -> dict[str, Path]:
    """Those of `points` that a sweep in `runs`, other than the one in `folder`, holds COMPLETE: id to its folder.

    None stands for all there are.
    """
    wanted = None if points is None else {point.id for point in points}
    found: dict[str, Path] = {}
    for log in sorted(runs.glob(f"*/{RESULTS}")) if wanted is None or wanted else ():
        if log.parent.resolve() == folder.resolve():
            continue
        try:
            rows = latest_rows(log.parent)
        except ConfigError:  # damaged, which is not this sweep's concern
            continue
        for id_ in rows.keys() if wanted is None else wanted & rows.keys():
            if rows[id_]["state"] == "COMPLETE" and (log.parent / "points" / id_ / "best.pt").is_file():
                found[id_] = log.parent
    return found


def take_over(found: Mapping[str, Path], points: Iterable[PlannedPoint], log: ResultsLog) -> None:
    """Link each found point's checkpoints into its folder, then log its measurements and its row.

    The checkpoints are the same files under two names and take no more room; where the file system has no links they
    are copied.
    """
    sources = {source: (latest_rows(source), load_measurements(source)) for source in set(found.values())}
    for point in (point for point in points if point.id in found):
        source = found[point.id]
        rows_there, measurements = sources[source]
        link_checkpoints(source, point)
        for measurement in measurements.get(point.id, []):
            log.append_measurement(measurement)
        then = rows_there[point.id]
        row = {name: then.get(name) for name in COLUMNS} | as_row(point.config)
        row["reused_from"] = then.get("reused_from") or source.name
        log.append_result(row)


def link_checkpoints(source: Path, point: PlannedPoint) -> None:
    """Put what the sweep in the folder `source` keeps of `point` into its own folder."""
    point.point.folder.mkdir(parents=True, exist_ok=True)
    for checkpoint in (source / "points" / point.id).glob("[!.]*.pt"):  # what begins with a dot is unfinished
        _link(checkpoint, point.point.folder / checkpoint.name)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
