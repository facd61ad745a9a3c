"""The points of a sweep in the order in which they are trained, and when to stop one. Knows no Ray."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from analysis.results.schema import State
from sweep.choose.schedulers import Scheduler
from sweep.plan.plan import PlannedPoint
from trainers.errors import DIVERGED
from trainers.trial import Measurement


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
        max_failures: int | None = None,
    ) -> None:
        """Hand out points until there are none.

        Args:
            scheduler: knows those that wait, and orders them.
            waiting: points to train.
            sampler: proposes more.
            num_proposals: how many.
            deadline: of the monotonic clock; nothing is trained after it.
            max_failures: after so many failures in a row nothing more is trained; a diverged training is none.
        """
        self._scheduler = scheduler
        self._waiting = list(waiting)
        self._sampler = sampler
        self._num_proposals = num_proposals
        self._deadline = deadline
        self._max_failures = max_failures
        self._failures: list[str] = []

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

    @property
    def given_up(self) -> str | None:
        """Why the last of too many points in a row failed; None while there are not."""
        return self._failures[-1] if self._failures and len(self._failures) == self._max_failures else None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be trained."""
        return self.out_of_time or self.given_up is not None

    def next(self, held: Collection[str] = ()) -> PlannedPoint | None:
        """The point to train next, none of those with the ids `held`; None if there is none now."""
        if self.over:
            return None
        if waiting := [point for point in self._waiting if point.id not in held]:
            point = self._scheduler.choose(waiting)
            self._waiting.remove(point)
            return point
        proposal = self._sampler.propose() if self._sampler and self._num_proposals else None
        if proposal is None:
            self._num_proposals = 0
            return None
        self._num_proposals -= 1
        self._scheduler.add(proposal, [], None)
        return proposal

    def put_back(self, point: PlannedPoint) -> None:
        """Have a point that was handed out wait again."""
        self._waiting.append(point)

    def measured(self, measurement: Measurement) -> str | None:
        """Why the point should stop after this epoch; None if it should go on."""
        return self._scheduler.measured(measurement)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Learn how a point ended; stopped ones may have to go on for it."""
        state: State = row["state"]
        if self.given_up is None:
            failed = state == "FAILED" and not row["reason"].startswith(DIVERGED)
            self._failures = [*self._failures, row["reason"]] if failed else []
        self._waiting += self._scheduler.ended(row["point"], state)
        if self._sampler:
            self._sampler.ended(row)
