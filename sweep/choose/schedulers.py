"""Schedulers: which trial to run next, and which points to stop early. Only `Asha` uses Ray."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import Any, Protocol

from analysis.results.schema import State
from sweep.choose.comparisons import Comparisons, Contender
from sweep.config import SchedulerName
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from trainers.trial import Measurement

CERTAIN = 0.96
"""Probability that another setting of the network is as good or better, above which a point is stopped."""
INDIFFERENT = 0.01
"""Relative loss of top-1 below which a worse setting counts as equally good."""
MOST_RIVALS = 4
"""Most other settings of its network with which a point is compared; the best ones."""
MOST_RANKED = 8
"""Most waiting trials of a network that are ranked to choose the next one."""


class Scheduler(Protocol):
    """Decides what to train next and what to stop."""

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Add a point with its measurements and, if it has ended, its state in earlier starts."""
        ...

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """Return the trial to run next, one of `waiting`, which is not empty."""
        ...

    def measured(self, measurement: Measurement) -> str | None:
        """Return why the point should stop after this epoch; None if it should go on."""
        ...

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """Record the end of a point; return the stopped points that have to go on because of it."""
        ...


class Fifo:
    """Trains every point to its last epoch, the longest trials first."""

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Ignore the point: the order depends on the trials alone."""

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """Return the trial that takes longest."""
        return max(waiting, key=lambda trial: trial.work)

    def measured(self, measurement: Measurement) -> str | None:
        """Stop no point."""
        return None

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """Revive no point."""
        return ()


class Asha(Fifo):
    """Ray Tune's ASHA by accuracy alone: finds the most accurate network, and stops nearly all small ones."""

    def __init__(self) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler  # takes seconds to import

        self._build: Callable[..., Any] = AsyncHyperBandScheduler
        self._ray: Any = None
        self._epochs = 1
        self._trials: dict[str, SimpleNamespace] = {}
        self._history: list[Measurement] = []

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Add a point: the longest training known at the first measurement sets the rungs; `history` fills them."""
        self._epochs = max(self._epochs, point.config.epochs)
        self._history += history

    def measured(self, measurement: Measurement) -> str | None:
        """Stop the point at a rung unless it is in the best third of the points that reached the rung."""
        if self._ray is None:
            self._ray = self._build("epoch", metric="top1", mode="max", max_t=self._epochs, reduction_factor=3)
            for earlier in self._history:
                self._stops(earlier)
        if self._stops(measurement):
            return f"stopped at epoch {measurement.epoch} of {self._epochs}: not in ASHA's best third"
        return None

    def _stops(self, measurement: Measurement) -> bool:
        trial = self._trials.get(measurement.point)
        if trial is None:
            trial = self._trials[measurement.point] = SimpleNamespace(trial_id=measurement.point)
            self._ray.on_trial_add(None, trial)
        result = {"epoch": measurement.epoch, "top1": measurement.top1}
        return self._ray.on_trial_result(None, trial, result) == "STOP"


class Frontier:
    """Stops a point once another setting of its network is surely better, so that the frontier keeps all its networks.

    A point is stopped only in favour of another setting of its own network, never because a larger network is more
    accurate, and the favoured setting goes on. Small networks, which cost little, are trained first: their measurements
    show which settings are bad (see `sweep.choose.comparisons`), and stop these early in the large networks.
    """

    def __init__(self) -> None:
        self._comparisons = Comparisons()
        self._contenders: dict[str, Contender] = {}
        self._points: dict[str, PlannedPoint] = {}
        self._states: dict[str, State | None] = {}
        self._favoured: dict[str, str] = {}

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Add a point with its earlier epochs; a failed point counts as waiting, as it is tried again."""
        num_val = len(point.dataset.splits["val"])
        contender = self._contenders[point.id] = self._comparisons.add(point.id, point.config, num_val)
        self._points[point.id] = point
        self._states[point.id] = None if state == "FAILED" else state
        for measurement in history:
            self._comparisons.measured(contender, measurement.top1, self._rivals(contender))

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """Return the trial with the most promising setting of the smallest network, so that bad settings stop sooner.

        A trial of several points is ranked by the smallest of their networks.
        """
        smallest = min(waiting, key=lambda trial: trial.smallest.cost.macs).smallest
        group = self._contenders[smallest.id].group
        same = [trial for trial in waiting if self._contenders[trial.smallest.id].group is group][:MOST_RANKED]
        reference = self._contenders[same[0].smallest.id]
        return max(same, key=lambda t: self._comparisons.advantage(self._contenders[t.smallest.id], reference)[0])

    def measured(self, measurement: Measurement) -> str | None:
        """Stop the point if one of the best other settings of its network is surely as good or better."""
        contender = self._contenders[measurement.point]
        epochs = contender.group.epochs
        rivals = self._rivals(contender)
        self._comparisons.measured(contender, measurement.top1, rivals)
        twins = {
            self._states[other.point]
            for other in contender.group.by_setting[contender.setting]
            if other is not contender
        }
        if measurement.epoch == epochs or "COMPLETE" in twins:
            return None  # the seeds of a setting are stopped all or none, as the mean of the lucky ones says nothing
        if "PRUNED" in twins:
            return f"stopped at epoch {measurement.epoch} of {epochs}: another seed of this setting was"
        for rival in rivals:
            mean, deviation = self._comparisons.advantage(rival, contender)
            probability = (1 + math.erf((mean + INDIFFERENT) / deviation / math.sqrt(2))) / 2
            if probability > CERTAIN:
                self._favoured[contender.point] = rival.point
                return (
                    f"stopped at epoch {measurement.epoch} of {epochs}: {self._points[rival.point].label} is as good "
                    f"or better with a probability of {min(99.9, 100 * probability):.1f} %"
                )
        return None

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """Record the end of a point; after a failure, return stopped points of its network that have to go on.

        All seeds of the best stopped setting go on if a point was stopped in favour of the failed one, or if no other
        measured point of the network is complete or under way.
        """
        self._states[point_id] = state
        if state != "FAILED":
            return ()
        group = self._contenders[point_id].group
        stopped = [contender for contender in group.contenders if self._states[contender.point] == "PRUNED"]
        in_its_favour = any(self._favoured.get(contender.point) == point_id for contender in stopped)
        if not stopped or (
            not in_its_favour and any(self._stands(contender) and contender.curve for contender in group.contenders)
        ):
            return ()
        best = max(stopped, key=lambda contender: contender.curve[-1])
        revived = [contender.point for contender in stopped if contender.setting == best.setting]
        self._states.update(dict.fromkeys(revived))
        return [self._points[point] for point in revived]

    def _stands(self, contender: Contender) -> bool:
        """Whether the contender is complete or still to be completed."""
        return self._states[contender.point] in (None, "COMPLETE")

    def _rivals(self, contender: Contender) -> list[Contender]:
        """Return the best contenders of other settings, by top-1 at the next epoch of `contender` or at their last."""
        others = [
            other
            for other in contender.group.contenders
            if other.setting != contender.setting and other.curve and self._stands(other)
        ]
        epochs = len(contender.curve) + 1  # of the next measurement
        return sorted(others, key=lambda other: -other.curve[min(epochs, len(other.curve)) - 1])[:MOST_RIVALS]


SCHEDULERS: Mapping[SchedulerName, Callable[[], Scheduler]] = MappingProxyType(
    {"frontier": Frontier, "fifo": Fifo, "asha": Asha}
)
"""Schedulers by name; `sweep.plan.kinds` holds what a plan needs to know of each."""
