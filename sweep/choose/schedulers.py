"""Early stopping: which point to train next, and which trials need not go on. Knows no Ray but for `asha`."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import Any, Protocol

from analysis.results.schema import State
from sweep.choose.comparisons import Comparisons, Trial
from sweep.config import SchedulerName
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from trainers.trial import Measurement

CERTAIN = 0.96
"""A trial is stopped once another setting of its network is as good or better with this probability."""
INDIFFERENT = 0.01
"""A setting that is worse by less than this share is as good."""
MOST_RIVALS = 4
"""Settings of its network that a trial is compared with: the best ones."""
MOST_RANKED = 8
"""Settings of a network that are ranked to choose the one to train first."""


class Scheduler(Protocol):
    """Decides what to train next and what to stop."""

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Learn of a point, of what it showed in earlier starts, and of how it ended there, if it did."""
        ...

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """The trial to run next, one of `waiting`, which is not empty."""
        ...

    def measured(self, measurement: Measurement) -> str | None:
        """Why the point should stop after this epoch; None if it should go on."""
        ...

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """A point ended. Those that were stopped in its favour and have to go on after all."""
        ...


class Fifo:
    """Train every point to its last epoch, those that take longest first."""

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Nothing is to be learnt."""

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """The trial of the longest training."""
        return max(waiting, key=lambda trial: trial.work)

    def measured(self, measurement: Measurement) -> str | None:
        """Nothing is stopped."""
        return None

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """Nothing was stopped."""
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
        """The longest training known at the first measurement decides the rungs; earlier measurements fill them."""
        self._epochs = max(self._epochs, point.config.epochs)
        self._history += history

    def measured(self, measurement: Measurement) -> str | None:
        """Stopped at a rung where it is not in the best third of those that came as far."""
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
    """Stop a setting once another one of the same network is surely better: the frontier keeps all its networks.

    A trial is stopped only in favour of another setting of its own network, never for a larger one's accuracy, and the
    one in whose favour stays. Small networks, which cost little, are trained first: what they tell about the settings
    (see `sweep.choose.comparisons`) has bad ones stopped early in the large networks.
    """

    def __init__(self) -> None:
        self._comparisons = Comparisons()
        self._trials: dict[str, Trial] = {}
        self._points: dict[str, PlannedPoint] = {}
        self._states: dict[str, State | None] = {}
        self._favoured: dict[str, str] = {}

    def add(self, point: PlannedPoint, history: Sequence[Measurement], state: State | None) -> None:
        """Take the point in with its earlier epochs; a point that failed is tried again."""
        num_val = len(point.dataset.splits["val"])
        trial = self._trials[point.id] = self._comparisons.add(point.id, point.config, num_val)
        self._points[point.id] = point
        self._states[point.id] = None if state == "FAILED" else state
        for measurement in history:
            self._comparisons.measured(trial, measurement.top1, self._rivals(trial))

    def choose(self, waiting: Sequence[PlannedTrial]) -> PlannedTrial:
        """The trial of the smallest network, and of its settings the most promising: bad ones then stop the sooner.

        A trial of several points counts by the smallest of their networks.
        """
        smallest = min(waiting, key=lambda trial: trial.smallest.cost.macs).smallest
        group = self._trials[smallest.id].group
        same = [trial for trial in waiting if self._trials[trial.smallest.id].group is group][:MOST_RANKED]
        reference = self._trials[same[0].smallest.id]
        return max(same, key=lambda t: self._comparisons.advantage(self._trials[t.smallest.id], reference)[0])

    def measured(self, measurement: Measurement) -> str | None:
        """Stopped where one of the best other settings of its network is surely as good or better."""
        trial = self._trials[measurement.point]
        epochs = trial.group.epochs
        rivals = self._rivals(trial)
        self._comparisons.measured(trial, measurement.top1, rivals)
        twins = {self._states[other.point] for other in trial.group.by_setting[trial.setting] if other is not trial}
        if measurement.epoch == epochs or "COMPLETE" in twins:
            return None  # the seeds of a setting are stopped all or none, as the mean of the lucky ones says nothing
        if "PRUNED" in twins:
            return f"stopped at epoch {measurement.epoch} of {epochs}: another seed of this setting was"
        for rival in rivals:
            mean, deviation = self._comparisons.advantage(rival, trial)
            probability = (1 + math.erf((mean + INDIFFERENT) / deviation / math.sqrt(2))) / 2
            if probability > CERTAIN:
                self._favoured[trial.point] = rival.point
                return (
                    f"stopped at epoch {measurement.epoch} of {epochs}: {self._points[rival.point].label} is as good "
                    f"or better with a probability of {min(99.9, 100 * probability):.1f} %"
                )
        return None

    def ended(self, point_id: str, state: State) -> Sequence[PlannedPoint]:
        """If one fails for which others were stopped, or the last one that was measured, the best setting of these
        goes on, with all its seeds."""
        self._states[point_id] = state
        if state != "FAILED":
            return ()
        group = self._trials[point_id].group
        stopped = [trial for trial in group.trials if self._states[trial.point] == "PRUNED"]
        in_its_favour = any(self._favoured.get(trial.point) == point_id for trial in stopped)
        if not stopped or (not in_its_favour and any(self._stands(trial) and trial.curve for trial in group.trials)):
            return ()
        best = max(stopped, key=lambda trial: trial.curve[-1])
        revived = [trial.point for trial in stopped if trial.setting == best.setting]
        self._states.update(dict.fromkeys(revived))
        return [self._points[point] for point in revived]

    def _stands(self, trial: Trial) -> bool:
        """Whether the trial was trained to its end, or is going to be."""
        return self._states[trial.point] in (None, "COMPLETE")

    def _rivals(self, trial: Trial) -> list[Trial]:
        """The best of the other settings of the trial's network, as far as they and it were measured."""
        others = [
            other
            for other in trial.group.trials
            if other.setting != trial.setting and other.curve and self._stands(other)
        ]
        epochs = len(trial.curve) + 1  # the next measurement's
        return sorted(others, key=lambda other: -other.curve[min(epochs, len(other.curve)) - 1])[:MOST_RIVALS]


SCHEDULERS: Mapping[SchedulerName, Callable[[], Scheduler]] = MappingProxyType(
    {"frontier": Frontier, "fifo": Fifo, "asha": Asha}
)
"""By name; `sweep.plan.kinds` says what a plan must know of each."""
