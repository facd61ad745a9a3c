"""Predicts the seconds, memory and disk of a sweep from the timings of a few of its networks. Pure.

A training step of B images takes `fixed + B * per_image` seconds. Both terms, the seconds of an evaluated image and the
memory are interpolated between timed networks by their activations, because the training time of MobileNets follows
activations, not multiply-accumulates. Trials are assigned to slots in the order in which they will run.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweep.config import SweepConfig
from sweep.forecast.trial_resources import Resources
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from trainers.config import TrainConfig
from trainers.errors import ConfigError, byte_size, counted, duration
from trainers.training.step_time import Timing, training_activations

START_UP_SECONDS = 18.0
"""Seconds from the command to the first epoch and from the last epoch to the end, for imports, Ray, MLflow and the
report; measured on the machine of benchmarks/RESULTS.md."""
TRIAL_SECONDS, EPOCH_SECONDS = 0.1, 0.05
"""Seconds besides training steps: for the start of a point, and for the checkpoints and reports of an epoch."""
DRIVER_SHARE = 1.12
"""Time of a step in a sweep divided by its time alone, as Ray and the driver use part of the machine."""
LOW, HIGH = 0.85, 1.25
"""The range of the wall-clock of a sweep alone on its machine, as multiples of the prediction."""
NUM_TIMED = 3
"""Number of networks of each kind that are timed: the smallest, the largest, and others evenly between them."""
NUM_STATES = {"sgd": 1, "rmsprop": 2, "rmsprop_tf": 2, "adamw": 2}
"""Number of values that an optimiser keeps for each parameter."""
Kind = tuple[object, ...]
"""The settings, besides activations, that decide the time of a training step."""


@dataclass(frozen=True, kw_only=True)
class TimedNetwork:
    """The settings of a network, and its timing."""

    config: TrainConfig
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class PointPrediction:
    """The predicted cost of one point."""

    seconds_per_epoch: float
    """Seconds of training and validation in one epoch."""
    seconds: float
    """Seconds of all epochs that are left, and of the test."""
    memory_bytes: float
    """Peak memory of all processes of the point: GPU memory on a GPU, else main memory."""
    disk_bytes: float
    """Disk space of the point's checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The predicted cost of the trials of a plan."""

    points: Mapping[str, PointPrediction]
    """The predicted cost of each point, by point id; the seconds of a trial are the sum over its points."""
    num_trials: int
    """Number of trials that run at once."""
    num_devices: float
    """Number of GPUs of each trial; without GPUs, its CPU cores."""
    cache_bytes: float = 0.0
    """Disk space of decoded images."""
    longest_first: bool = True
    """Whether the longest trials start first; otherwise the shortest do."""

    def trial_seconds(self, trial: PlannedTrial) -> float:
        """Return the seconds of all epochs that are left in a trial."""
        return sum(self.points[point.id].seconds for point in trial.points)

    def seconds(self, trials: Iterable[PlannedTrial]) -> float:
        """Return the wall-clock seconds of a sweep of `trials`; 0 without trials."""
        in_order = sorted(map(self.trial_seconds, trials), reverse=self.longest_first)
        return START_UP_SECONDS + makespan(in_order, self.num_trials) if in_order else 0.0

    def device_hours(self, trials: Iterable[PlannedTrial]) -> float:
        """Return the hours of training times the devices of a trial."""
        return sum(map(self.trial_seconds, trials)) * self.num_devices / 3600

    def checkpoint_bytes(self, trials: Iterable[PlannedTrial]) -> float:
        """Return the disk space of the checkpoints of `trials`."""
        return sum(self.points[point.id].disk_bytes for trial in trials for point in trial.points)

    def line(self, trials: Sequence[PlannedTrial]) -> str:
        """Write the wall-clock with its range, device-hours, disk and memory of a sweep of one or more trials."""
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
    """Return the settings, besides activations, that decide the time of a training step."""
    return config.model, config.optimizer, config.precision, config.augment, config.ema_decay is not None


def to_time(configs: Iterable[TrainConfig]) -> list[TrainConfig]:
    """Choose the settings to time: for each kind the fewest, the most, and middling activations."""
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
    """Predict the cost of `trials`, each point going on after its `epochs_done`.

    Args:
        trials: the trials to predict.
        timed: timed networks, at least those that `to_time` chooses for the trials.
        resources: the resources of each trial.
        epochs_done: finished epochs by point id; 0 for other points.
        cache_bytes: disk space of decoded images.
        longest_first: whether the longest trials start first; otherwise the shortest do.
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
    """Return the trials that the budgets of `config` allow, in their order, and the others, the shortest first.

    The shortest trials are allowed, as many as stay within the budgets of wall-clock and device-hours together.

    Raises:
        ConfigError: not even the shortest trial fits.
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
    """Write one line: how many of `num_points` the budget leaves out, and the cheapest of them."""
    out_of = f"{sum(len(trial.points) for trial in cut)} of {counted(num_points, 'point')}"
    return f"left out, for {budget(config)}: {out_of}, {cut[0].points[0].label} and what takes longer"


def makespan(seconds: Iterable[float], num_slots: int) -> float:
    """Return when the last trial ends if trials start in this order, each in the first free slot."""
    ends = [0.0] * num_slots
    for span in seconds:
        heapq.heapreplace(ends, ends[0] + span)
    return max(ends)


def _point(
    point: PlannedPoint, timed: Sequence[TimedNetwork], num_workers: int, epochs_done: int, step_share: float
) -> PointPrediction:
    config, splits = point.config, point.dataset.splits
    own, activations = training_activations(config), [training_activations(network.config) for network in timed]

    def between(value: Callable[[Timing], float]) -> float:
        return float(np.interp(own, activations, [value(network.timing) for network in timed]))

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
    num_copies = 2 + NUM_STATES[config.optimizer] + (config.ema_decay is not None)  # best.pt; last.pt with its states
    return PointPrediction(
        seconds_per_epoch=epoch,
        seconds=TRIAL_SECONDS + epoch * max(0, config.epochs - epochs_done) + test,
        memory_bytes=memory * num_workers,
        disk_bytes=4.0 * point.cost.num_params * num_copies,
    )


def budget(config: SweepConfig) -> str:
    """Write the budgets of `config` in words."""
    budgets: list[str] = []
    if config.time_budget is not None:
        budgets.append(f"a time budget of {duration(config.time_budget)}")
    if config.max_device_hours is not None:
        budgets.append(f"a budget of {config.max_device_hours:g} device-hours")
    return " and ".join(budgets)
