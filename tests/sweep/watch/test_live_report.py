"""The report of a running sweep is written by one real process at a time, and none outlives the sweep."""

from functools import partial
from pathlib import Path

import pytest

from sweep.plan.points import PlannedPoint
from sweep.watch import live_report
from sweep.watch.live_report import LiveReport
from tests.sweep.conftest import measurement, quick_plan
from tests.sweep.watch.reports import add_a_line, fail_at_first, never_end, wait_until, write_until


@pytest.fixture
def point(tmp_path: Path) -> PlannedPoint:
    return quick_plan(tmp_path, 1).points[0]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reports without a pause between them."""
    monkeypatch.setattr(live_report, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(live_report, "SHARE", 1e9)


@pytest.mark.usefixtures("at_once")
def test_a_report_is_written_after_each_ended_point_and_handed_over(tmp_path: Path, point: PlannedPoint) -> None:
    log, reports = tmp_path / "log", list[str]()

    with LiveReport(partial(add_a_line, log), reports.append) as live:
        live.started(point)
        live.measured(measurement(point, 1))
        for number in (1, 2):
            live.ended({})
            wait_until(lambda number=number: len(reports) == number)

    assert reports == ["report\n", "report\nreport\n"]  # no report was written before a point ended


@pytest.mark.usefixtures("at_once")
def test_points_that_end_while_a_report_is_written_cause_one_more_report(tmp_path: Path) -> None:
    log, gate, reports = tmp_path / "log", tmp_path / "gate", list[str]()

    with LiveReport(partial(write_until, log, gate), reports.append) as live:
        live.ended({})
        wait_until(log.exists)
        live.ended({})
        live.ended({})
        gate.touch()
        wait_until(lambda: len(reports) == 2)

    assert reports == ["report\n", "report\nreport\n"]


@pytest.mark.usefixtures("at_once")
def test_a_failed_report_is_not_handed_over_and_the_next_one_is(tmp_path: Path) -> None:
    log, reports = tmp_path / "log", list[str]()

    with LiveReport(partial(fail_at_first, log), reports.append) as live:
        live.ended({})
        wait_until(log.exists)
        wait_until(lambda: bool((live.ended({}), reports)[1]))

    assert "report\n" not in reports


def test_no_report_begins_in_the_first_minute(tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    with LiveReport(partial(never_end, begun), lambda _: pytest.fail("a report was given")) as live:
        live.ended({})

    assert not begun.exists()


@pytest.mark.usefixtures("at_once")
def test_no_report_outlives_the_sweep(tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    with LiveReport(partial(never_end, begun), lambda _: pytest.fail("a report was given")) as live:
        live.ended({})
        wait_until(begun.exists)

    assert not live._thread.is_alive()
    assert live._writer is not None
    assert not live._writer.is_alive()
