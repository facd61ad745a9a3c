"""What a sweep's folder holds of its plan."""

from dataclasses import replace
from pathlib import Path

from sweep.plan.left import Held
from sweep.plan.plan import make_plan
from tests.sweep.conftest import quick_config
from trainers.errors import OtherImagesError


def test_a_sampler_takes_a_failure_as_an_answer_unless_the_point_has_no_part_in_it(tmp_path: Path) -> None:
    plan = make_plan(replace(quick_config(tmp_path), sampler="optuna", num_samples=3))
    its_own, other = (point.id for point in plan.points[:2])
    rows = {
        its_own: {"state": "FAILED", "reason": "ValueError: no such layer"},
        other: {"state": "FAILED", "reason": f"{OtherImagesError.__name__}: they have changed"},
    }

    held = Held(plan, "frontier", rows, {})

    assert set(held.ended) == {its_own}
    assert held.num_missing == 2
