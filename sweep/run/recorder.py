"""Recorder: turns what trials report into the rows of the results log, and tells whoever listens. Knows no Ray."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from analysis.results.read import ResultsLog
from analysis.results.schema import State, outcome
from sweep.choose.queue import Queue
from sweep.plan.plan import PlannedPoint
from sweep.plan.reuse import link_checkpoints
from trainers.config import as_row
from trainers.trial import Measurement

MOST_RESTARTS = 3
"""How often a start of a sweep goes on with a point whose process died."""


class Listener(Protocol):
    """Whoever follows a sweep while it runs. Called on the driver's loop, so it must return at once."""

    def started(self, point: PlannedPoint) -> None:
        """A trial has taken up `point`, perhaps again."""
        ...

    def measured(self, measurement: Measurement) -> None:
        """A point finished an epoch. A resumed point tells its earlier epochs again."""
        ...

    def lost(self, point: PlannedPoint, reason: str) -> None:
        """The process of `point` died; another one will go on from its checkpoint."""
        ...

    def ended(self, row: Mapping[str, Any]) -> None:
        """A point ended; its row is on its way to the results log."""
        ...


class Recorder:
    """Keeps the points that have not ended and writes each one's row when it does: once, with its reason."""

    def __init__(
        self,
        log: ResultsLog,
        listeners: Sequence[Listener],
        queue: Queue,
        history: Mapping[str, list[Measurement]],
        trained: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        """Listen to a sweep.

        Args:
            log: where rows go.
            listeners: who is told.
            queue: says which trials stop early.
            history: the measurements that the log already has.
            trained: points that another sweep holds COMPLETE, with its folder: their trials find them trained.
        """
        self._open: dict[str, PlannedPoint] = {}
        self._log = log
        self._listeners = listeners
        self._queue = queue
        self._trained = trained
        self._restarts: dict[str, list[str]] = {}
        self._history = {id_: {m.epoch: m for m in measurements} for id_, measurements in history.items()}

    @property
    def unfinished(self) -> list[PlannedPoint]:
        """The points that were taken up and have not ended."""
        return list(self._open.values())

    @property
    def over(self) -> bool:
        """Whether trials must end now, whose points go on the next time."""
        return self._queue.over

    def take(self, held: Collection[str] = ()) -> PlannedPoint | None:
        """The next point of the queue, if there is one but for those `held`, which is open from now on."""
        point = self._queue.next(held)
        if point is not None:
            self._open[point.id] = point
            self._history.setdefault(point.id, {})
            if point.id in self._trained:
                link_checkpoints(self._trained[point.id], point)
        return point

    def started(self, point_id: str) -> None:
        """A trial has taken up the point; nothing if it has ended."""
        if point_id in self._open:
            for listener in self._listeners:
                listener.started(self._open[point_id])

    def measured(self, measurement: Measurement) -> bool:
        """Log the measurement unless it is known, and the point's row if it ends with it; whether it is to stop.

        A known epoch that comes with other figures was trained again, as its checkpoint was gone: these count.
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
        if point.id in self._trained:
            reason = None  # there is nothing left to save
        if measurement.epoch == point.config.epochs:
            self.ended(point.id, "COMPLETE", "")
            return False
        if reason is None:
            return False
        self.ended(point.id, "PRUNED", reason)
        return True

    def lost(self, point_id: str, reason: str) -> None:
        """The process of a point died: another one is to go on from its checkpoint, MOST_RESTARTS times at most."""
        if point_id not in self._open:
            return
        restarts = self._restarts.setdefault(point_id, [])
        if len(restarts) == MOST_RESTARTS:
            self.ended(point_id, "FAILED", f"its process died {MOST_RESTARTS + 1} times, the last time: {reason}")
        else:
            restarts.append(reason)
            point = self._open.pop(point_id)
            self._queue.put_back(point)
            for listener in self._listeners:
                listener.lost(point, reason)

    def ended(self, point_id: str, state: State, reason: str) -> None:
        """Write the row of a point, unless it has one."""
        point = self._open.pop(point_id, None)
        if point is None:
            return
        restarts = self._restarts.get(point_id, [])
        if restarts and not reason:
            reason = f"went on after its process died: {restarts[-1]}"
        history = [measurement for _, measurement in sorted(self._history[point_id].items())]
        row = row_of(point, state, reason, history, num_restarts=len(restarts))
        row["reused_from"] = self._trained[point_id].name if point_id in self._trained else None
        self._log.append_result(row)
        for listener in self._listeners:
            listener.ended(row)
        self._queue.ended(row)


def row_of(
    point: PlannedPoint, state: State, reason: str, history: Sequence[Measurement], *, num_restarts: int = 0
) -> dict[str, Any]:
    """The row of a point that ended."""
    return {
        "point": point.id,
        "state": state,
        "reason": reason,
        "restarts": num_restarts,
        **as_row(point.config),
        "dataset": point.dataset.name,
        "fingerprint": point.dataset.fingerprint,
        **asdict(point.cost),
        **outcome(history),
        "reused_from": None,
        "ended_at": time.time(),
    }
