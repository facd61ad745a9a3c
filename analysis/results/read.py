"""The results log: two append-only files of JSON lines that the driver alone writes and everybody reads. Knows no Ray.

`results.jsonl` has one row per ended point, `measurements.jsonl` one per point and epoch. A point that ended more than
once (failed, then run again) counts with its last row. Both are read by pandas in one call:
`pandas.read_json("runs/NAME/results.jsonl", lines=True)`.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from analysis.results.json_lines import (
    COUNT,
    KINDS,
    NAME,
    NUMBER,
    PERCENT,
    POSITIVE,
    POSITIVE_COUNT,
    TEXT,
    TIME,
    Column,
    Kind,
    append,
    columns_of,
    is_cut_off,
    one_of,
    open_for_append,
    read_rows,
)
from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError
from trainers.trial import Latency, Measurement
from trainers.values import parse_field, row_type

RESULTS = "results.jsonl"
MEASUREMENTS = "measurements.jsonl"
LATENCIES = "latency.jsonl"
"""In a sweep's folder: a row for each point, device and number of threads that was asked for."""
State = Literal["COMPLETE", "PRUNED", "FAILED"]

SETTINGS = tuple(field_names(TrainConfig))
"""The columns that say what was trained."""
SAME = tuple(name for name in SETTINGS if name not in ("seed", "data"))
"""What the points of one setting share, beside their images and their costs; where the images lie decides nothing."""
OUTCOMES = (
    "top1",
    "top5",
    "val_loss",
    "best_epoch",
    "raw_top1",
    "final_top1",
    "final_top5",
    "final_val_loss",
    "final_train_loss",
    "test_top1",
    "test_top5",
    "test_loss",
    "epochs_trained",
    "train_seconds",
    "images_per_second",
    "device",
    "parts",
)
COLUMNS = (
    "point",
    "state",
    "reason",
    "restarts",
    *SETTINGS,
    "dataset",
    "fingerprint",
    "macs",
    "num_params",
    "activations",
    *OUTCOMES,
    "reused_from",
    "ended_at",
)
"""The columns of the results table, in order."""
NEEDED = ("point", "state", "model", "width_mult", "resolution", "dataset", "macs", "num_params")
"""The columns that no row lacks, of whichever version; an earlier one may lack others."""
TEXTS = ("reason", "dataset", "fingerprint", "device", "reused_from")
COUNTS = ("restarts", "best_epoch", "epochs_trained", "parts")


def _kind(column: str) -> Kind:
    """What a column of the results table may hold."""
    if column in ("macs", "num_params", "activations", "resolution"):
        return POSITIVE_COUNT
    if column == "width_mult":
        return POSITIVE
    if column.endswith("_at"):
        return TIME
    if column in SETTINGS:
        return KINDS[row_type(TrainConfig, column)]
    if "top" in column:
        return PERCENT
    return TEXT if column in TEXTS else COUNT if column in COUNTS else NUMBER


def _measured(column: Column) -> Column:
    """A field of Measurement, with what its type does not say."""
    kinds = {"point": NAME, "measured_at": TIME}
    return replace(column, kind=PERCENT if "top" in column.name else kinds.get(column.name, column.kind))


ROW = [
    Column("point", NAME, needed=True),
    Column("state", one_of(get_args(State)), needed=True),
    *(Column(name, _kind(name), needed=name in NEEDED) for name in COLUMNS[2:]),
]
MEASURED = [_measured(column) for column in columns_of(Measurement)]


def outcome(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The OUTCOMES of a point from its measurements in the order of epochs; None where nothing was measured.

    `top1`, `top5` and `val_loss` belong to the best epoch (the first of the highest top-1), whose checkpoint is the
    one to ship; `final_*` to the last.
    """
    if not measurements:
        return dict.fromkeys(OUTCOMES) | {"epochs_trained": 0}
    best = max(measurements, key=lambda m: m.top1)  # the first of the maxima
    last = measurements[-1]
    return {
        "top1": best.top1,
        "top5": best.top5,
        "val_loss": best.val_loss,
        "best_epoch": best.epoch,
        "raw_top1": best.raw_top1,
        "final_top1": last.top1,
        "final_top5": last.top5,
        "final_val_loss": last.val_loss,
        "final_train_loss": last.train_loss,
        "test_top1": last.test_top1,
        "test_top5": last.test_top5,
        "test_loss": last.test_loss,
        "epochs_trained": last.epoch,
        "train_seconds": last.train_seconds,
        "images_per_second": sum(m.images_per_second for m in measurements) / len(measurements),
        "device": last.device,
        "parts": last.parts,
    }


def load_table(folder: Path) -> pd.DataFrame:
    """The sweep in `folder` as a table: one row per ended point, COLUMNS in order, the order in which points ended.

    Raises:
        ConfigError: there is no results log in `folder`, or it is damaged.
    """
    path = folder / RESULTS
    if not path.is_file():
        sweeps = sorted(str(log.parent) for root in (folder, folder.parent) for log in root.glob(f"*/{RESULTS}"))
        close = get_close_matches(str(folder), sweeps, n=1) or sweeps[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "give the folder of a run, such as runs/NAME"
        raise ConfigError(f"no sweep at {folder}: {path} does not exist; {hint}")
    return pd.DataFrame(list(latest_rows(folder).values()), columns=list(COLUMNS))


def latest_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The row of each ended point in `folder`; none where there is no log.

    Raises:
        ConfigError: a row is damaged; the message names the file, the line and the column.
    """
    return {row["point"]: row for row in read_rows(folder / RESULTS, ROW, _complete_has_top1)}


def _complete_has_top1(row: Mapping[str, Any]) -> str:
    return "column top1 is missing" if row["state"] == "COMPLETE" and row.get("top1") is None else ""


def config_of_row(row: Mapping[str, Any]) -> TrainConfig:
    """The settings of a row, which a later version may have added to."""
    values = {name: row[name] for name in SETTINGS if row.get(name) is not None}
    return TrainConfig(**{name: parse_field(TrainConfig, name, str(value)) for name, value in values.items()})


def load_measurements(folder: Path) -> dict[str, list[Measurement]]:
    """The measurements of every point in `folder`, in the order of epochs; an epoch trained twice counts once.

    Raises:
        ConfigError: a row is damaged; the message names the file, the line and the column.
    """
    epochs: dict[str, dict[int, Measurement]] = {}
    names = field_names(Measurement)
    for row in read_rows(folder / MEASUREMENTS, MEASURED):
        measurement = Measurement(**{name: row[name] for name in names if name in row})
        epochs.setdefault(measurement.point, {})[measurement.epoch] = measurement
    return {point: [by_epoch[e] for e in sorted(by_epoch)] for point, by_epoch in epochs.items()}


def load_latencies(sweep: Path) -> dict[str, list[Latency]]:
    """The latencies that are kept of each point of a sweep, the latest last.

    Raises:
        ConfigError: what was kept is damaged.
    """
    found: dict[str, list[Latency]] = {}
    columns = [replace(c, kind=POSITIVE) if c.name.endswith("_ms") else c for c in columns_of(Latency)]
    for row in read_rows(sweep / LATENCIES, [Column("point", NAME, needed=True), *columns]):
        found.setdefault(row["point"], []).append(Latency(**{name: row[name] for name in field_names(Latency)}))
    return found


def cut_off_notes(folder: Path) -> list[str]:
    """A line for each log in `folder` whose last row a killed writer left unfinished, which readers leave out."""
    paths = [path for path in (folder / RESULTS, folder / MEASUREMENTS) if is_cut_off(path)]
    return [f"note: the last line of {path} was cut off and is left out" for path in paths]


class ResultsLog:
    """Appends rows; opening it first cuts off a last line that a killed writer left unfinished.

    A thread puts the rows of ended points on disk, as file systems may take seconds for it. A row that a power failure
    takes is written again: the point's checkpoint tells all its epochs.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._results = open_for_append(folder / RESULTS)
        self._measurements = open_for_append(folder / MEASUREMENTS)
        self._thread = ThreadPoolExecutor(1)
        self._written: list[Future[None]] = []

    def append_result(self, row: Mapping[str, Any]) -> None:
        """Append the row of an ended point, which has every one of COLUMNS, soon: on disk once the log is closed.

        Raises:
            OSError: an earlier row could not be written.
        """
        assert tuple(row) == COLUMNS, f"columns differ: {set(row) ^ set(COLUMNS)}"
        while self._written and self._written[0].done():
            self._written.pop(0).result()
        self._written.append(self._thread.submit(self._write, dict(row)))

    def _write(self, row: Mapping[str, Any]) -> None:
        os.fsync(self._measurements.fileno())  # a row that is there has its measurements
        append(self._results, row)
        os.fsync(self._results.fileno())

    def append_measurement(self, measurement: Measurement) -> None:
        """Append the measurement of one epoch; the checkpoint holds it too, so it need not be on disk yet."""
        append(self._measurements, asdict(measurement))

    def close(self) -> None:
        """Put everything on disk and close both files.

        Raises:
            OSError: a row could not be written.
        """
        self._thread.shutdown()
        try:
            self._results.close()
        finally:
            self._measurements.close()
        for written in self._written:
            written.result()
