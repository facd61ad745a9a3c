"""Readers of a sweep's logs, and their writer, which the driver of the sweep alone uses. Knows no Ray."""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.results.json_lines import append, is_cut_off, open_for_append, read_rows
from analysis.results.schema import COLUMNS, LATENCIES, MEASURED, MEASUREMENTS, RESULTS, ROW, SETTINGS, TIMED
from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError
from trainers.trial import Latency, Measurement
from trainers.values import parse_field


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
    latencies: dict[str, list[Latency]] = {}
    for row in read_rows(sweep / LATENCIES, TIMED):
        latency = Latency(**{name: row[name] for name in field_names(Latency)})
        latencies.setdefault(row["point"], []).append(latency)
    return latencies


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
