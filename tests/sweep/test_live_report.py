"""The report of a running sweep is written by real processes, one at a time, now and then, and none outlives it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep import live_report
from sweep.live_report import LiveReport
from sweep.plan import PlannedPoint
from tests.sweep.conftest import measurement, quick_plan


@pytest.fixture
def point(tmp_path: Path) -> PlannedPoint:
    return quick_plan(tmp_path, 1).points[0]


def wait_until(holds: Callable[[], bool]) -> None:
    over = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < over
        time.sleep(0.02)


def test_a_report_is_written_when_a_point_has_ended_and_told_when_it_is_done(
    tmp_path: Path, point: PlannedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    written, log = list[str](), tmp_path / "log"
    command = [sys.executable, "-c", f"open({str(log)!r}, 'a').write('begun ')"]

    with LiveReport(command, lambda: written.append(log.read_text())) as live:
        live.measured(measurement(point, 1))
        assert not log.exists()
        live.ended({})
        live.ended({})  # while it is written no other one is
        wait_until(lambda: bool((live.measured(measurement(point, 2)), written)[1]))

    assert written == ["begun "]


def test_a_report_that_fails_is_not_told(tmp_path: Path, point: PlannedPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", f"open({str(begun)!r}, 'a').write('.'); raise SystemExit(1)"]

    with LiveReport(command, lambda: pytest.fail("told")) as live:
        live.ended({})
        wait_until(begun.exists)
        time.sleep(0.3)
        live.measured(measurement(point, 1))


def test_few_reports_are_written_and_none_outlives_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    command = [sys.executable, "-c", f"open({str(begun)!r}, 'w'); import time; time.sleep(5); open({str(done)!r}, 'w')"]
    with LiveReport(command, lambda: None) as live:
        live.ended({})
    assert not begun.exists()  # the first minute is not over

    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    with LiveReport(command, lambda: None) as live:
        live.ended({})
        wait_until(begun.exists)

    assert live._writer is not None
    assert live._writer.returncode is not None
    assert not done.exists()
