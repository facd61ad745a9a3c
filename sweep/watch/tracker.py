"""Mirrors the sweep into MLflow: a parent run, and one child run per point.

Training never waits for MLflow: the methods of the listener only note what is to be written, and one thread writes the
notes of each point in one batch. Metrics carry the time of their measurement, so that writing them again after a
restart changes nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweep.watch.mlflow_store import FOLDER, NOTE, Store  # first, as it sets variables that MLflow reads on import

# isort: split
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from analysis.results.read import config_of_row
from trainers.config import as_row
from trainers.errors import counted, one_line
from trainers.trial import Measurement

if TYPE_CHECKING:
    from analysis.report.report import Report
    from sweep.plan.left import Left  # PyTorch takes seconds to import
    from sweep.plan.points import PlannedPoint

ON_FRONTIER = "on_frontier"
"""The tag that says whether a child run is on the frontier of MACs against top-1."""
ENDED = ("FINISHED", "FAILED")
"""The statuses of a run whose point has ended."""
RETRY_SECONDS = 5.0
"""Seconds between attempts while the store cannot be reached."""
EPOCH_METRICS = ("top1", "top5", "raw_top1", "val_loss", "train_loss", "lr", "images_per_second")
COSTS = ("macs", "num_params", "activations")
SUMMARY = {
    "best_top1": "top1",
    "best_top5": "top5",
    "best_val_loss": "val_loss",
    "best_epoch": "best_epoch",
    "final_top1": "final_top1",
    "final_top5": "final_top5",
    "final_val_loss": "final_val_loss",
    "test_top1": "test_top1",
    "test_top5": "test_top5",
    "train_seconds": "train_seconds",
}
"""The column of the results log for each metric of an ended point in MLflow."""


@dataclass
class _Pending:
    """The notes of one point that are still to be written."""

    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    """Params by name, as MLflow refuses repeated names and a point may start again before its params are written."""
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "RUNNING"

    def followed_by(self, later: "_Pending | None") -> "_Pending":
        """Return these notes and `later` ones as one."""
        if later is None:
            return self
        starts = later.status == "RUNNING" and later.params
        status = self.status if later.status == "RUNNING" and not starts else later.status
        return _Pending(self.metrics + later.metrics, self.params | later.params, self.tags | later.tags, status)


class Tracker:
    """A listener that mirrors the sweep into MLflow."""

    def __init__(
        self,
        store: Store,
        left: "Left",
        *,
        sweep_id: str,
        tags: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        """Start the writing thread, which looks for the runs of an earlier start before it writes.

        Args:
            store: holds the runs.
            left: the plan, and its ended points, which are written unless the store has them.
            sweep_id: identifies the runs of this sweep.
            tags: tags of the parent and of every child.
            say: receives a line for each run that somebody deleted and that is restored.
        """
        self._plan = plan = left.plan
        self._sweep_id = sweep_id
        self._say = say
        self._tags = {"sweep_id": sweep_id, "sweep": plan.name, "dataset": plan.dataset.name, **tags}
        self._client, self._experiment_id = store.client, store.experiment_id
        self._planned = {point.id: point for point in plan.points}
        self._parent_id = ""
        self._knows_runs = False
        self._run_ids: dict[str, str] = {}
        self._ended, self._history = list(left.ended.values()), left.history
        self._pending: dict[str, _Pending] = {}
        self._wake = threading.Condition()
        self._report: Report | None = None
        self._closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write_until_closed, name="mlflow-writer", daemon=True)
        self._thread.start()

    def started(self, point: "PlannedPoint") -> None:
        """Show the point as running."""
        with self._wake:
            self._planned[point.id] = point
            pending = self._pending.setdefault(point.id, _Pending())
            pending.status = "RUNNING"
            pending.params |= {name: str(value) for name, value in as_row(point.config).items()}
            pending.tags[FOLDER] = str(point.folder)
            pending.metrics += [Metric(name, getattr(point.cost, name), 0, 0) for name in COSTS]
            self._wake.notify()

    def measured(self, measurement: Measurement) -> None:
        """Add the metrics of an epoch."""
        at = round(measurement.measured_at * 1000)
        with self._wake:
            pending = self._pending.setdefault(measurement.point, _Pending())
            pending.metrics += [
                Metric(name, getattr(measurement, name), at, measurement.epoch)
                for name in EPOCH_METRICS
                if getattr(measurement, name) is not None
            ]
            self._wake.notify()

    def lost(self, point: "PlannedPoint", reason: str) -> None:
        """Tag the run with the reason, which replaces an earlier one."""
        with self._wake:
            self._pending.setdefault(point.id, _Pending()).tags["lost"] = reason
            self._wake.notify()

    def ended(self, row: Mapping[str, Any]) -> None:
        """Add the summary, the state and the reason, and end the run."""
        at, step = round(row["ended_at"] * 1000), row["epochs_trained"]
        with self._wake:
            pending = self._pending.setdefault(row["point"], _Pending())
            pending.metrics += [
                Metric(name, row[column], at, step) for name, column in SUMMARY.items() if row[column] is not None
            ]
            pending.tags |= {"state": row["state"], "reason": row["reason"]}
            pending.status = "FAILED" if row["state"] == "FAILED" else "FINISHED"
            self._wake.notify()

    def attach(self, report: "Report") -> None:
        """Attach a report to the parent run; it replaces an earlier one."""
        with self._wake:
            self._report = report
            self._wake.notify()

    def finish(self, status: str, report: "Report | None") -> str | None:
        """Write all notes and the report, and end the parent run; return what could not be written, None if nothing."""
        with self._wake:
            self._report = report
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if not self._knows_runs or self._pending or self._report:
            unsent = [counted(len(self._pending), "point")] if self._pending else []
            unsent += ["the report"] if self._report else []
            return f"{' and '.join(unsent) or 'this start'}: {one_line(self._error or 'the writing thread ended')}"
        try:
            self._restore([self._client.get_run(self._parent_id)])
            for run in self._find_runs("attributes.status = 'RUNNING'"):
                if run.info.run_id != self._parent_id:
                    self._client.set_terminated(run.info.run_id, "KILLED")
            self._client.set_terminated(self._parent_id, status)
        except (MlflowException, OSError) as error:
            return f"how the sweep ended: {one_line(error)}"
        return None

    def _write_until_closed(self) -> None:
        while True:
            with self._wake:
                # wait for notes: reading the runs of an earlier start takes long, and would delay the first trials
                self._wake.wait_for(lambda: self._pending or self._report or self._closing)
                closing = self._closing
            self._error = None
            try:
                if not self._knows_runs:
                    self._find_or_begin()
                while self._pending:
                    self._write_oldest()
                self._write_report()
            except Exception as error:  # training goes on whatever it is, and writing is tried again
                self._error = error
                self._knows_runs = False  # a run may have been created although its answer was lost
            if closing:
                return
            if self._error is not None:
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, timeout=RETRY_SECONDS)

    def _write_report(self) -> None:
        """Attach the waiting report, and tag the runs on its frontier."""
        report = self._report
        if report is None:
            return
        self._restore([self._client.get_run(self._parent_id)])
        for path in sorted(report.folder.iterdir()):
            if not path.name.startswith("."):  # a hidden file is being written
                self._client.log_artifact(self._parent_id, str(path))
        self._client.set_tag(self._parent_id, NOTE, report.summary)
        frontier = report.frontier_points
        at = round(time.time() * 1000)
        counts = {"num_ended": report.num_points, "num_frontier": len(frontier)}
        self._client.log_batch(self._parent_id, [Metric(name, count, at, 0) for name, count in counts.items()])
        on_frontier = {self._run_ids[point] for point in frontier if point in self._run_ids}
        tagged = {run.info.run_id for run in self._find_runs(f"tags.{ON_FRONTIER} = 'yes'")}
        for run_id in on_frontier ^ tagged:
            self._client.set_tag(run_id, ON_FRONTIER, "yes" if run_id in on_frontier else "no")
        with self._wake:
            if self._report is report:
                self._report = None

    def _find_or_begin(self) -> None:
        """Find the runs of an earlier start, create or resume the parent, and note what the store lacks."""
        # newest first, so that the oldest run of a point overwrites the others below
        known = sorted(self._find_runs(view=ViewType.ALL), key=lambda run: -run.info.start_time)
        self._restore(known)
        self._run_ids = {run.data.tags["point"]: run.info.run_id for run in known if "point" in run.data.tags}
        self._parent_id = self._start_parent(known)
        self._knows_runs = True
        written = {(run.info.run_id, run.data.tags.get("state")) for run in known if run.info.status in ENDED}
        ended, self._ended = self._ended, ()
        for row in ended:
            if (self._run_ids.get(row["point"]), row["state"]) not in written:
                self.started(self._planned.get(row["point"]) or self._plan.point(config_of_row(row)))
                for measurement in self._history.get(row["point"], ()):
                    self.measured(measurement)
                self.ended(row)

    def _restore(self, runs: Iterable[Run]) -> None:
        """Restore deleted runs, as a child run without its parent, or a point without its run, would come again."""
        for run in runs:
            if run.info.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_run(run.info.run_id)
                self._say(f"restored the deleted MLflow run {run.info.run_name}, as its sweep goes on")

    def _find_runs(self, *conditions: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        query = " AND ".join([f"tags.sweep_id = '{self._sweep_id}'", *conditions])
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment_id], query, view, max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def _start_parent(self, known: Sequence[Run]) -> str:
        earlier = [run for run in known if "point" not in run.data.tags]
        if earlier:
            run = earlier[-1]
            self._client.update_run(run.info.run_id, "RUNNING")
        else:
            run = self._client.create_run(self._experiment_id, tags=self._tags, run_name=self._plan.name)
        if not run.data.params:  # an earlier attempt may have failed before it
            fixed = {
                n: v for n, v in self._plan.config.defining.items() if n.removeprefix("train.") not in self._plan.varied
            }
            params = [Param(name, str(value)) for name, value in fixed.items()]
            self._client.log_batch(run.info.run_id, params=params)
        return run.info.run_id

    def _write_oldest(self) -> None:
        """Write the notes of one point; after a failure they wait again, before newer notes."""
        with self._wake:
            point_id = next(iter(self._pending))
            pending = self._pending.pop(point_id)
        try:
            self._write(point_id, pending)
        except BaseException:
            with self._wake:
                self._pending[point_id] = pending.followed_by(self._pending.get(point_id))
            raise

    def _write(self, point_id: str, pending: _Pending) -> None:
        run_id = self._run_ids.get(point_id)
        if run_id is None:
            tags = {**self._tags, "point": point_id, "mlflow.parentRunId": self._parent_id}
            run = self._client.create_run(self._experiment_id, tags=tags, run_name=self._planned[point_id].label)
            run_id = self._run_ids[point_id] = run.info.run_id
        elif pending.params and pending.status == "RUNNING":
            self._client.update_run(run_id, "RUNNING")
        params = [Param(name, value) for name, value in pending.params.items()]
        tags = [RunTag(name, value) for name, value in pending.tags.items()]
        self._client.log_batch(run_id, pending.metrics, params, tags)
        if pending.status != "RUNNING":
            self._client.set_terminated(run_id, pending.status)
