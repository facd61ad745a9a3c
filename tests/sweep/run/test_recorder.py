"""The recorder writes each point's row once, whatever trials report and however often."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.results.read import latest_rows, load_measurements
from sweep.plan.plan import Plan
from sweep.plan.points import PlannedPoint
from sweep.run.log import ResultsLog
from sweep.run.recorder import MOST_RESTARTS, Recorder
from tests.sweep.conftest import Follower, measurement, open_recorder, quick_plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return quick_plan(tmp_path, 2, epochs=3)


@pytest.fixture
def log(plan: Plan) -> Iterator[ResultsLog]:
    log = ResultsLog(plan.folder)
    yield log
    log.close()


def taken(recorder: Recorder) -> tuple[PlannedPoint, ...]:
    trial = recorder.take()
    return trial.points if trial else ()


def test_a_point_is_complete_with_its_last_epoch(plan: Plan, log: ResultsLog) -> None:
    follower = Follower()
    recorder = open_recorder(plan.points, log, [follower])
    first, second = plan.points

    recorder.started(first.id)
    for epoch in (1, 2, 3):
        recorder.measured(measurement(first, epoch))

    assert [told for told, _ in follower.told] == ["started", "epoch 1", "epoch 2", "epoch 3", "COMPLETE"]
    assert recorder.open_points == [second]


def test_epochs_told_again_are_logged_once(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    known = [measurement(point, 1), measurement(point, 2)]
    for each in known:
        log.append_measurement(each)
    recorder = open_recorder(plan.points, log, [], {point.id: known})

    for epoch in (1, 2, 3):
        recorder.measured(measurement(point, epoch))

    lines = (plan.folder / "measurements.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert [m.epoch for m in load_measurements(plan.folder)[point.id]] == [1, 2, 3]


def test_epochs_missing_from_the_log_are_filled_by_the_trial_that_tells_them_again(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log, [], {point.id: [measurement(point, 1)]})

    for epoch, top1 in [(1, 50.0), (2, 70.0), (3, 60.0)]:
        recorder.measured(measurement(point, epoch, top1))
    log.close()

    assert latest_rows(plan.folder)[point.id]["best_epoch"] == 2


def test_epochs_that_are_trained_again_count(plan: Plan, log: ResultsLog) -> None:
    """The checkpoint was removed: the point starts anew, with other luck."""
    point = plan.points[0]
    recorder = open_recorder(
        plan.points, log, [], {point.id: [measurement(point, 1, 90.0), measurement(point, 2, 95.0)]}
    )

    for epoch, top1 in [(1, 50.0), (2, 55.0), (3, 60.0)]:
        recorder.measured(measurement(point, epoch, top1))
    log.close()

    assert [m.top1 for m in load_measurements(plan.folder)[point.id]] == [50.0, 55.0, 60.0]
    row = latest_rows(plan.folder)[point.id]
    assert (row["top1"], row["best_epoch"]) == (60.0, 3)


def test_a_failed_point_keeps_its_reason_and_what_was_measured(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log)

    recorder.measured(measurement(point, 1, top1=33.0))
    recorder.failed(point.id, "diverged at epoch 2")
    log.close()

    row = latest_rows(plan.folder)[point.id]
    assert (row["state"], row["reason"], row["top1"]) == ("FAILED", "diverged at epoch 2", 33.0)


def test_what_comes_after_the_end_changes_nothing(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log)

    recorder.failed(point.id, "first")
    recorder.failed(point.id, "second")
    recorder.measured(measurement(point, 3))
    log.close()

    assert len((plan.folder / "results.jsonl").read_text().splitlines()) == 1
    assert latest_rows(plan.folder)[point.id]["reason"] == "first"


def test_a_point_whose_process_died_is_taken_up_again_a_bounded_number_of_times(plan: Plan, log: ResultsLog) -> None:
    recorder = open_recorder(plan.points, log)
    first, second = plan.points
    for _ in range(MOST_RESTARTS):
        recorder.measured(measurement(first, 1))
        recorder.lost(first.id, "killed by signal 9")
        assert recorder.open_points == [second]
        assert taken(recorder) == (first,)

    recorder.lost(first.id, "killed by signal 15")
    recorder.lost(second.id, "the node is gone")
    assert taken(recorder) == (second,)
    for epoch in (1, 2, 3):
        recorder.measured(measurement(second, epoch))
    log.close()

    rows = latest_rows(plan.folder)
    said = [(rows[point.id]["state"], rows[point.id]["restarts"], rows[point.id]["reason"]) for point in plan.points]
    assert said == [
        ("FAILED", MOST_RESTARTS, "its process died 4 times, the last time: killed by signal 15"),
        ("COMPLETE", 1, "went on after its process died: the node is gone"),
    ]
