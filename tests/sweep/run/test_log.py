"""The writer of the results log: rows of ended points are put on disk by a thread, and none is forgotten."""

import threading
from pathlib import Path

import pytest

from analysis.results.read import latest_rows
from sweep.run import log as log_module
from sweep.run.log import ResultsLog
from tests.sweep.conftest import open_recorder, quick_plan


def test_a_row_that_could_not_be_written_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two rows meets a full disk; the second does not, and must not hide it."""
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


def test_who_writes_rows_does_not_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a row to wait for it, this would never end."""
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
