"""Points that another sweep in the runs folder has trained, found by id and settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.results.read import has_checkpoint, latest_rows
from analysis.results.schema import RESULTS
from analysis.results.settings import SAME
from sweep.plan.points import PlannedPoint
from trainers.config import as_row
from trainers.errors import ConfigError

DECISIVE = (*SAME, "seed")
"""The columns that decide the result of a point, apart from its images."""


def find_trained(points: Mapping[str, PlannedPoint], runs: Path, folder: Path) -> dict[str, Path]:
    """Return, by point id, the folder of another sweep in `runs` that has completed a point of `points`.

    `folder` is the folder of this sweep, which is skipped. Two settings may have one id, as ids are short, so the
    settings of the row are compared too.
    """
    if not points:
        return {}
    trained = find_all_trained(runs, folder)
    return {id_: source for id_, (source, row) in trained.items() if id_ in points and is_result_of(row, points[id_])}


def find_all_trained(runs: Path, folder: Path) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """Return, by point id, the folder and the row of every point that a sweep in `runs` but `folder` has completed."""
    trained: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for log in sorted(runs.glob(f"*/{RESULTS}")):
        if log.parent.resolve() == folder.resolve():
            continue
        try:
            rows = latest_rows(log.parent)
        except ConfigError:  # a damaged log is no concern of this sweep
            continue
        for id_, row in rows.items():
            if row["state"] == "COMPLETE" and has_checkpoint(log.parent, id_):
                trained[id_] = log.parent, row
    return trained


def is_result_of(row: Mapping[str, Any], point: PlannedPoint) -> bool:
    """Whether `row` has the settings of `point`; settings that an old row lacks are not compared."""
    settings = as_row(point.config)
    known = [name for name in DECISIVE if row.get(name) is not None]
    return all(row[name] == settings[name] for name in known) and row.get("fingerprint") in (
        None, point.dataset.fingerprint,
    )  # fmt: skip
