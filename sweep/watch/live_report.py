"""The report of a sweep while it runs: written anew every now and then by a process of its own."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sweep.plan.plan import PlannedPoint
from trainers.trial import Measurement

SECONDS_BETWEEN = 60.0
"""From the end of a point to a report that has it, and between two reports, at least."""
SHARE = 0.05
"""Of the time that may go into reports: those of large sweeps take longer and come less often."""


class LiveReport:
    """A listener that has a report written once points have ended. Use as a context: none is being written after it."""

    def __init__(self, command: Sequence[str], written: Callable[[], None]) -> None:
        """`command` writes the report; `written` is told, by a thread, each time that it has."""
        self._command = ["nice", "-n", "10", *command]
        self._written = written
        self._stale, self._over = threading.Event(), threading.Event()
        self._writer: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._write_until_over, name="live-report", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._stale.set()
        if self._writer is not None:
            self._writer.terminate()
        self._thread.join()

    def started(self, point: PlannedPoint) -> None:
        """Nothing has ended by that."""

    def lost(self, point: PlannedPoint, reason: str) -> None:
        """Nothing has ended by that."""

    def measured(self, measurement: Measurement) -> None:
        """Nothing has ended by that."""

    def ended(self, row: Mapping[str, Any]) -> None:
        """Have a report written soon."""
        self._stale.set()

    def _write_until_over(self) -> None:
        pause = SECONDS_BETWEEN
        while self._stale.wait() and not self._over.wait(pause):  # the last point of a sweep begins none
            self._stale.clear()
            begun = time.monotonic()
            try:
                self._writer = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except OSError:  # there is one at the end
                return
            if self._over.is_set():  # it may have been set while the process began
                self._writer.terminate()
            succeeded = self._writer.wait() == 0
            if succeeded and not self._over.is_set():
                self._written()
            pause = max(SECONDS_BETWEEN, (time.monotonic() - begun) / SHARE)
