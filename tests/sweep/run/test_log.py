"""A thread of the results log syncs rows of ended points to disk, and reports every row that it could not write."""

import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest

from analysis.results.read import latest_rows, load_measurements
from sweep.run import log as log_module
from sweep.run.log import ResultsLog
from tests.sweep.conftest import measurement, open_recorder, quick_plan


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


@pytest.mark.parametrize("is_back", [False, True])
def test_a_deleted_folder_is_noticed_at_the_next_row_and_its_logs_are_written_again(
    tmp_path: Path, is_back: bool
) -> None:
    plan = quick_plan(tmp_path, 2)
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log)
    first, second = plan.points
    recorder.measured(measurement(first, 1))
    recorder.failed(first.id, "as a test")
    shutil.rmtree(plan.folder)
    if is_back:
        ResultsLog(plan.folder).close()

    with pytest.raises(OSError, match="was deleted or moved away during the sweep; its logs were written again"):
        recorder.measured(measurement(second, 1))
    log.close()

    assert set(latest_rows(plan.folder)) == {first.id}
    assert {point: len(epochs) for point, epochs in load_measurements(plan.folder).items()} == {
        first.id: 1,
        second.id: 1,
    }


def test_rows_of_another_sweep_in_a_deleted_folder_are_not_overwritten(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 2)
    first, second = plan.points
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log)
    recorder.measured(measurement(first, 1))
    shutil.rmtree(plan.folder)
    with closing(ResultsLog(plan.folder)) as other:
        other.append_measurement(measurement(second, 2))
    before = (plan.folder / "measurements.jsonl").read_bytes()

    with pytest.raises(OSError, match="was deleted during the sweep, and another sweep has begun there since"):
        recorder.measured(measurement(first, 2))
    log.close()

    assert (plan.folder / "measurements.jsonl").read_bytes() == before


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
