"""Trials of a plan: the points that are trained together."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sweep.plan.points import PlannedPoint, digest, sharing_weights
from trainers.datasets.dataset import Dataset
from trainers.trial import Trainer, Trial


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A trial with its points that are to be trained."""

    trial: Trial
    points: tuple[PlannedPoint, ...]
    """One or more, in the order of the plan."""
    step_share: float = 1.0
    """See `trainers.trial.Trainer`."""
    shares_weights: bool = False
    """Whether the points share weights, so that training one of them trains all of them again."""

    @classmethod
    def alone(cls, point: PlannedPoint) -> Self:
        """Return a trial that trains `point` alone."""
        return cls(trial=Trial.alone(point.point), points=(point,))

    @property
    def id(self) -> str:
        return self.trial.id

    @property
    def work(self) -> float:
        """Roughly proportional to the time of all epochs, in the unit of `PlannedPoint.work`."""
        return self.step_share * sum(point.work * point.config.epochs for point in self.points)

    @property
    def smallest(self) -> PlannedPoint:
        """The point with the fewest multiply-accumulates; the first of equals."""
        return min(self.points, key=lambda point: point.cost.macs)

    def on(self, datasets: Mapping[str, Dataset]) -> Self:
        """Return this trial on other datasets, given by `TrainConfig.data`."""
        return replace(self, points=tuple(replace(p, dataset=datasets[p.config.data]) for p in self.points))

    def only(self, ids: Collection[str]) -> Self | None:
        """Return this trial with only the points whose ids are in `ids`; None if no point is left.

        A trial with shared weights still trains all its points, so its `trial` stays as it is.
        """
        points = tuple(point for point in self.points if point.id in ids)
        if not points:
            return None
        trial = self.trial if self.shares_weights else self.trial.of(tuple(point.point for point in points))
        return replace(self, trial=trial, points=points)


def group_points(points: Iterable[PlannedPoint], trainer: Trainer, folder: Path) -> tuple[PlannedTrial, ...]:
    """Group `points` into the trials of the sweep `folder`, in the order of their first points."""
    groups: dict[Hashable, list[PlannedPoint]] = {}
    for point in points:
        key = trainer.together(point.config)
        groups.setdefault(point.id if key is None else (key, point.dataset.fingerprint), []).append(point)
    return tuple(_trial(group, trainer, folder) for group in groups.values())


def trials_with(trials: Iterable[PlannedTrial], ids: Collection[str]) -> tuple[PlannedTrial, ...]:
    """Return the trials that have points in `ids`, with only these points."""
    return tuple(part for trial in trials if (part := trial.only(ids)))


def _trial(points: Sequence[PlannedPoint], trainer: Trainer, folder: Path) -> PlannedTrial:
    if len(points) == 1:
        return PlannedTrial.alone(points[0])
    members = sharing_weights(points, folder) if trainer.shares_weights else tuple(points)
    id_ = f"trial-{digest(sorted(point.id for point in members))}"
    return PlannedTrial(
        trial=Trial(id=id_, points=tuple(point.point for point in members), folder=folder.absolute() / "trials" / id_),
        points=members,
        step_share=trainer.step_share([point.config for point in members]),
        shares_weights=trainer.shares_weights,
    )
