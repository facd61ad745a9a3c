"""Hands out the trials of a sweep in the scheduler's order, and says when to stop a point. Knows no Ray."""

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
        """Return the next point; None once there are no more."""
        ...

    def ended(self, row: Mapping[str, Any]) -> None:
        """Record how a proposed point ended."""
        ...


class Queue:
    """Hands out the waiting trials in the scheduler's order, then one trial for each point of the sampler."""

    def __init__(
        self,
        scheduler: Scheduler,
        waiting: Sequence[PlannedTrial],
        sampler: Sampler | None = None,
        num_proposals: int = 0,
        deadline: float | None = None,
        max_failures: int | None = None,
    ) -> None:
        """Start with `waiting`.

        Args:
            scheduler: orders the trials; every waiting point has been added to it.
            waiting: trials to run.
            sampler: proposes more points.
            num_proposals: number of points that the sampler may propose.
            deadline: time on the monotonic clock after which nothing is trained.
            max_failures: number of failures in a row after which nothing is trained; divergence is no failure.
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
        """The trials that have not been handed out, without proposals."""
        return list(self._waiting)

    @property
    def num_proposals(self) -> int:
        """Number of points that the sampler may still propose."""
        return self._num_proposals

    @property
    def out_of_time(self) -> bool:
        """Whether the user's time budget is over."""
        return self._deadline is not None and time.monotonic() > self._deadline

    @property
    def given_up(self) -> str | None:
        """The reason of the last failure once `max_failures` points in a row have failed; None before."""
        return self._failures[-1] if self._failures and len(self._failures) == self._max_failures else None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be trained."""
        return self.out_of_time or self.given_up is not None

    def next(self, busy: Collection[str] = ()) -> PlannedTrial | None:
        """Return the trial to run next; None if no trial is ready whose id is not in `busy`."""
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
        """Return a trial that was handed out to the waiting trials."""
        self._waiting.append(trial)

    def measured(self, measurement: Measurement) -> str | None:
        """Return why the point should stop after this epoch; None if it should go on."""
        return self._scheduler.measured(measurement)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Record how a point ended; points that the scheduler revives because of it wait again."""
        state: State = row["state"]
        if self.given_up is None:
            failed = state == "FAILED" and not row["reason"].startswith(DIVERGED)
            self._failures = [*self._failures, row["reason"]] if failed else []
        revived = {point.id for point in self._scheduler.ended(row["point"], state)}
        self._waiting += trials_with({self._trials[id_].id: self._trials[id_] for id_ in revived}.values(), revived)
        if self._sampler:
            self._sampler.ended(row)
