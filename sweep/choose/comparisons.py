"""What the trials of a sweep say about two settings of one network. Pure.

Two settings are compared by the logarithm of the ratio of their accuracies at the same epoch. In each network that was
trained with both it is followed through its noise (a Kalman filter over the latest common epochs). While accuracies
still grow, the one behind may catch up: how far differences have moved per growth is learnt from the trials that went
on, and how much growth is left from those that finished, so that an early epoch counts for as much as it has proved to
be worth. The networks' differences are joined by a Gaussian process over width and resolution, which tells the
difference in a network where the two have hardly begun.
"""

import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.config import TrainConfig, names_of, values_of

Values = NDArray[np.float64]

SCALE_FIELDS = ("width_mult", "resolution")
"""The fields along which networks of one family are near or far."""
SHARED, LOCAL, OWN = 0.05, 0.05, 0.01
"""What is believed of a difference before any training: its standard deviation in the part that all networks share, in
that of neighbouring networks, and in that of each network alone."""
NEAR = np.array([0.5, 1.0])
"""Doublings of width and of resolution over which the local part changes."""
PER_DECADE = 0.1
"""Deviation of the difference between settings whose values differ by a factor of ten, such as learning rates."""
NOISE, NOISE_COUNT = 0.4, 10
"""Deviation of top-1 between equal trainings, points, as believed at first, and how many measurements outweigh that."""
SAMPLING = 25.0
"""Divided by the root of the number of validation images, what these few add to NOISE: half of a binomial's deviation,
as both trainings are measured on the same images."""
CATCH_UP, CATCH_UP_GROWTH = 0.2, 0.04
"""How far a difference moves while the accuracies themselves grow by the factor e, as believed at first, and how much
squared growth that was watched outweighs this."""
LEVEL = 0.05
"""Growth within an epoch below which a step of a difference is taken for noise."""
LATEST = 32
"""Epochs that are compared: the latest common ones."""
MOST_NETWORKS = 32
"""Networks that are asked about two settings: the nearest ones."""
LEAST_TOP1 = 0.5
"""Accuracies below this count as this, percent: of less, a ratio says nothing."""


@dataclass(eq=False)
class Trial:
    """A point and what it has shown."""

    point: str
    setting: tuple[object, ...]
    features: Values
    """`_features` of its setting (F,)."""
    group: "Group"
    curve: list[float] = field(default_factory=list)
    """Top-1 by epoch, percent."""


@dataclass(eq=False)
class Noise:
    """Noise of top-1 between equal trainings that are measured on one number of validation images."""

    first: float
    """Prior standard deviation, points."""
    deviation: float
    """Standard deviation, points, learnt so far."""
    jumps: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    """Latest steps of differences between accuracies that hardly grew, points."""

    @classmethod
    def of(cls, num_val: int) -> "Noise":
        """Prior noise of accuracies over `num_val` images."""
        first = math.hypot(NOISE, SAMPLING / math.sqrt(num_val))
        return cls(first, first)

    def learn(self) -> None:
        """Update the deviation: the median step of normal noise alone is 2 x 0.6745 deviations."""
        count = len(self.jumps)
        seen = (float(np.median(self.jumps)) / 0.6745 / 2) ** 2 if count else 0.0
        self.deviation = math.sqrt((NOISE_COUNT * self.first**2 + count * seen) / (NOISE_COUNT + count))


@dataclass(eq=False)
class Peers:
    """The groups whose trainings have one dataset and one shape of the learning rate."""

    growth: Values
    """Sum over the trials that finished of the growth from each epoch to the last (epochs,), in logarithms."""
    noise: Noise
    """Noise of the trials' accuracies."""
    groups: "list[Group]" = field(default_factory=list)
    num_finished: int = 0

    def growth_left(self, epoch: int, top1: float) -> float:
        """By how much accuracies grow from `epoch` to the end: as in the trials that finished, else up to 100 %."""
        return float(self.growth[epoch - 1]) / self.num_finished if self.num_finished else math.log(100 / top1)


@dataclass(eq=False)
class Group:
    """The trials that can be compared: one network, one shape of the learning rate."""

    family: tuple[object, ...]
    """All that makes the network but for width and resolution."""
    place: Values
    """Binary logarithms of width and resolution (2,)."""
    epochs: int
    """Length of each training."""
    peers: Peers
    near: "list[Group]" = field(default_factory=list)
    """`nearest` when there were `near_of` peers."""
    near_of: int = 0
    trials: list[Trial] = field(default_factory=list)
    by_setting: dict[tuple[object, ...], list[Trial]] = field(default_factory=dict)
    features: Values | None = None
    """Those of all trials (N, F); None where a trial has come since."""

    def closest(self, other: Trial) -> tuple[Trial, float]:
        """The trial of the setting nearest to the other's, the first of several, and the squared distance, decades."""
        if other.setting in self.by_setting:
            return self.by_setting[other.setting][0], 0.0
        if self.features is None:
            self.features = np.stack([trial.features for trial in self.trials])
        distance = (np.minimum(1.0, np.abs(self.features - other.features)) ** 2).sum(axis=1)
        nearest = int(distance.argmin())
        return self.trials[nearest], float(distance[nearest])

    @property
    def nearest(self) -> "list[Group]":
        """At most MOST_NETWORKS of its peers: itself and those nearest to it, other families last."""
        groups = self.peers.groups
        if self.near_of != len(groups):
            away = (((np.stack([group.place for group in groups]) - self.place) / NEAR) ** 2).sum(axis=1)
            away += [1e9 * (group.family != self.family) for group in groups]
            self.near = [groups[i] for i in np.argsort(away, kind="stable")[:MOST_NETWORKS]]
            self.near_of = len(groups)
        return self.near


class Comparisons:
    """Told of trials and their measurements; asked which of two settings of a network is better, and how surely."""

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], Group] = {}
        self._peers: dict[tuple[object, ...], Peers] = {}
        self._noises: dict[int, Noise] = {}
        self._moves: dict[tuple[str, str], Values] = {}
        self._moved = np.zeros(2)
        self._catch_up = CATCH_UP**2

    def add(self, point: str, config: TrainConfig, num_val: int) -> Trial:
        """A trial of the point, in its group; its top-1 is of `num_val` images."""
        cls = type(config)
        # schedules are never compared: one of them may not have annealed yet
        schedule = values_of(config, names_of(cls, "data", "schedule"))
        network = values_of(config, names_of(cls, "network"))
        group = self._groups.get((schedule, network))
        if group is None:
            family = values_of(config, [name for name in names_of(cls, "network") if name not in SCALE_FIELDS])
            place = np.log2([config.width_mult, config.resolution])
            noise = self._noises.setdefault(num_val, Noise.of(num_val))
            peers = self._peers.setdefault(schedule, Peers(np.zeros(config.epochs), noise))
            group = self._groups[schedule, network] = Group(family, place, config.epochs, peers)
            peers.groups.append(group)
        setting = values_of(config, names_of(cls, "training"))
        trial = Trial(point, setting, _features(setting), group)
        group.trials.append(trial)
        group.by_setting.setdefault(trial.setting, []).append(trial)
        group.features = None
        return trial

    def measured(self, trial: Trial, top1: float, rivals: Sequence[Trial]) -> None:
        """Take in the next epoch of a trial; its course beside `rivals` tells of noise and of catching up."""
        trial.curve.append(max(top1, LEAST_TOP1))
        epoch, group, noise = len(trial.curve), trial.group, trial.group.peers.noise
        if epoch == group.epochs:
            group.peers.growth += np.log(trial.curve[-1] / np.array(trial.curve))
            group.peers.num_finished += 1
        for rival in rivals:
            if len(rival.curve) >= epoch:
                pair = Pair(trial, rival, epoch, noise.deviation)
                if epoch >= 2 and pair.growth[-1] < LEVEL:
                    step = trial.curve[-1] - trial.curve[-2] - (rival.curve[epoch - 1] - rival.curve[epoch - 2])
                    noise.jumps.append(abs(step))
                if epoch >= 4:
                    self._learn_catch_up(trial, rival, pair)
        noise.learn()
        moved, growth = self._moved
        self._catch_up = float((CATCH_UP_GROWTH * CATCH_UP**2 + max(0.0, moved)) / (CATCH_UP_GROWTH + growth))

    def advantage(self, rival: Trial, trial: Trial) -> tuple[float, float]:
        """How much better the rival's setting is than the trial's in their network in the end: mean and deviation.

        In logarithms of accuracy: 0.01 is a hundredth of it.
        """
        own = trial.group
        evidence = [self._evidence(group, rival, trial) for group in own.nearest]
        known = [found for found in evidence if found is not None]
        prior = SHARED**2 + LOCAL**2 + OWN**2
        if not known:
            return 0.0, math.sqrt(prior)
        groups, means, variances = zip(*known, strict=True)
        covariance = _covariance(groups, groups) + np.diag(variances)
        with_own = _covariance([own], groups)[0]
        solved = np.linalg.solve(covariance, np.stack([np.array(means), with_own], axis=1))
        mean, explained = with_own @ solved
        return float(mean), math.sqrt(max(prior - float(explained), 1e-12))

    def _evidence(self, group: Group, rival: Trial, trial: Trial) -> tuple[Group, float, float] | None:
        """What `group` says of the rival's setting against the trial's: the difference at the end, its variance."""
        if group is trial.group:
            better, worse, distance = rival, trial, 0.0
        else:
            (better, of_better), (worse, of_worse) = group.closest(rival), group.closest(trial)
            distance = of_better + of_worse
        common = min(len(better.curve), len(worse.curve))
        if better is worse or not common:
            return None
        pair = Pair(better, worse, common, group.peers.noise.deviation)
        mean, uncertainty = pair.difference[0], pair.noise[0]
        for seen, noise, growth in zip(pair.difference[1:], pair.noise[1:], pair.growth, strict=True):
            uncertainty += self._catch_up * growth**2
            gain = uncertainty / (uncertainty + noise)
            mean += gain * (seen - mean)
            uncertainty *= 1 - gain
        uncertainty += self._catch_up * group.peers.growth_left(common, pair.level[-1]) ** 2
        return group, mean, uncertainty + PER_DECADE**2 * distance

    def _learn_catch_up(self, a: Trial, b: Trial, pair: "Pair") -> None:
        """Replace what this pair said: the squared move between the halves of its course, less the noise, and how much
        the accuracies grew meanwhile."""
        half = len(pair.difference) // 2
        difference, weights = np.array(pair.difference), 1 / np.array(pair.noise)
        early, late = slice(half), slice(half, None)
        moved = np.average(difference[late], weights=weights[late]) - np.average(
            difference[early], weights=weights[early]
        )
        noise = 1 / weights[early].sum() + 1 / weights[late].sum()
        level = np.log(pair.level)
        found = np.array([moved**2 - noise, (level[late].mean() - level[early].mean()) ** 2])
        key = (min(a.point, b.point), max(a.point, b.point))
        self._moved += found - self._moves.get(key, 0.0)
        self._moves[key] = found


class Pair:
    """The latest common epochs of two trials, the last of them `common`."""

    def __init__(self, a: Trial, b: Trial, common: int, noise: float) -> None:
        first = max(0, common - LATEST)
        pairs = list(zip(a.curve[first:common], b.curve[first:common], strict=True))
        self.difference = [math.log(x / y) for x, y in pairs]
        """Logarithms of the ratio of accuracies (N,)."""
        self.noise = [noise**2 * (1 / x**2 + 1 / y**2) for x, y in pairs]
        """The variances of their noise (N,)."""
        self.level = [(x + y) / 2 for x, y in pairs]
        """Mean accuracies (N,)."""
        self.growth = [abs(math.log(y / x)) for x, y in itertools.pairwise(self.level)]
        """Their growth from one epoch to the next (N - 1,), in logarithms."""


def _covariance(left: Sequence[Group], right: Sequence[Group]) -> Values:
    """Prior covariance of a difference in the networks `left` (N,) and `right` (M,), (N, M)."""
    away = (np.stack([g.place for g in left])[:, None] - np.stack([g.place for g in right])) / NEAR
    family = np.array([[a.family == b.family for b in right] for a in left])
    same = np.array([[a is b for b in right] for a in left])
    return SHARED**2 + LOCAL**2 * family * np.exp(-(away**2).sum(axis=2) / 2) + OWN**2 * same


def _features(setting: tuple[object, ...]) -> Values:
    """A setting as coordinates (F,) in which a factor of ten is 1 apart, and different names, or 0 and not 0, far."""
    return np.array([_coordinate(value) for value in setting])


def _coordinate(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return math.log10(value)
    return float(1000 + sum(map(ord, repr(value))))
