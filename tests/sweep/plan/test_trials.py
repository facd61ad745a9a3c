"""Points are grouped into trials, and a trial can lose some of its points."""

from dataclasses import replace
from pathlib import Path

import pytest

from sweep.plan.trials import PlannedTrial, group_points, trials_with
from tests.sweep.conftest import quick_plan
from trainers.registry import TRAINERS
from trainers.trial import Trainer


@pytest.fixture
def trainer() -> Trainer:
    """A trainer that trains two seeds together, in half of the time of both alone."""
    alone = TRAINERS["classifier"]
    return replace(alone, together=lambda config: config.seed // 2, step_share=lambda configs: 1 / len(configs))


def test_a_trial_of_one_point_has_the_id_and_folder_of_the_point(tmp_path: Path, trainer: Trainer) -> None:
    plan = quick_plan(tmp_path, 3)

    *_, last = group_points(plan.points, trainer, plan.folder)

    assert last == PlannedTrial.alone(plan.points[2])
    assert (last.id, last.trial.folder) == (plan.points[2].id, plan.points[2].folder)


def test_points_with_one_key_are_one_trial_and_keep_their_ids(tmp_path: Path, trainer: Trainer) -> None:
    plan = quick_plan(tmp_path, 3)

    first, _ = group_points(plan.points, trainer, plan.folder)

    assert first.points == plan.points[:2]
    assert first.work == pytest.approx(plan.trials[0].work)  # half of the work of two points


def test_points_that_have_ended_leave_their_trial(tmp_path: Path, trainer: Trainer) -> None:
    plan = quick_plan(tmp_path, 4)
    first, second = group_points(plan.points, trainer, plan.folder)

    [left] = trials_with([first, second], {plan.points[1].id})

    assert left.id == first.id
    assert left.points == (plan.points[1],)
    assert left.trial.points == (plan.points[1].point,)


def test_a_trial_with_shared_weights_keeps_training_its_ended_points(tmp_path: Path, trainer: Trainer) -> None:
    plan = quick_plan(tmp_path, 2)
    [trial] = group_points(plan.points, replace(trainer, shares_weights=True), plan.folder)
    assert {point.id for point in trial.points}.isdisjoint(point.id for point in plan.points)

    left = trial.only({trial.points[0].id})

    assert left
    assert left.points == trial.points[:1]
    assert left.trial == trial.trial


def test_the_smallest_point_of_a_trial_is_the_one_with_the_fewest_macs(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 2)
    cheap = replace(plan.points[1], cost=replace(plan.points[1].cost, macs=1))

    assert replace(plan.trials[0], points=(plan.points[0], cheap)).smallest == cheap
