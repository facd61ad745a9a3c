"""Estimates which of two settings of one network ends with the higher top-1, from all contenders of a sweep. Pure.

Two settings are compared by log(top-1 ratio), the logarithm of the ratio of their accuracies at one epoch. In each
network trained with both settings, a Kalman filter over the latest common epochs separates the ratio from its noise.
While accuracies still grow, the setting that is behind may catch up. The drift of ratios per growth of accuracy is
learnt from longer contenders and the growth left after an epoch from finished contenders, so an early epoch counts for
as much as it has proved to predict. A Gaussian process over width and resolution joins the estimates of all networks,
and so predicts the ratio in a network where the two settings have hardly begun.
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
"""The fields that give the distance between two networks of one family."""
SHARED, LOCAL, OWN = 0.05, 0.05, 0.01
"""Prior standard deviations of log(top-1 ratio): of its part common to all networks, of its part common to networks of
similar width and resolution, and of its part in one network alone."""
NEAR = np.array([0.5, 1.0])
"""Length scales of the LOCAL part, in doublings of width and of resolution."""
PER_DECADE = 0.1
"""Standard deviation of log(top-1 ratio) between settings that differ by a factor of ten, such as in learning rate."""
NOISE, NOISE_COUNT = 0.4, 10
"""Prior standard deviation of top-1 between equal trainings, in percentage points, and the weight of this prior as a
number of measurements."""
SAMPLING = 25.0
"""Standard deviation of top-1 that few validation images add to NOISE, in percentage points times the root of their
number: half of a binomial's, as both trainings are measured on one set of images."""
CATCH_UP, CATCH_UP_GROWTH = 0.2, 0.04
"""Prior standard deviation of the drift of log(top-1 ratio) per unit of log growth, and the weight of this prior in
units of squared log growth."""
LEVEL = 0.05
"""Log growth of top-1 in one epoch below which the change of a difference in top-1 counts as noise."""
LATEST = 32
"""Most epochs of two contenders that are compared; the latest common epochs."""
MOST_NETWORKS = 32
"""Most networks whose contenders are evidence about two settings; the nearest networks."""
LEAST_TOP1 = 0.5
"""Top-1, in percent, to which lower values are raised, because a ratio of accuracies near 0 says nothing."""


@dataclass(eq=False)
class Contender:
    """A point with its top-1 at every finished epoch."""

    point: str
    setting: tuple[object, ...]
    features: Values
    """Coordinates of the setting (F,), see `_features`."""
    group: "Group"
    curve: list[float] = field(default_factory=list)
    """Top-1 by epoch, in percent."""


@dataclass(eq=False)
class Noise:
    """Noise of top-1 between equal trainings, for one number of validation images."""

    first: float
    """Prior standard deviation, in percentage points."""
    deviation: float
    """Present estimate of the standard deviation, in percentage points."""
    jumps: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    """Latest changes per epoch of the difference in top-1 of two contenders that hardly grew, in percentage points."""

    @classmethod
    def of(cls, num_val: int) -> "Noise":
        """Return the prior noise of top-1 measured on `num_val` images."""
        first = math.hypot(NOISE, SAMPLING / math.sqrt(num_val))
        return cls(first, first)

    def learn(self) -> None:
        """Estimate the deviation again: the median jump of normal noise alone is 2 x 0.6745 deviations."""
        count = len(self.jumps)
        estimate = (float(np.median(self.jumps)) / 0.6745 / 2) ** 2 if count else 0.0
        self.deviation = math.sqrt((NOISE_COUNT * self.first**2 + count * estimate) / (NOISE_COUNT + count))


@dataclass(eq=False)
class Peers:
    """The groups that share one dataset and one learning-rate schedule."""

    growth: Values
    """Log growth of top-1 from each epoch to the last (epochs,), summed over the finished contenders."""
    noise: Noise
    groups: "list[Group]" = field(default_factory=list)
    num_finished: int = 0

    def growth_left(self, epoch: int, top1: float) -> float:
        """Return the log growth of top-1 expected after `epoch`: finished contenders' mean, else growth to 100 %."""
        return float(self.growth[epoch - 1]) / self.num_finished if self.num_finished else math.log(100 / top1)


@dataclass(eq=False)
class Group:
    """The contenders that can be compared: they have one network, dataset and learning-rate schedule."""

    family: tuple[object, ...]
    """The settings of the network but for width and resolution."""
    place: Values
    """Base-2 logarithms of width and resolution (2,)."""
    epochs: int
    """Number of epochs of each training."""
    peers: Peers
    near: "list[Group]" = field(default_factory=list)
    """Cached value of `nearest`, from when there were `near_of` peers."""
    near_of: int = 0
    contenders: list[Contender] = field(default_factory=list)
    by_setting: dict[tuple[object, ...], list[Contender]] = field(default_factory=dict)
    features: Values | None = None
    """Cached features of all contenders (N, F); None after a contender has been added."""

    def closest(self, other: Contender) -> tuple[Contender, float]:
        """Return the first contender with the setting nearest to `other`, and the squared distance in decades."""
        if other.setting in self.by_setting:
            return self.by_setting[other.setting][0], 0.0
        if self.features is None:
            self.features = np.stack([contender.features for contender in self.contenders])
        distance = (np.minimum(1.0, np.abs(self.features - other.features)) ** 2).sum(axis=1)
        nearest = int(distance.argmin())
        return self.contenders[nearest], float(distance[nearest])

    @property
    def nearest(self) -> "list[Group]":
        """This group and its nearest peers, at most MOST_NETWORKS in all; other families come last."""
        groups = self.peers.groups
        if self.near_of != len(groups):
            away = (((np.stack([group.place for group in groups]) - self.place) / NEAR) ** 2).sum(axis=1)
            away += [1e9 * (group.family != self.family) for group in groups]
            self.near = [groups[i] for i in np.argsort(away, kind="stable")[:MOST_NETWORKS]]
            self.near_of = len(groups)
        return self.near


class Comparisons:
    """Predicts which of two settings of a network is better, and how surely, from the measurements it receives."""

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], Group] = {}
        self._peers: dict[tuple[object, ...], Peers] = {}
        self._noises: dict[int, Noise] = {}
        self._moves: dict[tuple[str, str], Values] = {}
        self._moved = np.zeros(2)
        self._catch_up = CATCH_UP**2

    def add(self, point: str, config: TrainConfig, num_val: int) -> Contender:
        """Add a point, whose top-1 is measured on `num_val` images, to its group; return its contender."""
        cls = type(config)
        # different schedules are never compared: at one epoch, one has annealed further than the other
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
        contender = Contender(point, setting, _features(setting), group)
        group.contenders.append(contender)
        group.by_setting.setdefault(contender.setting, []).append(contender)
        group.features = None
        return contender

    def measured(self, contender: Contender, top1: float, rivals: Sequence[Contender]) -> None:
        """Add the next epoch of a contender; learn noise and drift by comparing its curve with the rivals'."""
        contender.curve.append(max(top1, LEAST_TOP1))
        epoch, group, noise = len(contender.curve), contender.group, contender.group.peers.noise
        if epoch == group.epochs:
            group.peers.growth += np.log(contender.curve[-1] / np.array(contender.curve))
            group.peers.num_finished += 1
        for rival in rivals:
            if len(rival.curve) >= epoch:
                pair = Pair(contender, rival, epoch, noise.deviation)
                if epoch >= 2 and pair.growth[-1] < LEVEL:
                    step = contender.curve[-1] - contender.curve[-2] - (rival.curve[epoch - 1] - rival.curve[epoch - 2])
                    noise.jumps.append(abs(step))
                if epoch >= 4:
                    self._learn_catch_up(contender, rival, pair)
        noise.learn()
        moved, growth = self._moved
        self._catch_up = float((CATCH_UP_GROWTH * CATCH_UP**2 + max(0.0, moved)) / (CATCH_UP_GROWTH + growth))

    def advantage(self, rival: Contender, contender: Contender) -> tuple[float, float]:
        """Return mean and standard deviation of log(top-1 of the rival / top-1 of the contender) at their last epoch.

        A mean of 0.01 says that the rival's setting is better by 1 % of its top-1.
        """
        own = contender.group
        evidence = [self._evidence(group, rival, contender) for group in own.nearest]
        known = [item for item in evidence if item is not None]
        prior = SHARED**2 + LOCAL**2 + OWN**2
        if not known:
            return 0.0, math.sqrt(prior)
        groups, means, variances = zip(*known, strict=True)
        covariance = _covariance(groups, groups) + np.diag(variances)
        with_own = _covariance([own], groups)[0]
        solved = np.linalg.solve(covariance, np.stack([np.array(means), with_own], axis=1))
        mean, explained = with_own @ solved
        return float(mean), math.sqrt(max(prior - float(explained), 1e-12))

    def _evidence(self, group: Group, rival: Contender, contender: Contender) -> tuple[Group, float, float] | None:
        """Return `group` with its estimate of log(top-1 ratio), rival to contender, at the end, and the variance.

        None if the group has no common epoch of two settings like theirs.
        """
        if group is contender.group:
            better, worse, distance = rival, contender, 0.0
        else:
            (better, of_better), (worse, of_worse) = group.closest(rival), group.closest(contender)
            distance = of_better + of_worse
        common = min(len(better.curve), len(worse.curve))
        if better is worse or not common:
            return None
        pair = Pair(better, worse, common, group.peers.noise.deviation)
        mean, uncertainty = pair.difference[0], pair.noise[0]
        for observed, noise, growth in zip(pair.difference[1:], pair.noise[1:], pair.growth, strict=True):
            uncertainty += self._catch_up * growth**2
            gain = uncertainty / (uncertainty + noise)
            mean += gain * (observed - mean)
            uncertainty *= 1 - gain
        uncertainty += self._catch_up * group.peers.growth_left(common, pair.level[-1]) ** 2
        return group, mean, uncertainty + PER_DECADE**2 * distance

    def _learn_catch_up(self, a: Contender, b: Contender, pair: "Pair") -> None:
        """Update the pair's part of the drift estimate: squared drift between the halves of the curves, less noise, and
        squared log growth of top-1 meanwhile."""
        half = len(pair.difference) // 2
        difference, weights = np.array(pair.difference), 1 / np.array(pair.noise)
        early, late = slice(half), slice(half, None)
        moved = np.average(difference[late], weights=weights[late]) - np.average(
            difference[early], weights=weights[early]
        )
        noise = 1 / weights[early].sum() + 1 / weights[late].sum()
        level = np.log(pair.level)
        drift = np.array([moved**2 - noise, (level[late].mean() - level[early].mean()) ** 2])
        key = (min(a.point, b.point), max(a.point, b.point))
        self._moved += drift - self._moves.get(key, 0.0)
        self._moves[key] = drift


class Pair:
    """The latest common epochs of two contenders, up to the epoch `common`."""

    def __init__(self, a: Contender, b: Contender, common: int, noise: float) -> None:
        first = max(0, common - LATEST)
        pairs = list(zip(a.curve[first:common], b.curve[first:common], strict=True))
        self.difference = [math.log(x / y) for x, y in pairs]
        """log(top-1 ratio) at each epoch (N,)."""
        self.noise = [noise**2 * (1 / x**2 + 1 / y**2) for x, y in pairs]
        """Variance of the noise of each `difference` (N,)."""
        self.level = [(x + y) / 2 for x, y in pairs]
        """Mean top-1 of both contenders (N,)."""
        self.growth = [abs(math.log(y / x)) for x, y in itertools.pairwise(self.level)]
        """Absolute log growth of `level` from one epoch to the next (N - 1,)."""


def _covariance(left: Sequence[Group], right: Sequence[Group]) -> Values:
    """Return the prior covariance (N, M) of log(top-1 ratio) between the networks `left` (N) and `right` (M)."""
    away = (np.stack([g.place for g in left])[:, None] - np.stack([g.place for g in right])) / NEAR
    family = np.array([[a.family == b.family for b in right] for a in left])
    same = np.array([[a is b for b in right] for a in left])
    return SHARED**2 + LOCAL**2 * family * np.exp(-(away**2).sum(axis=2) / 2) + OWN**2 * same


def _features(setting: tuple[object, ...]) -> Values:
    """Return a setting as coordinates (F,): a factor of ten is 1 apart; different names, or 0 and not 0, are far."""
    return np.array([_coordinate(value) for value in setting])


def _coordinate(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return math.log10(value)
    return float(1000 + sum(map(ord, repr(value))))
