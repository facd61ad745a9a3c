"""The writer of a sweep's logs. Only the driver appends rows, and it does so durably."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from analysis.results.schema import COLUMNS, MEASUREMENTS, RESULTS
from trainers.files import replacing
from trainers.trial import Measurement


class ResultsLog:
    """Appends rows to the two logs of a sweep, after cutting off a last line that a killed writer left unfinished.

    A thread syncs the rows of ended points to disk, as file systems may take seconds to do so. A row lost in a power
    failure is written again in the next start: the point's checkpoint holds all its epochs.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._results = open_for_append(folder / RESULTS)
        self._measurements = open_for_append(folder / MEASUREMENTS)
        self._thread = ThreadPoolExecutor(1)
        self._written: list[Future[None]] = []

    def append_result(self, row: Mapping[str, Any]) -> None:
        """Append the row of an ended point, which has all of COLUMNS. It is on disk at the latest after `close`.

        Raises:
            OSError: an earlier row could not be written, or the folder was deleted.
        """
        assert tuple(row) == COLUMNS, f"columns differ: {set(row) ^ set(COLUMNS)}"
        while self._written and self._written[0].done():
            self._written.pop(0).result()
        self._written.append(self._thread.submit(self._write, dict(row)))
        self._check_in_place()

    def _write(self, row: Mapping[str, Any]) -> None:
        os.fsync(self._measurements.fileno())  # first, so that no row is ever without its measurements
        append(self._results, row)
        os.fsync(self._results.fileno())

    def append_measurement(self, measurement: Measurement) -> None:
        """Append the measurement of one epoch. It is not synced to disk, as the checkpoint holds it too.

        Raises:
            OSError: the folder was deleted.
        """
        append(self._measurements, asdict(measurement))
        self._check_in_place()

    def _check_in_place(self) -> None:
        """Raise an OSError unless the open files are the files in the folder; write lost logs again."""
        files = {RESULTS: self._results, MEASUREMENTS: self._measurements}
        if all(_is_at(file, self._folder / name) for name, file in files.items()):
            return
        self._thread.shutdown()
        if any(path.is_file() and path.stat().st_size for path in map(self._folder.joinpath, files)):
            raise OSError(f"{self._folder} was deleted during the sweep, and another sweep has begun there since")
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            file.seek(0)  # a deleted file is kept as long as it is open
            with replacing(self._folder / name) as partial:
                partial.write_bytes(file.read())
        raise OSError(
            f"{self._folder} was deleted or moved away during the sweep; its logs were written again, its checkpoints "
            "are lost"
        )

    def close(self) -> None:
        """Sync everything to disk and close both files.

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


def open_for_append(path: Path) -> BinaryIO:
    """Open a file to append to, creating it if need be; cut off a last line that a killed writer left unfinished."""
    file = open(path, "a+b")  # noqa: SIM115 - the caller closes it
    file.truncate(path.read_bytes().rfind(b"\n") + 1)
    return file


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether `path` leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def append(file: BinaryIO, row: Mapping[str, Any]) -> None:
    """Write a row and flush it, so that every reader sees it."""
    file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
    file.flush()
