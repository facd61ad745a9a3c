"""The recorder writes the row of each point exactly once, whatever trials report and however often."""

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


def test_a_point_is_complete_after_its_last_epoch(plan: Plan, log: ResultsLog) -> None:
    follower = Follower()
    recorder = open_recorder(plan.points, log, [follower])
    first, second = plan.points

    recorder.started(first.id)
    for epoch in (1, 2, 3):
        recorder.measured(measurement(first, epoch))

    assert [event for event, _ in follower.events] == ["started", "epoch 1", "epoch 2", "epoch 3", "COMPLETE"]
    assert recorder.open_points == [second]


def test_repeated_measurements_are_logged_once(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    known = [measurement(point, 1), measurement(point, 2)]
    for row in known:
        log.append_measurement(row)
    recorder = open_recorder(plan.points, log, [], {point.id: known})

    for epoch in (1, 2, 3):
        recorder.measured(measurement(point, epoch))

    lines = (plan.folder / "measurements.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert [m.epoch for m in load_measurements(plan.folder)[point.id]] == [1, 2, 3]


def test_repeated_measurements_fill_epochs_missing_from_the_log(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log, [], {point.id: [measurement(point, 1)]})

    for epoch, top1 in [(1, 50.0), (2, 70.0), (3, 60.0)]:
        recorder.measured(measurement(point, epoch, top1))
    log.close()

    assert latest_rows(plan.folder)[point.id]["best_epoch"] == 2


def test_measurements_of_epochs_trained_again_replace_the_first_ones(plan: Plan, log: ResultsLog) -> None:
    """The checkpoint was removed, so that the point is trained from the start with other results."""
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


def test_the_row_of_a_failed_point_has_its_reason_and_its_measurements(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log)

    recorder.measured(measurement(point, 1, top1=33.0))
    recorder.failed(point.id, "diverged at epoch 2")
    log.close()

    row = latest_rows(plan.folder)[point.id]
    assert (row["state"], row["reason"], row["top1"]) == ("FAILED", "diverged at epoch 2", 33.0)


def test_the_row_of_a_complete_point_says_if_it_learned_nothing(plan: Plan, log: ResultsLog) -> None:
    idle, useful = plan.points[:2]
    recorder = open_recorder(plan.points, log)

    for point, top1 in ((idle, 10.0), (useful, 60.0)):
        for epoch in range(1, point.config.epochs + 1):
            recorder.measured(measurement(point, epoch, top1=top1))
    log.close()

    rows = latest_rows(plan.folder)
    assert (rows[idle.id]["num_val"], rows[idle.id]["majority_top1"]) == (360, pytest.approx(10.28, abs=0.01))
    assert rows[idle.id]["reason"] == "no better than always answering the most frequent class"
    assert rows[useful.id]["reason"] == ""


def test_reports_about_an_ended_point_change_nothing(plan: Plan, log: ResultsLog) -> None:
    point = plan.points[0]
    recorder = open_recorder(plan.points, log)

    recorder.failed(point.id, "first")
    recorder.failed(point.id, "second")
    recorder.measured(measurement(point, 3))
    log.close()

    assert len((plan.folder / "results.jsonl").read_text().splitlines()) == 1
    assert latest_rows(plan.folder)[point.id]["reason"] == "first"


def test_a_point_whose_process_died_is_restarted_a_limited_number_of_times(plan: Plan, log: ResultsLog) -> None:
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
    """A recorder with an open trial of two points."""
    trial = Trial(id="pair", points=tuple(point.point for point in plan.points), folder=plan.folder / "trials" / "pair")
    planned = PlannedTrial(trial=trial, points=plan.points)
    recorder = Recorder(log, [], Queue(Fifo(), [planned]), {})
    assert recorder.take() == planned
    return recorder, planned


def test_a_trial_is_open_until_its_last_point_has_ended(plan: Plan, pair: tuple[Recorder, PlannedTrial]) -> None:
    recorder, trial = pair
    first, second = plan.points
    for epoch in (1, 2, 3):
        assert recorder.trials == [trial]
        recorder.measured(measurement(first, epoch))

    assert (recorder.trials, recorder.open_points) == ([trial], [second])
    for epoch in (1, 2, 3):
        recorder.measured(measurement(second, epoch))
    assert recorder.trials == []


def test_a_failed_trial_ends_only_its_open_points(
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


def test_a_restarted_trial_has_only_its_open_points(
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
