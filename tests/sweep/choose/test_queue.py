"""The queue hands out each point once, hands out revived points again, and ends with the time budget."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.choose.queue import Queue
from sweep.choose.schedulers import Fifo, Frontier
from sweep.plan.plan import make_plan
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from tests.sweep.conftest import measurement, quick_config, quick_plan


def ended(point: PlannedPoint, state: str) -> dict[str, Any]:
    return {"point": point.id, "state": state, "reason": "boom"}


def test_every_point_is_handed_out_once(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 3)
    queue = Queue(Fifo(), plan.trials)

    taken = [queue.next() for _ in range(4)]

    assert taken[3] is None
    assert {trial.id for trial in taken if trial} == {point.id for point in plan.points}
    assert queue.waiting == []


def test_a_stopped_point_is_revived_when_its_favoured_rival_fails(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16", "lr=0.01,0.02", epochs=9))
    scheduler = Frontier()
    for point in plan.points:
        scheduler.add(point, [], None)
    queue = Queue(scheduler, plan.trials)
    first, second = queue.next(), queue.next()
    assert first
    assert second
    better, worse = first.points[0], second.points[0]
    reasons = []
    for epoch in range(1, 8):
        queue.measured(measurement(better, epoch, 60.0))
        reasons.append(queue.measured(measurement(worse, epoch, 20.0)))
        if reasons[-1]:
            break
    assert reasons[-1]
    queue.ended(ended(worse, "PRUNED"))
    assert queue.next() is None

    queue.ended(ended(better, "FAILED"))

    assert queue.next() == second


class TwoProposals:
    """A sampler that proposes two points and records the ids of ended points."""

    def __init__(self, points: list[PlannedPoint]) -> None:
        self.points, self.ended_ids = points, list[str]()

    def propose(self) -> PlannedPoint | None:
        return self.points.pop(0) if self.points else None

    def ended(self, row: Mapping[str, Any]) -> None:
        self.ended_ids.append(row["point"])


def test_proposals_follow_the_waiting_trials_and_stop_at_their_number(tmp_path: Path) -> None:
    first, second, third = quick_plan(tmp_path, 3).points
    sampler = TwoProposals([second, third])
    queue = Queue(Fifo(), [PlannedTrial.alone(first)], sampler, num_proposals=1)

    taken = [queue.next() for _ in range(3)]
    assert [trial and trial.points for trial in taken] == [(first,), (second,), None]
    queue.ended(ended(second, "COMPLETE"))
    assert sampler.ended_ids == [second.id]


def test_the_queue_ends_when_the_sampler_has_no_more_points(tmp_path: Path) -> None:
    queue = Queue(Fifo(), [], TwoProposals([]), num_proposals=5)

    assert queue.next() is None
    assert queue.num_proposals == 0


def test_nothing_is_handed_out_after_the_deadline(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 2)
    late = Queue(Fifo(), plan.trials, deadline=time.monotonic() - 1)
    early = Queue(Fifo(), plan.trials, deadline=time.monotonic() + 1000)

    assert late.out_of_time
    assert late.next() is None
    assert early.next() is not None


def test_failures_in_a_row_end_the_queue_but_divergence_is_a_result(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 9)
    queue = Queue(Fifo(), plan.trials, max_failures=2)
    for state, reason, over in [
        ("FAILED", "boom", False),
        ("FAILED", "diverged at epoch 1, step 3, loss nan", False),
        ("FAILED", "boom", False),
        ("COMPLETE", "", False),
        ("FAILED", "boom", False),
        ("FAILED", "bang", True),
    ]:
        trial = queue.next()
        assert trial
        queue.ended({"point": trial.id, "state": state, "reason": reason})
        assert queue.over is over

    assert queue.given_up == "bang"
    assert queue.next() is None
    assert len(queue.waiting) == 3
