"""Turns the reports of trials into rows of the results log, and notifies listeners. Knows no Ray."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from analysis.results.chance import LEARNED_NOTHING, has_learned
from analysis.results.schema import State, outcome
from sweep.choose.queue import Queue
from sweep.plan.points import PlannedPoint
from sweep.plan.reuse import is_result_of
from sweep.plan.trials import PlannedTrial
from sweep.run.log import ResultsLog
from sweep.run.take_over import link_checkpoints
from trainers.config import as_row
from trainers.trial import Measurement

MOST_RESTARTS = 3
"""Most times that one start of a sweep resumes a trial whose process died."""
Trained = Mapping[str, tuple[Path, Mapping[str, Any]]]
"""Points that other sweeps have completed: the folder of the sweep and the row, by point id."""


class Listener(Protocol):
    """Follows a sweep while it runs. Its methods are called on the driver's loop, so they must return at once."""

    def started(self, point: PlannedPoint) -> None:
        """Handle that a trial has started `point`, perhaps again."""
        ...

    def measured(self, measurement: Measurement) -> None:
        """Handle a measurement. A resumed point repeats the measurements of its earlier epochs."""
        ...

    def lost(self, point: PlannedPoint, reason: str) -> None:
        """Handle that the process training `point` died; another process will go on from its checkpoint."""
        ...

    def ended(self, row: Mapping[str, Any]) -> None:
        """Handle the row of a point that ended; the row may not be on disk yet."""
        ...


class Recorder:
    """Keeps the trials that have not ended, and writes the row of each point exactly once, when the point ends."""

    def __init__(
        self,
        log: ResultsLog,
        listeners: Sequence[Listener],
        queue: Queue,
        history: Mapping[str, list[Measurement]],
        trained: Trained = MappingProxyType({}),
    ) -> None:
        """Record one start of a sweep.

        Args:
            log: receives the rows.
            listeners: are notified of every event.
            queue: hands out trials and says which points stop early.
            history: the measurements already in the log.
            trained: results of other sweeps, for points that a sampler proposes during this start.
        """
        self._trials: dict[str, PlannedTrial] = {}
        self._open: dict[str, PlannedPoint] = {}
        self._trial_of: dict[str, str] = {}
        self._log = log
        self._listeners = listeners
        self._queue = queue
        self._trained = trained
        self._restarts: dict[str, list[str]] = {}
        self._history = {id_: {m.epoch: m for m in measurements} for id_, measurements in history.items()}
        self._rows: dict[str, Mapping[str, Any]] = {}

    @property
    def trials(self) -> list[PlannedTrial]:
        """The open trials: handed out, with a point that has not ended."""
        return list(self._trials.values())

    def trial_of(self, point_id: str) -> PlannedTrial | None:
        """Return the trial of an open point; None for any other point."""
        return self._trials.get(self._trial_of[point_id]) if point_id in self._open else None

    @property
    def open_points(self) -> list[PlannedPoint]:
        """The points of open trials that have not ended."""
        return list(self._open.values())

    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The rows of the points that ended in this start, by point id."""
        return self._rows

    @property
    def over(self) -> bool:
        """Whether all trials must end now; their points go on in the next start."""
        return self._queue.over

    def take(self, busy: Collection[str] = ()) -> PlannedTrial | None:
        """Open and return the next trial of the queue; None if no trial is ready whose id is not in `busy`."""
        trial = self._queue.next([*busy, *self._trials])
        if trial is None:
            return None
        self._trials[trial.id] = trial
        for point in trial.points:
            self._open[point.id] = point
            self._trial_of[point.id] = trial.id
            self._history.setdefault(point.id, {})
            point.point.go_on()
            if self._source(point):
                link_checkpoints(self._trained[point.id][0], point.point)
        return trial

    def started(self, trial_id: str) -> None:
        """Notify the listeners that a process has started the trial, unless it has ended."""
        for point in self._open_of(trial_id):
            for listener in self._listeners:
                listener.started(point)

    def measured(self, measurement: Measurement) -> bool:
        """Log a new measurement, and the row of its point if that ends; return whether the point is to stop.

        A known epoch with different figures was trained again because its checkpoint was gone; the new figures count.
        """
        point = self._open.get(measurement.point)
        if point is None:
            return False
        history = self._history[point.id]
        is_new = measurement.epoch > max(history, default=0)
        if history.get(measurement.epoch) != measurement:
            history[measurement.epoch] = measurement
            self._log.append_measurement(measurement)
        for listener in self._listeners:
            listener.measured(measurement)
        reason = self._queue.measured(measurement) if is_new else None
        if self._source(point):
            reason = None  # another sweep has trained the point, so that stopping saves nothing
        if measurement.epoch == point.config.epochs:
            self._end(point, "COMPLETE", "")
            return False
        if reason is None:
            return False
        self._end(point, "PRUNED", reason)
        return True

    def lost(self, trial_id: str, reason: str) -> None:
        """Requeue a trial whose process died, at most MOST_RESTARTS times; after that its points fail."""
        points = self._open_of(trial_id)
        if not points:
            return
        restarts = self._restarts.setdefault(trial_id, [])
        if len(restarts) == MOST_RESTARTS:
            self.failed(trial_id, f"its process died {MOST_RESTARTS + 1} times, the last time: {reason}")
            return
        restarts.append(reason)
        trial = self._trials.pop(trial_id).only([point.id for point in points])
        assert trial is not None
        self._queue.put_back(trial)
        for point in points:
            del self._open[point.id]
            for listener in self._listeners:
                listener.lost(point, reason)

    def failed(self, trial_id: str, reason: str) -> None:
        """Write a FAILED row for every open point of a trial."""
        for point in self._open_of(trial_id):
            self._end(point, "FAILED", reason)

    def _end(self, point: PlannedPoint, state: State, reason: str) -> None:
        """Close a point, write its row, and notify everyone."""
        trial_id = self._trial_of[point.id]
        del self._open[point.id]
        if not self._open_of(trial_id):
            del self._trials[trial_id]
        restarts = self._restarts.get(trial_id, [])
        if restarts and not reason:
            reason = f"went on after its process died: {restarts[-1]}"
        history = [measurement for _, measurement in sorted(self._history[point.id].items())]
        row = row_of(point, state, reason, history, num_restarts=len(restarts))
        row["reused_from"] = self._source(point) or None
        self._rows[point.id] = row
        self._log.append_result(row)
        for listener in self._listeners:
            listener.ended(row)
        self._queue.ended(row)

    def _open_of(self, trial_id: str) -> list[PlannedPoint]:
        trial = self._trials.get(trial_id)
        return [point for point in trial.points if point.id in self._open] if trial else []

    def _source(self, point: PlannedPoint) -> str:
        """Return the name of another sweep that has trained `point`; "" without one."""
        if point.id not in self._trained:
            return ""
        folder, row = self._trained[point.id]
        return folder.name if is_result_of(row, point) else ""


def row_of(
    point: PlannedPoint, state: State, reason: str, history: Sequence[Measurement], *, num_restarts: int = 0
) -> dict[str, Any]:
    """Return the row of a point that ended; its reason says if the network has learned nothing."""
    row = {
        "point": point.id,
        "state": state,
        "reason": reason,
        "restarts": num_restarts,
        **as_row(point.config),
        "dataset": point.dataset.name,
        "fingerprint": point.dataset.fingerprint,
        **asdict(point.cost),
        "num_val": len(point.dataset.splits["val"]),
        "majority_top1": 100 * point.dataset.splits["val"].majority_share,
        **outcome(history),
        "reused_from": None,
        "ended_at": time.time(),
    }
    if state == "COMPLETE" and not has_learned(row):
        row["reason"] = "; ".join(filter(None, [reason, LEARNED_NOTHING]))
    return row
