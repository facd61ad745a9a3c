"""The trials of a sweep in the order in which they are trained, and when to stop a point. Knows no Ray."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from analysis.results.schema import State
from sweep.choose.schedulers import Scheduler
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial, trials_with
from trainers.errors import DIVERGED
from trainers.trial import Measurement


class Sampler(Protocol):
    """Proposes points one by one."""

    def propose(self) -> PlannedPoint | None:
        """The next point; None once there are no more."""
        ...

    def ended(self, row: Mapping[str, Any]) -> None:
        """Learn how a proposed point ended."""
        ...


class Queue:
    """Hands out trials: those that wait, as the scheduler orders them, then one for each point of the sampler."""

    def __init__(
        self,
        scheduler: Scheduler,
        waiting: Sequence[PlannedTrial],
        sampler: Sampler | None = None,
        num_proposals: int = 0,
        deadline: float | None = None,
        max_failures: int | None = None,
    ) -> None:
        """Hand out trials until there are none.

        Args:
            scheduler: knows every point of the waiting trials, and orders the trials.
            waiting: trials to run.
            sampler: proposes more points.
            num_proposals: points that the sampler may propose.
            deadline: time of the monotonic clock after which nothing is trained.
            max_failures: failures in a row after which nothing is trained; a diverged training is no failure.
        """
        self._scheduler = scheduler
        self._waiting = list(waiting)
        self._trials = {point.id: trial for trial in waiting for point in trial.points}
        self._sampler = sampler
        self._num_proposals = num_proposals
        self._deadline = deadline
        self._max_failures = max_failures
        self._failures: list[str] = []

    @property
    def waiting(self) -> list[PlannedTrial]:
        """The known trials that have not been handed out."""
        return list(self._waiting)

    @property
    def num_proposals(self) -> int:
        """Points that the sampler may still propose."""
        return self._num_proposals

    @property
    def out_of_time(self) -> bool:
        """Whether the user's time budget is over."""
        return self._deadline is not None and time.monotonic() > self._deadline

    @property
    def given_up(self) -> str | None:
        """Why the last of too many points in a row failed; None while there are not too many."""
        return self._failures[-1] if self._failures and len(self._failures) == self._max_failures else None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be trained."""
        return self.out_of_time or self.given_up is not None

    def next(self, busy: Collection[str] = ()) -> PlannedTrial | None:
        """The trial to run next, with none of the ids `busy`; None if there is none now."""
        if self.over:
            return None
        if waiting := [trial for trial in self._waiting if trial.id not in busy]:
            trial = self._scheduler.choose(waiting)
            self._waiting.remove(trial)
            return trial
        proposal = self._sampler.propose() if self._sampler and self._num_proposals else None
        if proposal is None:
            self._num_proposals = 0
            return None
        self._num_proposals -= 1
        self._scheduler.add(proposal, [], None)
        trial = self._trials[proposal.id] = PlannedTrial.alone(proposal)
        return trial

    def put_back(self, trial: PlannedTrial) -> None:
        """Have a trial that was handed out wait again."""
        self._waiting.append(trial)

    def measured(self, measurement: Measurement) -> str | None:
        """Why the point should stop after this epoch; None if it should go on."""
        return self._scheduler.measured(measurement)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Learn how a point ended; points that were stopped in its favour may wait again."""
        state: State = row["state"]
        if self.given_up is None:
            failed = state == "FAILED" and not row["reason"].startswith(DIVERGED)
            self._failures = [*self._failures, row["reason"]] if failed else []
        revived = {point.id for point in self._scheduler.ended(row["point"], state)}
        self._waiting += trials_with({self._trials[id_].id: self._trials[id_] for id_ in revived}.values(), revived)
        if self._sampler:
            self._sampler.ended(row)
