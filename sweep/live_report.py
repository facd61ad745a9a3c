"""The report of a sweep while it runs: written anew every now and then by a process of its own."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sweep.plan import PlannedPoint
from trainers.measurement import Measurement

SECONDS_BETWEEN = 60.0
"""From the start of one report to that of the next, at least."""
SHARE = 0.05
"""Of the time that may go into reports: those of large sweeps take longer and come less often."""


class LiveReport:
    """A listener that has a report written. Use as a context: none is being written after it."""

    def __init__(self, command: Sequence[str], written: Callable[[], None]) -> None:
        """`command` writes the report; `written` is told each time that it has."""
        self._command = list(command)
        self._written = written
        self._writer: subprocess.Popen[bytes] | None = None
        self._begun = time.monotonic()
        self._pause = SECONDS_BETWEEN

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.terminate()
            self._writer.wait()

    def started(self, point: PlannedPoint) -> None:
        """Nothing has ended by that."""

    def lost(self, point: PlannedPoint, reason: str) -> None:
        """Nothing has ended by that."""

    def measured(self, measurement: Measurement) -> None:
        """Notice that a report is done."""
        self._look()

    def ended(self, row: Mapping[str, Any]) -> None:
        """Have a report written if the last one is old enough."""
        self._look()
        if self._writer is None and time.monotonic() - self._begun >= self._pause:
            self._begun = time.monotonic()
            nothing = subprocess.DEVNULL
            self._writer = subprocess.Popen(["nice", "-n", "10", *self._command], stdout=nothing, stderr=nothing)

    def _look(self) -> None:
        if self._writer is None or self._writer.poll() is None:
            return
        self._pause = max(SECONDS_BETWEEN, (time.monotonic() - self._begun) / SHARE)
        if self._writer.returncode == 0:
            self._written()
        self._writer = None
