"""The tracker mirrors a sweep into a real MLflow store completely and without duplicates, also after a restart."""

import re
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from analysis.report.report import Report
from analysis.results.read import load_measurements
from sweep.plan.left import read_left
from sweep.plan.plan import Plan
from sweep.run.log import ResultsLog
from sweep.watch.mlflow_store import connect, tracking_uri
from sweep.watch.mlflow_views import VIEWS, view_links
from sweep.watch.tracker import COSTS, EPOCH_METRICS, Tracker, _Pending
from tests.sweep.conftest import make_checkpoints, measurement, open_recorder, quick_plan
from tests.sweep.watch.reports import wait_until


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """One SQLite store for the module, as creating a store takes seconds."""
    runs = tmp_path_factory.mktemp("store")
    uri = tracking_uri(runs, None)
    connect(uri, runs)
    return uri, runs


@pytest.fixture
def start(store: tuple[str, Path], tmp_path: Path) -> Callable[..., tuple[Tracker, Plan]]:
    """Return a function that starts a tracker of two points with three epochs each."""

    def start_tracker(sweep_id: str = tmp_path.name, say: Callable[[str], None] = pytest.fail) -> tuple[Tracker, Plan]:
        plan = quick_plan(tmp_path, 2, epochs=3)
        make_checkpoints(plan)
        tags = {"git_dirty": "False"}
        return Tracker(connect(*store), read_left(plan), sweep_id=sweep_id, tags=tags, say=say), plan

    return start_tracker


def away(client: MlflowClient, *args: Any, **kwargs: Any) -> None:
    """Replace a client's method, as if the store could not be reached."""
    raise MlflowException("the store is away")


def a_report(folder: Path, *, frontier: list[str], num_points: int) -> Report:
    """Return a report in `folder` with the points `frontier` on its frontier."""
    settings = pd.DataFrame({"points": [(point,) for point in frontier]})
    path = folder / "results.csv"
    return Report(
        folder=folder, charts=(), csv=path, markdown=path, html=path, note="", summary="Ship it.", frontier=settings,
        num_points=num_points,
    )  # fmt: skip


def find_runs(store: tuple[str, Path], sweep_id: str) -> tuple[Run, dict[str, Run]]:
    """Return the parent run and the runs of the points."""
    client = MlflowClient(store[0])
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.sweep_id = '{sweep_id}'")
    [parent] = [run for run in runs if "point" not in run.data.tags]
    return parent, {run.data.tags["point"]: run for run in runs if run is not parent}


def record(plan: Plan, tracker: Tracker, epochs: dict[int, int]) -> None:
    """Report the first `epochs[i]` epochs of point i."""
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log, [tracker], load_measurements(plan.folder))
    for i, num_epochs in epochs.items():
        recorder.started(plan.points[i].id)
        for epoch in range(1, num_epochs + 1):
            recorder.measured(measurement(plan.points[i], epoch, top1=10.0 * epoch))
    log.close()


def test_the_store_is_read_only_when_there_is_something_to_write(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = threading.Event()
    search = MlflowClient.search_runs

    def noticed(*args: Any, **kwargs: Any) -> Any:
        searched.set()
        return search(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "search_runs", noticed)
    tracker, plan = start()

    assert not searched.wait(0.2)
    tracker.started(plan.points[0])
    assert searched.wait(10)
    assert tracker.finish("FINISHED", None) is None
    idle, _ = start("idle")
    assert idle.finish("FINISHED", None) is None
    assert find_runs(store, "idle")[0].info.status == "FINISHED"


def test_a_complete_point_is_one_finished_child_run_with_all_metrics(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    tracker, plan = start()
    record(plan, tracker, {0: 3})
    report = tmp_path / "report"
    report.mkdir()
    point = plan.points[0]
    (report / "results.csv").touch()
    (report / "summary.md").write_text("Ship it.")

    assert tracker.finish("FINISHED", a_report(report, frontier=[point.id], num_points=2)) is None

    parent, children = find_runs(store, tmp_path.name)
    child = children[point.id]
    assert (parent.info.status, child.info.status, len(children)) == ("FINISHED", "FINISHED", 1)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["state"] == "COMPLETE"
    assert {name: child.data.params[name] for name in ("width_mult", "lr", "seed")} == {
        "width_mult": "0.25", "lr": "0.005", "seed": "0"}  # fmt: skip
    assert {name: child.data.metrics[name] for name in COSTS} == {name: getattr(point.cost, name) for name in COSTS}
    assert (child.data.metrics["best_top1"], child.data.metrics["final_top1"]) == (30.0, 30.0)
    client = MlflowClient(store[0])
    for name in (name for name in EPOCH_METRICS if name != "raw_top1"):  # this network has no moving average
        assert [m.step for m in client.get_metric_history(child.info.run_id, name)] == [1, 2, 3]
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["results.csv", "summary.md"]
    assert parent.data.tags["mlflow.note.content"] == "Ship it."
    assert child.data.tags["on_frontier"] == "yes"


def test_a_restart_resumes_its_runs_and_duplicates_nothing(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    tracker, plan = start()
    record(plan, tracker, {0: 3, 1: 2})
    tracker.finish("KILLED", None)
    parent, children = find_runs(store, tmp_path.name)
    assert children[plan.points[1].id].info.status == "KILLED"

    again, _ = start()
    record(plan, again, {1: 3})  # a resumed trial repeats its first epochs
    again.finish("FINISHED", None)

    parent_after, children_after = find_runs(store, tmp_path.name)
    assert parent_after.info.run_id == parent.info.run_id
    assert {p: run.info.run_id for p, run in children_after.items()} == {
        p: run.info.run_id for p, run in children.items()
    }
    assert {run.info.status for run in children_after.values()} == {"FINISHED"}
    history = MlflowClient(store[0]).get_metric_history(children_after[plan.points[1].id].info.run_id, "top1")
    assert [(m.step, m.value) for m in history] == [(1, 10.0), (2, 20.0), (3, 30.0)]


@pytest.mark.parametrize("with_children", [False, True])
@pytest.mark.parametrize("while_running", [False, True])
def test_a_deleted_parent_run_is_restored_and_keeps_its_children(
    store: tuple[str, Path],
    start: Callable[..., tuple[Tracker, Plan]],
    tmp_path: Path,
    with_children: bool,
    while_running: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The MLflow UI deletes a run with its children, or without them."""
    monkeypatch.setattr("sweep.watch.tracker.RETRY_SECONDS", 0.01)
    said: list[str] = []
    first, plan = start(say=said.append)
    record(plan, first, {0: 3})
    wait_until(lambda: not first._pending and bool(first._run_ids))
    if not while_running:
        first.finish("KILLED", None)
    parent, children = find_runs(store, tmp_path.name)
    for run in (parent, *(children.values() if with_children else ())):
        first._client.delete_run(run.info.run_id)

    tracker = first if while_running else start(say=said.append)[0]
    record(plan, tracker, {1: 3})
    assert tracker.finish("FINISHED", None) is None

    parent_after, children_after = find_runs(store, tmp_path.name)
    assert parent_after.info.run_id == parent.info.run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in children_after.values()} == {parent.info.run_id}
    assert said[0].startswith("restored the deleted MLflow run")
    if not (while_running and with_children):  # a child that ended is restored in the next start
        assert set(children_after) == {point.id for point in plan.points}


def test_points_that_ended_without_a_tracker_are_written_once(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    silent, plan = start("nobody")
    silent.finish("FINISHED", None)
    record(plan, silent, {0: 3, 1: 3})  # its thread has ended: the log has the rows, the store does not

    for _ in range(2):
        tracker, _ = start()
        assert tracker.finish("FINISHED", None) is None

    _, children = find_runs(store, tmp_path.name)
    assert set(children) == {point.id for point in plan.points}
    for child in children.values():
        assert child.info.status == "FINISHED"
        assert len(MlflowClient(store[0]).get_metric_history(child.info.run_id, "top1")) == 3


def test_a_failed_point_is_a_failed_run_with_its_reason(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    tracker, plan = start()
    log = ResultsLog(plan.folder)
    open_recorder(plan.points, log, [tracker]).failed(plan.points[0].id, "diverged at epoch 1")
    log.close()
    tracker.finish("FINISHED", None)

    child = find_runs(store, tmp_path.name)[1][plan.points[0].id]
    assert (child.info.status, child.data.tags["reason"]) == ("FAILED", "diverged at epoch 1")
    assert "best_top1" not in child.data.metrics


def test_a_failed_point_that_completed_without_a_tracker_ends_finished(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    tracker, plan = start()
    log = ResultsLog(plan.folder)
    open_recorder(plan.points, log, [tracker]).failed(plan.points[0].id, "diverged at epoch 1")
    log.close()
    tracker.finish("FINISHED", None)
    silent, _ = start("nobody else")
    silent.finish("FINISHED", None)
    record(plan, silent, {0: 3})

    again, _ = start()
    again.finish("FINISHED", None)

    child = find_runs(store, tmp_path.name)[1][plan.points[0].id]
    assert (child.info.status, child.data.tags["state"], child.data.metrics["best_top1"]) == (
        "FINISHED",
        "COMPLETE",
        30,
    )


def test_unwritten_points_are_an_error_and_the_next_start_writes_them(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, plan = start()

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", away)
        record(plan, tracker, {0: 3, 1: 3})
        assert tracker.finish("FINISHED", None) == "2 points: the store is away"

    again, _ = start()
    assert again.finish("FINISHED", None) is None
    assert {run.info.status for run in find_runs(store, tmp_path.name)[1].values()} == {"FINISHED"}


def test_a_stopped_point_that_completed_without_a_tracker_is_complete(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path
) -> None:
    tracker, plan = start()
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log, [tracker])
    recorder.measured(measurement(plan.points[0], 1, top1=10.0))
    recorder._end(plan.points[0], "PRUNED", "behind the frontier")
    log.close()
    tracker.finish("FINISHED", None)
    silent, _ = start("nobody at all")
    silent.finish("FINISHED", None)
    record(plan, silent, {0: 3})

    again, _ = start()
    assert again.finish("FINISHED", None) is None

    child = find_runs(store, tmp_path.name)[1][plan.points[0].id]
    assert (child.data.tags["state"], child.data.metrics["best_top1"]) == ("COMPLETE", 30.0)


def test_a_run_is_resumed_if_the_answer_to_its_creation_was_lost(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run, created = MlflowClient.create_run, count(1)

    def without_answer(client: MlflowClient, *args: Any, **kwargs: Any) -> Run:
        run = create_run(client, *args, **kwargs)
        if next(created) in (1, 3):
            raise MlflowException("the answer is lost")
        return run

    monkeypatch.setattr(MlflowClient, "create_run", without_answer)
    monkeypatch.setattr("sweep.watch.tracker.RETRY_SECONDS", 0.01)
    tracker, plan = start()
    record(plan, tracker, {0: 3, 1: 3})
    written = threading.Event()
    monkeypatch.setattr(tracker, "_write_report", written.set)

    assert written.wait(timeout=30)
    assert tracker.finish("FINISHED", None) is None
    parent, children = find_runs(store, tmp_path.name)
    assert parent.data.params
    assert len(children) == 2
    assert next(created) == 4


def test_a_failed_write_is_repeated_later(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, plan = start()
    log_batch, failures, failed_twice = MlflowClient.log_batch, count(1), threading.Event()

    def sometimes(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        if not failed_twice.is_set():
            if next(failures) == 2:
                failed_twice.set()
            raise MlflowException("the store is away")
        return log_batch(client, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", sometimes)
    monkeypatch.setattr("sweep.watch.tracker.RETRY_SECONDS", 0.01)
    record(plan, tracker, {0: 3, 1: 3})

    assert failed_twice.wait(timeout=30)
    assert tracker.finish("FINISHED", None) is None
    _, children = find_runs(store, tmp_path.name)
    for child in children.values():
        assert [m.step for m in MlflowClient(store[0]).get_metric_history(child.info.run_id, "top1")] == [1, 2, 3]


def test_a_point_that_starts_twice_while_the_store_is_away_is_written(
    store: tuple[str, Path], start: Callable[..., tuple[Tracker, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, plan = start()

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", away)
        tracker.started(plan.points[0])
        tracker.lost(plan.points[0], "its process died")
        tracker.started(plan.points[0])

    assert tracker.finish("FINISHED", None) is None
    child = find_runs(store, tmp_path.name)[1][plan.points[0].id]
    assert (child.data.params["lr"], child.data.tags["lost"]) == ("0.005", "its process died")


def test_a_point_that_ended_and_starts_again_before_a_write_is_running() -> None:
    ended, again = _Pending(status="FINISHED"), _Pending(params={"lr": "0.1"})

    assert ended.followed_by(again).status == "RUNNING"
    assert ended.followed_by(_Pending(tags={"lost": "late"})).status == "FINISHED"
    assert again.followed_by(ended).status == "FINISHED"


def test_views_show_metrics_and_tags_that_points_have(
    start: Callable[..., tuple[Tracker, Plan]], store: tuple[str, Path]
) -> None:
    tracker, plan = start("views")
    recorder = open_recorder(plan.points, ResultsLog(plan.folder), [tracker])
    for point in plan.points:
        recorder.started(point.id)
        recorder.measured(measurement(point, 3, test_top1=50.0))
    tracker.finish("FINISHED", None)
    data = next(iter(find_runs(store, "views")[1].values())).data

    for view in VIEWS.values():
        columns = re.findall(r"(metrics|tags)\.`(\w+)`", " ".join([*view["selectedColumns"], view["orderByKey"]]))
        assert {name for kind, name in columns if kind == "metrics"} <= data.metrics.keys()
        assert {name for kind, name in columns if kind == "tags"} <= data.tags.keys()
        for chart in view.get("compareRunCharts", ()):
            assert {chart["xaxis"]["key"], chart["yaxis"]["key"]} <= data.metrics.keys()


def test_links_name_existing_views() -> None:
    keys = [re.findall(r"viewStateShareKey=(\w+)", link) for link in view_links("http://h:1", "7").values()]

    assert sorted(keys) == [[name] for name in sorted(VIEWS)]
