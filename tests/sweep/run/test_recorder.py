"""The recorder writes each point's row once, whatever trials report and however often."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.results.read import latest_rows, load_measurements
from sweep.choose.queue import Queue
from sweep.choose.schedulers import Fifo
from sweep.plan.plan import Plan
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from sweep.run.log import ResultsLog
from sweep.run.recorder import MOST_RESTARTS, Recorder
from tests.sweep.conftest import Follower, measurement, open_recorder, quick_plan
from trainers.trial import Trial


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
    outcomes = [
        (rows[point.id]["state"], rows[point.id]["restarts"], rows[point.id]["reason"]) for point in plan.points
    ]
    assert outcomes == [
        ("FAILED", MOST_RESTARTS, "its process died 4 times, the last time: killed by signal 15"),
        ("COMPLETE", 1, "went on after its process died: the node is gone"),
    ]


@pytest.fixture
def pair(plan: Plan, log: ResultsLog) -> tuple[Recorder, PlannedTrial]:
    """A recorder with one trial of two points, which was taken up."""
    trial = Trial(id="pair", points=tuple(point.point for point in plan.points), folder=plan.folder / "trials" / "pair")
    planned = PlannedTrial(trial=trial, points=plan.points)
    recorder = Recorder(log, [], Queue(Fifo(), [planned]), {})
    assert recorder.take() == planned
    return recorder, planned


def test_a_trial_is_open_until_the_last_of_its_points_has_ended(
    plan: Plan, pair: tuple[Recorder, PlannedTrial]
) -> None:
    recorder, trial = pair
    first, second = plan.points
    for epoch in (1, 2, 3):
        assert recorder.trials == [trial]
        recorder.measured(measurement(first, epoch))

    assert (recorder.trials, recorder.open_points) == ([trial], [second])
    for epoch in (1, 2, 3):
        recorder.measured(measurement(second, epoch))
    assert recorder.trials == []


def test_a_trial_that_fails_ends_its_open_points_alone(
    plan: Plan, log: ResultsLog, pair: tuple[Recorder, PlannedTrial]
) -> None:
    recorder, trial = pair
    first, second = plan.points
    for epoch in (1, 2, 3):
        recorder.measured(measurement(first, epoch))

    recorder.failed(trial.id, "boom")
    log.close()

    rows = latest_rows(plan.folder)
    assert {id_: row["state"] for id_, row in rows.items()} == {first.id: "COMPLETE", second.id: "FAILED"}


def test_a_trial_whose_process_died_goes_on_with_its_open_points(
    plan: Plan, log: ResultsLog, pair: tuple[Recorder, PlannedTrial]
) -> None:
    recorder, trial = pair
    first, second = plan.points
    for epoch in (1, 2, 3):
        recorder.measured(measurement(first, epoch))

    recorder.lost(trial.id, "killed by signal 9")

    again = recorder.take()
    assert again
    assert (again.id, again.points) == (trial.id, (second,))
    for epoch in (1, 2, 3):
        recorder.measured(measurement(second, epoch))
    log.close()
    assert {id_: row["restarts"] for id_, row in latest_rows(plan.folder).items()} == {first.id: 0, second.id: 1}
