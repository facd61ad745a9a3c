"""The live view counts points, estimates the time left, and prints plain lines without a terminal."""

import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from sweep.plan.plan import Plan
from sweep.run.log import ResultsLog
from sweep.run.recorder import Recorder
from sweep.watch.console import plain_console
from sweep.watch.progress import Progress, duration
from tests.sweep.conftest import measurement, open_recorder, quick_plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return quick_plan(tmp_path, 3, epochs=2)


def report(plan: Plan, progress: Progress, tell: Callable[[Recorder], None]) -> None:
    log = ResultsLog(plan.folder)
    tell(open_recorder(plan.points, log, [progress]))
    log.close()


def test_lines_without_a_terminal_have_counts_and_reasons(plan: Plan) -> None:
    written = StringIO()
    complete, failed, lost = (point.id for point in plan.points)
    labels = {point.id: point.label for point in plan.points}

    def tell(recorder: Recorder) -> None:
        for point in (complete, failed):
            recorder.started(point)
        for epoch in (1, 2):
            recorder.measured(measurement(complete, epoch, 12.5, measured_at=time.time() + 1))
        recorder.failed(failed, "diverged at epoch 1")
        recorder.measured(measurement(lost, 1))
        recorder.lost(lost, "killed by signal 9")

    with Progress(plan.points, 5, plain_console(file=written), num_ended=2) as progress:
        report(plan, progress, tell)

    first, second, third = written.getvalue().splitlines()
    assert first.startswith("3/5 done, 1 running, 0 failed, about ")
    reason = "no better than always answering the most frequent class"
    macs = f"{plan.points[0].cost.macs / 1e6:.2f} M MACs"
    assert f"COMPLETE {labels[complete]}: top-1 12.50 %, {reason} at {macs}" in first
    assert second.startswith("3/5 done, 0 running, 1 failed")
    assert f"FAILED {labels[failed]}: diverged at epoch 1" in second
    assert third == f"{labels[lost]} goes on after epoch 1: its process died (killed by signal 9)"


def test_a_terminal_shows_running_and_best_points_within_80_columns(plan: Plan) -> None:
    console = plain_console(file=StringIO(), force_terminal=True, width=80, record=True)
    cheaper = {
        "point": "p",
        "state": "COMPLETE",
        "model": "v2",
        "width_mult": 0.1,
        "resolution": 8,
        "macs": 1,
        "top1": 9.0,
    }
    dearer = cheaper | {"point": "q", "macs": 10**12, "top1": 50.0}
    progress = Progress(plan.points, 5, console, num_ended=2, earlier=[dearer, cheaper])

    def tell(recorder: Recorder) -> None:
        recorder.started(plan.points[0].id)
        recorder.started(plan.points[1].id)
        for epoch in (1, 2):
            recorder.measured(measurement(plan.points[0], epoch, 98.76, measured_at=time.time() + 1))
        recorder.measured(measurement(plan.points[1], 1, 12.34))

    report(plan, progress, tell)
    console.print(progress._render())

    screen = console.export_text()
    assert all(text in screen for text in ("3/5 done, 1 running", "98.76", "12.34", "1/2", plan.points[1].label))
    assert "estimated from 2 epochs" in screen
    frontier = screen[screen.index("frontier so far") :].splitlines()[1:]
    assert [line.split()[-2] for line in frontier] == ["9.00", "98.76"]  # the more expensive earlier point is beaten
    assert [line.count("\u2588") for line in frontier] == [1, 24]
    assert max(map(len, screen.splitlines())) <= 80


UNLIKE_OURS = "[/__w/pytorch/pair.cc:553] Connection closed by peer [red]x :dog:"


@pytest.mark.parametrize("terminal", [False, True])
def test_text_of_libraries_and_users_is_shown_as_it_is(plan: Plan, terminal: bool) -> None:
    """Brackets and colons are neither markup, which may be malformed, nor emoji."""
    written = StringIO()
    lost, failed = (replace(point, label=UNLIKE_OURS) for point in plan.points[:2])
    console = plain_console(file=written, force_terminal=terminal, width=200)
    progress = Progress([lost, failed], 5, console, num_ended=2)

    for point in (lost, failed):
        progress.started(point)
    console.print(progress._render())
    progress.lost(lost, UNLIKE_OURS)
    progress.ended({"point": failed.id, "state": "FAILED", "reason": UNLIKE_OURS, "macs": 1})

    assert written.getvalue().count(UNLIKE_OURS) == 4 + 2 * (not terminal)


def test_there_is_no_estimate_before_the_first_epoch(plan: Plan) -> None:
    progress = Progress(plan.points, 3, plain_console(file=StringIO()), num_ended=0)

    report(plan, progress, lambda recorder: recorder.started(plan.points[0].id))

    assert progress.seconds_left() is None


def test_epochs_of_an_earlier_start_do_not_count_in_the_estimate(plan: Plan) -> None:
    progress = Progress(plan.points, 3, plain_console(file=StringIO()), num_ended=0)

    def tell(recorder: Recorder) -> None:
        recorder.started(plan.points[0].id)
        recorder.measured(measurement(plan.points[0], 1, measured_at=time.time() - 1000))

    report(plan, progress, tell)

    assert progress.seconds_left() is None


def test_the_estimate_counts_down_between_epochs(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now, time=time.time)
    monkeypatch.setattr("sweep.watch.progress.time", clock)
    progress = Progress(plan.points, 3, plain_console(file=StringIO()), num_ended=0)
    progress.started(plan.points[0])
    now = 1010.0
    progress.measured(measurement(plan.points[0], 1, measured_at=time.time()))

    left = progress.seconds_left()
    now = 1014.0

    assert left is not None
    assert progress.seconds_left() == pytest.approx(left - 4)
    now = 1e6
    assert progress.seconds_left() == 0


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1 min 30 s"), (119.7, "2 min 00 s"), (599.7, "10 min"), (3600, "60 min"),
     (11_100, "3 h 05 min")],
)  # fmt: skip
def test_durations_are_readable(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
