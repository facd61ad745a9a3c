"""The report of a running sweep, rewritten from time to time by a separate process."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:  # the process that writes imports this module, and needs no PyTorch
    from analysis.report.report import Report
    from sweep.plan.points import PlannedPoint
    from trainers.trial import Measurement

SECONDS_BETWEEN = 60.0
"""Least seconds from the end of a point to the next report, and between two reports."""
SHARE = 0.05
"""Most share of the time spent on reports; reports of large sweeps take longer and are written less often."""
NICENESS = 10
"""Niceness of the process that writes, so that training goes first."""


T = TypeVar("T")


class LiveReport(Generic[T]):
    """A listener that has a report written after points end. Use as a context; no report is written after its exit."""

    def __init__(self, write: Callable[[], T], written: Callable[[T], None]) -> None:
        """Prepare to report on a sweep.

        Args:
            write: writes a report; called in a separate process.
            written: receives each report; called in a thread.
        """
        self._write, self._written = write, written
        self._stale, self._over = threading.Event(), threading.Event()
        self._writer: BaseProcess | None = None
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

    def started(self, point: "PlannedPoint") -> None:
        """Change nothing: no point has ended."""

    def lost(self, point: "PlannedPoint", reason: str) -> None:
        """Change nothing: no point has ended."""

    def measured(self, measurement: "Measurement") -> None:
        """Change nothing: no point has ended."""

    def ended(self, row: Mapping[str, Any]) -> None:
        """Request a new report."""
        self._stale.set()

    def _write_until_over(self) -> None:
        pause = SECONDS_BETWEEN
        while self._stale.wait() and not self._over.wait(pause):  # __exit__ wakes it, and no report begins then
            self._stale.clear()
            begin = time.monotonic()
            report = self._report()
            if report is not None and not self._over.is_set():
                self._written(report)
            pause = max(SECONDS_BETWEEN, (time.monotonic() - begin) / SHARE)

    def _report(self) -> T | None:
        """Write the report in a new process; return None if the process fails or is terminated."""
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        writer = context.Process(target=_write_and_send, args=(sender, self._write), daemon=True)
        try:
            writer.start()
        except OSError:  # the report at the end of the sweep is written in any case
            return None
        self._writer = writer
        sender.close()
        if self._over.is_set():  # __exit__ may have missed the new process
            writer.terminate()
        try:
            return receiver.recv()
        except EOFError:
            return None
        finally:
            writer.join()
            receiver.close()


def write_live_report(folder: Path, published: str | None) -> "Report":
    """Write the report of the sweep in `folder`, see `write_report`, at a low priority."""
    from analysis.report.report import write_report

    os.nice(NICENESS)
    return write_report(folder, published=published)


def _write_and_send(sender: Connection, write: Callable[[], Any]) -> None:
    with open(os.devnull, "w") as nowhere:  # the report at the end of the sweep prints its errors
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sender.send(write())
