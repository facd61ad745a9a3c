"""Readers of a sweep's logs, which the driver of the sweep alone writes. Knows no Ray."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.results.json_lines import is_cut_off, read_rows
from analysis.results.schema import (
    ASSESSED,
    ASSESSMENTS,
    COLUMNS,
    LATENCIES,
    MEASURED,
    MEASUREMENTS,
    RESULTS,
    ROW,
    SETTINGS,
    TIMED,
)
from trainers.assessment import Assessment
from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError
from trainers.trial import Measurement
from trainers.values import parse_field

POINTS = "points"
"""Subfolder of a sweep with a folder of checkpoints for each point."""
CHECKPOINT_GONE = "its checkpoint is gone; the sweep's command trains it again"


def load_table(folder: Path) -> pd.DataFrame:
    """Return the results table of the sweep in `folder`: a row per ended point, in the order in which points ended.

    A COMPLETE point whose checkpoint is gone counts as FAILED, as its network cannot be shipped. In a folder without
    any checkpoints, such as a copy of the logs alone, the rows stay as they are.

    Raises:
        ConfigError: there is no results log in `folder`, or it is damaged.
    """
    path = folder / RESULTS
    if not path.is_file():
        sweeps = sorted(str(log.parent) for root in (folder, folder.parent) for log in root.glob(f"*/{RESULTS}"))
        close = get_close_matches(str(folder), sweeps, n=1) or sweeps[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "give the folder of a run, such as runs/NAME"
        raise ConfigError(f"no sweep at {folder}: {path} does not exist; {hint}")
    rows = latest_rows(folder)
    if (folder / POINTS).is_dir():
        rows |= {
            id_: row | {"state": "FAILED", "reason": CHECKPOINT_GONE}
            for id_, row in rows.items()
            if row["state"] == "COMPLETE" and not has_checkpoint(folder, id_)
        }
    return pd.DataFrame(list(rows.values()), columns=list(COLUMNS))


def has_checkpoint(folder: Path, point: str) -> bool:
    """Whether the sweep in `folder` holds the checkpoint that a complete point ships."""
    return (folder / POINTS / point / "best.pt").is_file()


def latest_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last row of each ended point in `folder`, by point; none where there is no log.

    Raises:
        ConfigError: a row is damaged; the message names the file, the line and the column.
    """
    return {row["point"]: row for row in read_rows(folder / RESULTS, ROW, _complete_has_top1)}


def _complete_has_top1(row: Mapping[str, Any]) -> str:
    return "column top1 is missing" if row["state"] == "COMPLETE" and row.get("top1") is None else ""


def config_of_row(row: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a row; settings that a later version added keep their defaults."""
    values = {name: row[name] for name in SETTINGS if row.get(name) is not None}
    return TrainConfig(**{name: parse_field(TrainConfig, name, str(value)) for name, value in values.items()})


def load_measurements(folder: Path) -> dict[str, list[Measurement]]:
    """Return the measurements of every point in `folder` by epoch; an epoch trained twice counts once.

    Raises:
        ConfigError: a row is damaged; the message names the file, the line and the column.
    """
    epochs: dict[str, dict[int, Measurement]] = {}
    names = field_names(Measurement)
    for row in read_rows(folder / MEASUREMENTS, MEASURED):
        measurement = Measurement(**{name: row[name] for name in names if name in row})
        epochs.setdefault(measurement.point, {})[measurement.epoch] = measurement
    return {point: [by_epoch[e] for e in sorted(by_epoch)] for point, by_epoch in epochs.items()}


def load_assessments(folder: Path) -> list[Assessment]:
    """Return the assessments of the points of a sweep, the latest last; rows of LATENCIES come first.

    Raises:
        ConfigError: a row is damaged; the message names the file, the line and the column.
    """
    names = field_names(Assessment)
    old = [assessment for row in read_rows(folder / LATENCIES, TIMED) for assessment in _of_latency(row)]
    rows = read_rows(folder / ASSESSMENTS, ASSESSED)
    return [*old, *(Assessment(**{name: row[name] for name in names}) for row in rows)]


def _of_latency(row: Mapping[str, Any]) -> list[Assessment]:
    """Return the two assessments of a row of LATENCIES; the last word of its device is the arithmetic."""
    device, _, treatment = row["device"].rpartition(" ")
    shared = {name: row[name] for name in ("point", "runtime", "num_threads", "batch_size", "num_repeats")}
    figures = {"latency_ms": row["median_ms"], "latency_p90_ms": row["p90_ms"]}
    return [
        Assessment(**shared, device=device, treatment=treatment, metric=metric, value=value)
        for metric, value in figures.items()
    ]


def cut_off_notes(folder: Path) -> list[str]:
    """Return a note for each log in `folder` with an unfinished last row, which readers leave out."""
    paths = [path for path in (folder / RESULTS, folder / MEASUREMENTS) if is_cut_off(path)]
    return [f"note: the last line of {path} was cut off and is left out" for path in paths]
