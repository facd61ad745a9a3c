"""The report of a running sweep is written by real processes, one at a time, now and then, and none outlives it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.plan.plan import PlannedPoint
from sweep.watch import live_report
from sweep.watch.live_report import LiveReport
from tests.sweep.conftest import measurement, quick_plan


@pytest.fixture
def point(tmp_path: Path) -> PlannedPoint:
    return quick_plan(tmp_path, 1).points[0]


def wait_until(holds: Callable[[], bool]) -> None:
    over = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < over
        time.sleep(0.02)


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_report_is_written_after_points_have_ended_and_told_when_it_is_done(
    tmp_path: Path, point: PlannedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(live_report, "SHARE", 1e9)
    log, told = tmp_path / "log", list[str]()

    with LiveReport(command(f"open({str(log)!r}, 'a').write('report ')"), lambda: told.append(log.read_text())) as live:
        live.started(point)
        live.measured(measurement(point, 1))
        time.sleep(0.2)
        assert not log.exists()
        for number in (1, 2):
            live.ended({})
            wait_until(lambda number=number: len(told) == number)

    assert told == ["report ", "report report "]


def test_what_ends_while_a_report_is_written_is_in_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(live_report, "SHARE", 1e9)
    begun, told = tmp_path / "begun", list[int]()

    with LiveReport(
        command(f"open({str(begun)!r}, 'w'); import time; time.sleep(0.5)"), lambda: told.append(1)
    ) as live:
        live.ended({})
        wait_until(begun.exists)
        live.ended({})
        live.ended({})
        wait_until(lambda: len(told) == 2)


def test_a_report_that_fails_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(live_report, "SHARE", 1e9)
    log, told = tmp_path / "log", list[int]()
    code = f"open({str(log)!r}, 'a').write('.'); raise SystemExit(len(open({str(log)!r}).read()) == 1)"

    with LiveReport(command(code), lambda: told.append(len(log.read_text()))) as live:
        live.ended({})
        wait_until(log.exists)
        wait_until(lambda: bool((live.ended({}), told)[1]))

    assert 1 not in told


def test_none_is_written_in_the_first_minute_and_none_outlives_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    slow = command(f"open({str(begun)!r}, 'w'); import time; time.sleep(5); open({str(done)!r}, 'w')")
    with LiveReport(slow, lambda: pytest.fail("told")) as live:
        live.ended({})
    assert not begun.exists()

    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    with LiveReport(slow, lambda: pytest.fail("told")) as live:
        live.ended({})
        wait_until(begun.exists)

    assert not live._thread.is_alive()
    assert not done.exists()
