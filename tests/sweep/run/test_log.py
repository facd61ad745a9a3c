"""A thread of the results log syncs rows of ended points to disk, and reports every row that it could not write."""

import threading
from pathlib import Path

import pytest

from analysis.results.read import latest_rows
from sweep.run import log as log_module
from sweep.run.log import ResultsLog
from tests.sweep.conftest import open_recorder, quick_plan


def test_a_failed_write_is_an_error_although_later_writes_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for the first of two rows; the success of the second row must not hide this."""
    plan = quick_plan(tmp_path, 2)
    failures = [OSError(28, "No space left on device")]

    def fsync(number: int) -> None:
        if failures:
            raise failures.pop()

    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log)
    monkeypatch.setattr(log_module.os, "fsync", fsync)

    def end_all() -> None:
        for point in plan.points:
            recorder.failed(point.id, "as a test")
        log.close()

    with pytest.raises(OSError, match="No space left"):
        end_all()


def test_appending_a_row_does_not_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test would never end if appending waited for the disk."""
    plan = quick_plan(tmp_path, 2)
    disk = threading.Event()
    monkeypatch.setattr(log_module.os, "fsync", lambda number: disk.wait())
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log)

    for point in plan.points:
        recorder.started(point.id)
        recorder.failed(point.id, "as a test")

    disk.set()
    log.close()
    assert latest_rows(plan.folder).keys() == {point.id for point in plan.points}
