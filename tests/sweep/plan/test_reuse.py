"""Points that another sweep has trained are found by id and settings, and taken over with all their data."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from analysis.results.read import latest_rows, load_measurements
from analysis.results.schema import COLUMNS
from sweep.choose.queue import Queue
from sweep.plan.plan import Plan, make_plan
from sweep.plan.points import PlannedPoint
from sweep.plan.reuse import find_all_trained, find_trained
from sweep.run.log import ResultsLog
from sweep.run.recorder import Recorder
from sweep.run.take_over import take_over
from tests.sweep.conftest import measurement, open_recorder, quick_config


def by_id(plan: Plan) -> dict[str, PlannedPoint]:
    return {point.id: point for point in plan.points}


def trained(runs: Path, name: str, *axes: str, epochs: int = 2) -> Plan:
    """Return the plan of a sweep whose points are COMPLETE, except for the last one, which failed."""
    plan = make_plan(replace(quick_config(runs, "width_mult=0.25", "resolution=16", *axes, epochs=epochs), name=name))
    with closing(ResultsLog(plan.folder)) as log:
        recorder = open_recorder(plan.points, log)
        for point in plan.points[:-1]:
            point.folder.mkdir(parents=True)
            for file in ("best.pt", "last.pt"):
                (point.folder / file).write_text(f"{name} {point.id} {file}")
            for epoch in range(1, epochs + 1):
                recorder.measured(measurement(point, epoch, 40.0 + epoch))
        recorder.failed(plan.points[-1].id, "diverged")
    return plan


def test_complete_points_are_taken_over_with_rows_measurements_and_checkpoints(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02,0.03")
    (before.points[0].folder / ".last.node-1.pt").write_text("left by a process that was killed")
    axes = ("width_mult=0.25", "resolution=16", "lr=0.02,0.01,0.03,0.04")
    plan = make_plan(replace(quick_config(tmp_path, *axes, epochs=2), name="wider"))

    sources = find_trained(by_id(plan), tmp_path, plan.folder)
    with closing(ResultsLog(plan.folder)) as log:
        take_over(sources, plan.points, log)

    expected = {point.id for point in before.points[:-1]}
    rows = latest_rows(plan.folder)
    assert set(sources) == set(rows) == expected
    for id_, row in rows.items():
        assert tuple(row) == COLUMNS
        assert row["reused_from"] == "before"
        assert {**row, "reused_from": None} == latest_rows(before.folder)[id_]
        assert load_measurements(plan.folder)[id_] == load_measurements(before.folder)[id_]
        checkpoints = {path.name: path.read_text() for path in (plan.folder / "points" / id_).iterdir()}
        assert checkpoints == {name: f"before {id_} {name}" for name in ("best.pt", "last.pt")}


def test_points_with_other_settings_or_of_the_sweep_itself_are_not_reused(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02", epochs=2)
    longer = make_plan(replace(quick_config(tmp_path, *before_axes(), epochs=3), name="longer"))

    assert find_trained(by_id(longer), tmp_path, longer.folder) == {}
    assert find_trained(by_id(before), tmp_path, before.folder) == {}


def before_axes() -> tuple[str, ...]:
    return "width_mult=0.25", "resolution=16", "lr=0.01,0.02"


def test_a_row_without_its_checkpoint_is_not_reused(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02")
    (before.points[0].folder / "best.pt").unlink()

    assert find_trained(by_id(before), tmp_path, tmp_path / "other") == {}


def test_a_row_of_an_old_version_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02")
    log = before.folder / "results.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows:
        del row["reused_from"], row["sync_bn"]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = make_plan(replace(quick_config(tmp_path, *before_axes(), epochs=2), name="again"))

    with closing(ResultsLog(plan.folder)) as written:
        take_over(find_trained(by_id(plan), tmp_path, plan.folder), plan.points, written)

    [row] = latest_rows(plan.folder).values()
    assert (row["sync_bn"], row["reused_from"]) == (False, "before")


def test_a_point_proposed_later_is_taken_over_when_its_trial_starts(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02")
    plan = make_plan(replace(quick_config(tmp_path, *before_axes(), epochs=2), name="again"))
    sources = find_all_trained(tmp_path, plan.folder)
    waiting = iter(plan.trials)
    stopping = SimpleNamespace(next=lambda _: next(waiting), measured=lambda _: "bad", ended=lambda _: None)

    with closing(ResultsLog(plan.folder)) as log:
        recorder = Recorder(log, [], cast(Queue, stopping), {}, sources)
        points = [trial.points[0] for trial in (recorder.take(), recorder.take()) if trial]
        first, second = points
        stops = [recorder.measured(measurement(point, 1)) for point in (first, second)]
        recorder.measured(measurement(first, 2))

    assert set(sources) == {first.id}
    assert (first.folder / "last.pt").read_text() == f"before {first.id} last.pt"
    assert stops == [False, True]
    rows = latest_rows(plan.folder)
    assert [rows[point.id]["state"] for point in (first, second)] == ["COMPLETE", "PRUNED"]
    assert [rows[point.id]["reused_from"] for point in (first, second)] == [before.name, None]


def test_a_damaged_log_of_another_sweep_is_ignored(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "results.jsonl").write_text("no json\n")

    assert set(find_trained(by_id(before), tmp_path, tmp_path / "other")) == {before.points[0].id}


def test_a_row_with_the_id_of_a_point_but_other_settings_is_not_reused(tmp_path: Path) -> None:
    before = trained(tmp_path, "before", "lr=0.01,0.02")
    log = before.folder / "results.jsonl"
    log.write_text(log.read_text().replace('"lr": 0.01', '"lr": 0.777'))

    assert find_trained(by_id(before), tmp_path, tmp_path / "other") == {}
