"""The points of a sweep in the order in which they are trained, and when to stop one. Knows no Ray."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sweep.plan import PlannedPoint
from sweep.results import State
from sweep.schedulers import Scheduler
from trainers.measurement import Measurement


class Sampler(Protocol):
    """Chooses points one by one."""

    def propose(self) -> PlannedPoint | None:
        """The next point; None once there are no more."""
        ...

    def ended(self, row: Mapping[str, Any]) -> None:
        """Learn how a proposed point ended."""
        ...


class Queue:
    """Hands out points: those that wait, as the scheduler orders them, then what the sampler proposes."""

    def __init__(
        self,
        scheduler: Scheduler,
        waiting: Sequence[PlannedPoint],
        sampler: Sampler | None = None,
        num_proposals: int = 0,
        deadline: float | None = None,
    ) -> None:
        """`waiting` are known to the scheduler; after `deadline`, of the monotonic clock, nothing more is trained."""
        self._scheduler = scheduler
        self._waiting = list(waiting)
        self._sampler = sampler
        self._num_proposals = num_proposals
        self._deadline = deadline

    @property
    def waiting(self) -> list[PlannedPoint]:
        """The known points that have not been handed out."""
        return list(self._waiting)

    @property
    def num_proposals(self) -> int:
        """Points that the sampler may still propose."""
        return self._num_proposals

    @property
    def out_of_time(self) -> bool:
        """Whether the time that the user gave is over."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def next(self) -> PlannedPoint | None:
        """The point to train next; None if there is none now."""
        if self.out_of_time:
            return None
        if self._waiting:
            point = self._scheduler.choose(self._waiting)
            self._waiting.remove(point)
            return point
        proposal = self._sampler.propose() if self._sampler and self._num_proposals else None
        if proposal is None:
            self._num_proposals = 0
            return None
        self._num_proposals -= 1
        self._scheduler.add(proposal, [], None)
        return proposal

    def measured(self, measurement: Measurement) -> str | None:
        """Why the point should stop after this epoch; None if it should go on."""
        return self._scheduler.measured(measurement)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Learn how a point ended; a stopped one may have to go on for it."""
        state: State = row["state"]
        revived = self._scheduler.ended(row["point"], state)
        if revived is not None:
            self._waiting.append(revived)
        if self._sampler:
            self._sampler.ended(row)
