"""The part of a plan that is left to train depends on the logs of its folder."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.results.read import CHECKPOINT_GONE, load_table
from analysis.results.schema import COLUMNS
from sweep.config import SweepConfig
from sweep.plan.left import all_left, read_left
from sweep.plan.plan import Plan, make_plan
from sweep.run.environment import write_identity
from sweep.run.log import ResultsLog
from sweep.run.recorder import row_of
from tests.sweep.conftest import make_checkpoints, measurement, open_recorder, quick_config
from trainers.errors import OtherImagesError


def log_rows(plan: Plan, states: Mapping[str, tuple[str, str]]) -> None:
    """Log the state and reason of points, given by id, as a sweep does."""
    with closing(ResultsLog(plan.folder)) as log:
        for point in plan.networks:
            if point.id in states:
                state, reason = states[point.id]
                history = [] if state == "FAILED" else [measurement(point, 1)]
                log.append_result(row_of(point, state, reason, history))  # type: ignore[arg-type]


def test_an_adaptive_sampler_takes_a_failure_as_an_answer_unless_the_images_changed(tmp_path: Path) -> None:
    plan = make_plan(replace(quick_config(tmp_path), sampler="optuna", num_samples=3))
    point_with_error, other = (point.id for point in plan.candidates[:2])
    reason = f"{OtherImagesError.__name__}: they have changed"
    log_rows(plan, {point_with_error: ("FAILED", "ValueError: no such layer"), other: ("FAILED", reason)})

    left = read_left(plan)

    assert set(left.ended) == {point_with_error}
    assert left.num_proposals == 2
    assert left.trials == ()


@pytest.mark.parametrize(("scheduler", "done"), [("fifo", {0}), ("frontier", {0, 1})])
def test_a_stopped_point_is_done_only_if_the_scheduler_stops_points(
    tmp_path: Path, scheduler: Any, done: set[int]
) -> None:
    plan = make_plan(replace(quick_config(tmp_path, "width_mult=0.25", "resolution=16,24,32"), scheduler=scheduler))
    make_checkpoints(plan)
    ids = [point.id for point in plan.points]
    log_rows(plan, {ids[0]: ("COMPLETE", ""), ids[1]: ("PRUNED", "seen enough"), ids[2]: ("FAILED", "boom")})

    left = read_left(plan)

    assert set(left.ended) == {ids[i] for i in done}
    assert [trial.id for trial in left.to_train] == [id_ for i, id_ in enumerate(ids) if i not in done]
    assert all_left(plan).trials == plan.trials


def test_finished_epochs_of_points_that_need_training_are_counted(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16,24", epochs=3))
    with closing(ResultsLog(plan.folder)) as log:
        recorder = open_recorder(plan.points, log)
        for epoch in (1, 2, 3):
            recorder.measured(measurement(plan.points[0], epoch))
        recorder.measured(measurement(plan.points[1], 1))
    make_checkpoints(plan)

    left = read_left(plan)

    assert left.begun == {plan.points[1].id: 1}
    assert left.text == "1 of 2 points done, 1 begun (1 epoch)"


def test_a_complete_point_whose_checkpoint_is_gone_is_missing(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16,24", epochs=1))
    log_rows(plan, {point.id: ("COMPLETE", "") for point in plan.points})
    make_checkpoints(plan)
    gone, kept = plan.points
    (gone.folder / "best.pt").unlink()

    left = read_left(plan)

    assert [trial.id for trial in left.to_train] == [gone.id]
    assert left.text == "1 of 2 points done, 1 to train again because the checkpoint is gone"
    table = load_table(plan.folder).set_index("point")
    assert table.loc[gone.id, ["state", "reason"]].tolist() == ["FAILED", CHECKPOINT_GONE]
    assert table.loc[kept.id, "state"] == "COMPLETE"


def planned(config: SweepConfig) -> Plan:
    """Return a plan whose identity is written to its folder."""
    plan = make_plan(config)
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_identity(plan)
    return plan


def test_a_widened_sweep_goes_on_in_its_folder_and_another_sweep_is_an_error_with_the_differences(
    tmp_path: Path,
) -> None:
    config = replace(quick_config(tmp_path, "width_mult=0.25", "resolution=16"), name="one")
    plan = planned(config)
    log_rows(plan, {plan.points[0].id: ("COMPLETE", "")})
    wider = replace(config, axis=("width_mult=0.25,0.5", "resolution=16"))
    other = replace(config, axis=("width_mult=0.5", "resolution=16"))

    assert read_left(make_plan(wider)).other_sweep == ""
    assert read_left(make_plan(other)).other_sweep == (
        f"{plan.folder} holds another sweep (axis was width_mult=0.25 resolution=16, is width_mult=0.5 resolution=16); "
        "choose another --name"
    )


def test_a_sweep_on_other_images_is_another_sweep(tmp_path: Path) -> None:
    plan = planned(quick_config(tmp_path, "width_mult=0.25", "resolution=16"))
    path = plan.folder / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "another"}))

    assert "the dataset's fingerprint was another, is " in read_left(plan).other_sweep


def test_a_point_is_no_longer_left_once_a_row_of_another_sweep_is_logged(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16,24"))
    left = all_left(plan)
    point = plan.points[0]
    row = dict.fromkeys(COLUMNS) | row_of(point, "COMPLETE", "", [measurement(point, 1)])

    after = left.without({point.id: row}, {point.id: [measurement(point, 1)]})

    assert after.ended == {point.id: row}
    assert [trial.id for trial in after.trials] == [plan.points[1].id]
    assert list(after.history) == [point.id]
