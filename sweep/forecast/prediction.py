"""What a sweep will cost in seconds, memory and disk, from the timings of a few of its networks. Pure.

A training step of B images takes `fixed + B * per_image` seconds. Both are interpolated over the activations of the
networks that were timed, and so are the seconds of an evaluated image and the memory: the training time of MobileNets
follows their activations, not their multiply-accumulates. Trials are laid over the slots in the order in which they
will run.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweep.config import SweepConfig
from sweep.forecast.machine import Resources
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from trainers.config import TrainConfig
from trainers.errors import ConfigError, byte_size, counted, duration
from trainers.training.step_time import Timing, training_activations

START_UP_SECONDS = 18.0
"""From the command to the first epoch, and from the last one to the end: imports, Ray, MLflow, the report. Measured on
the machine of benchmarks/RESULTS.md."""
TRIAL_SECONDS, EPOCH_SECONDS = 0.1, 0.05
"""Beside its steps: for the start of a point, and for the checkpoints and reports of an epoch."""
DRIVER_SHARE = 1.12
"""Steps in a sweep take so much longer than those that were timed, as Ray and the driver take a part of the machine."""
LOW, HIGH = 0.85, 1.25
"""What a sweep alone on its machine takes lies between these shares of the prediction."""
NUM_TIMED = 3
"""Networks of a kind that are timed: the smallest, the largest, and others evenly between them."""
NUM_STATES = {"sgd": 1, "rmsprop": 2, "rmsprop_tf": 2, "adamw": 2}
"""Values that an optimiser keeps for each parameter."""
Kind = tuple[object, ...]
"""The settings by which steps of networks of the same activations differ."""


@dataclass(frozen=True, kw_only=True)
class TimedNetwork:
    """A network that was timed."""

    config: TrainConfig
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class PointPrediction:
    """What one point will take."""

    seconds_per_epoch: float
    """Training and validation."""
    seconds: float
    """All epochs that are left, and the test."""
    memory_bytes: float
    """At its peak, over all its processes: of the GPU's memory, or of the machine's."""
    disk_bytes: float
    """Of its checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the trials of a plan will take."""

    points: Mapping[str, PointPrediction]
    """By the id of the point; a trial takes the seconds of its points together."""
    num_trials: int
    """Trials at once."""
    num_devices: float
    """GPUs of each trial; without any, its CPU cores."""
    cache_bytes: float = 0.0
    """Disk of decoded images."""
    longest_first: bool = True
    """Whether the longest trainings start first, or the shortest."""

    def trial_seconds(self, trial: PlannedTrial) -> float:
        """All epochs that are left of the points of a trial."""
        return sum(self.points[point.id].seconds for point in trial.points)

    def seconds(self, trials: Iterable[PlannedTrial]) -> float:
        """Wall-clock of a sweep of these trials; 0 of none."""
        each = sorted(map(self.trial_seconds, trials), reverse=self.longest_first)
        return START_UP_SECONDS + makespan(each, self.num_trials) if each else 0.0

    def device_hours(self, trials: Iterable[PlannedTrial]) -> float:
        """Hours of training, times the devices of a trial."""
        return sum(map(self.trial_seconds, trials)) * self.num_devices / 3600

    def checkpoint_bytes(self, trials: Iterable[PlannedTrial]) -> float:
        """Disk of the checkpoints, in the folder of the sweep."""
        return sum(self.points[point.id].disk_bytes for trial in trials for point in trial.points)

    def line(self, trials: Sequence[PlannedTrial]) -> str:
        """Wall-clock with its range, device-hours, disk and memory of a sweep of these trials, one or more."""
        seconds = self.seconds(trials)
        at_once = min(self.num_trials, len(trials))
        memory = sum(sorted(max(self.points[p.id].memory_bytes for p in trial.points) for trial in trials)[-at_once:])
        disk = self.cache_bytes + self.checkpoint_bytes(trials)
        return (
            f"predicted: {duration(seconds)} ({duration(LOW * seconds)} to {duration(HIGH * seconds)}) on "
            f"{counted(at_once, 'trial')} at once, {self.device_hours(trials):.2g} device-hours, {byte_size(disk)} of "
            f"disk, at most {byte_size(memory)} of memory at once"
        )


def kind(config: TrainConfig) -> Kind:
    """The settings by which steps of networks of the same activations differ."""
    return config.model, config.optimizer, config.precision, config.augment, config.ema_decay is not None


def to_time(configs: Iterable[TrainConfig]) -> list[TrainConfig]:
    """The settings of each kind to time: of the fewest, of the most and of middling activations."""
    kinds: dict[Kind, dict[float, TrainConfig]] = {}
    for config in configs:
        kinds.setdefault(kind(config), {}).setdefault(training_activations(config), config)
    chosen: list[TrainConfig] = []
    for by_activations in kinds.values():
        ascending = sorted(by_activations)
        places = np.linspace(0, len(ascending) - 1, NUM_TIMED).round().astype(int)
        chosen += [by_activations[ascending[i]] for i in dict.fromkeys(places.tolist())]
    return chosen


def predict(
    trials: Sequence[PlannedTrial],
    timed: Sequence[TimedNetwork],
    resources: Resources,
    *,
    epochs_done: Mapping[str, int] | None = None,
    cache_bytes: float = 0.0,
    longest_first: bool = True,
) -> Prediction:
    """Predict what `trials` take, each point trained from after its `epochs_done`.

    Args:
        trials: any.
        timed: the networks that `to_time` chose among the settings of the trials, or more.
        resources: what each trial gets.
        epochs_done: by the id of the point; 0 where it is absent.
        cache_bytes: disk of decoded images.
        longest_first: whether the longest trainings start first, or the shortest.
    """
    by_kind: dict[Kind, list[TimedNetwork]] = {}
    for network in sorted(timed, key=lambda network: training_activations(network.config)):
        by_kind.setdefault(kind(network.config), []).append(network)
    done = epochs_done or {}
    workers, per_worker = resources.num_workers, resources.per_worker
    return Prediction(
        points={
            p.id: _point(p, by_kind[kind(p.config)], workers, done.get(p.id, 0), trial.step_share)
            for trial in trials
            for p in trial.points
        },
        num_trials=resources.num_trials,
        num_devices=workers * (per_worker["GPU"] or per_worker["CPU"]),
        cache_bytes=cache_bytes,
        longest_first=longest_first,
    )


def within_budget(
    trials: Sequence[PlannedTrial], prediction: Prediction, config: SweepConfig
) -> tuple[list[PlannedTrial], list[PlannedTrial]]:
    """The trials that the budgets of `config` allow, in their order, and the others, from the shortest on.

    Trials are taken from the shortest on while the wall-clock and the device-hours of all stay within budget.

    Raises:
        ConfigError: there are trials, and not even the shortest fits.
    """
    ascending = sorted(trials, key=prediction.trial_seconds)

    def exceeds(number: int) -> bool:
        first = ascending[:number]
        too_long = config.time_budget is not None and prediction.seconds(first) > config.time_budget
        hours = config.max_device_hours
        return too_long or (hours is not None and prediction.device_hours(first) > hours)

    number = bisect_right(range(1, len(trials) + 1), False, key=exceeds)
    if trials and number == 0:
        shortest = ascending[:1]
        raise ConfigError(
            f"no point fits into {budget(config)}: the cheapest, {shortest[0].points[0].label}, needs "
            f"{duration(prediction.seconds(shortest))} and {prediction.device_hours(shortest):.2g} device-hours"
        )
    cut = {trial.id for trial in ascending[number:]}
    return [trial for trial in trials if trial.id not in cut], ascending[number:]


def cut_text(cut: Sequence[PlannedTrial], num_points: int, config: SweepConfig) -> str:
    """One line: how many of `num_points` the budget leaves out, and from which on."""
    out_of = f"{sum(len(trial.points) for trial in cut)} of {counted(num_points, 'point')}"
    return f"left out, for {budget(config)}: {out_of}, {cut[0].points[0].label} and what takes longer"


def makespan(seconds: Iterable[float], num_slots: int) -> float:
    """When the last of some trials ends that are started in this order, each in the slot that is free first."""
    ends = [0.0] * num_slots
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def _point(
    point: PlannedPoint, timed: Sequence[TimedNetwork], num_workers: int, epochs_done: int, step_share: float
) -> PointPrediction:
    config, splits = point.config, point.dataset.splits
    wanted, activations = training_activations(config), [training_activations(network.config) for network in timed]

    def between(value: Callable[[Timing], float]) -> float:
        return float(np.interp(wanted, activations, [value(network.timing) for network in timed]))

    num_images = len(splits["train"])
    in_step = min(config.batch_size, num_images)
    in_part = in_step / num_workers / config.accumulate
    part = between(lambda timing: timing.train(0)) + in_part * between(lambda timing: timing.train.per_image)
    evaluate = DRIVER_SHARE * between(lambda timing: timing.evaluate_seconds) / num_workers
    num_scored = 1 if config.ema_decay is None else 2
    num_steps = max(1, num_images // config.batch_size)
    train = DRIVER_SHARE * step_share * num_steps * config.accumulate * part
    epoch = train + num_scored * len(splits["val"]) * evaluate + EPOCH_SECONDS
    test = len(splits["test"]) * evaluate if "test" in splits else 0.0
    memory = between(lambda timing: timing.memory(0)) + in_part * between(lambda timing: timing.memory.per_image)
    kept = 2 + NUM_STATES[config.optimizer] + (config.ema_decay is not None)  # best.pt; last.pt with its states
    return PointPrediction(
        seconds_per_epoch=epoch,
        seconds=TRIAL_SECONDS + epoch * max(0, config.epochs - epochs_done) + test,
        memory_bytes=memory * num_workers,
        disk_bytes=4.0 * point.cost.num_params * kept,
    )


def budget(config: SweepConfig) -> str:
    """The budgets of `config`, in words."""
    budgets: list[str] = []
    if config.time_budget is not None:
        budgets.append(f"a time budget of {duration(config.time_budget)}")
    if config.max_device_hours is not None:
        budgets.append(f"a budget of {config.max_device_hours:g} device-hours")
    return " and ".join(budgets)
