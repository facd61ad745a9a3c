"""What the folder of a sweep holds of its plan, and what is left to train."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

from sweep.plan import Plan, PlannedPoint
from sweep.results import MEASUREMENTS, RESULTS, latest_rows, load_measurements
from trainers.errors import counted
from trainers.measurement import Measurement

T = TypeVar("T")


@dataclass(frozen=True)
class Held:
    """The logs of a sweep's folder beside its plan."""

    plan: Plan
    scheduler: str
    """What was stopped early counts as trained unless this is `fifo`."""
    logged: Mapping[str, dict[str, Any]]
    """The row of every ended point in the folder."""
    history: Mapping[str, list[Measurement]]
    """The measurements of every point in the folder."""
    version: tuple[int, ...] = ()
    """Of the logs when they were read: their sizes, as they only grow."""

    @classmethod
    def read(cls, plan: Plan, scheduler: str) -> Self:
        """What the logs in the plan's folder say now.

        Raises:
            ConfigError: they are damaged.
        """
        version = _version(plan)  # first: what is written meanwhile makes it out of date
        return cls(plan, scheduler, latest_rows(plan.folder), load_measurements(plan.folder), version)

    def now(self) -> Self:
        """What the logs say now; they are read again only if they have changed."""
        return self if _version(self.plan) == self.version else self.read(self.plan, self.scheduler)

    def none(self) -> Self:
        """The same with nothing held."""
        return replace(self, logged={}, history={})

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the plan's points, in the order in which they ended."""
        return self._of_plan(self.logged)

    @cached_property
    def ended(self) -> dict[str, dict[str, Any]]:
        """The rows of the points that need no training: an adaptive sampler takes a failure as an answer."""
        states = {"COMPLETE"} | ({"PRUNED"} if self.scheduler != "fifo" else set())
        states |= {"FAILED"} if self.plan.adaptive else set()
        return {id_: row for id_, row in self.rows.items() if row["state"] in states}

    @cached_property
    def begun(self) -> dict[str, int]:
        """The finished epochs of each point that needs training and has some."""
        of_plan = self._of_plan(self.history)
        return {id_: history[-1].epoch for id_, history in of_plan.items() if id_ not in self.ended}

    def _of_plan(self, by_point: Mapping[str, T]) -> dict[str, T]:
        """What belongs to points of the plan: all of it where points are chosen one by one."""
        planned = {point.id for point in self.plan.points}
        return {id_: each for id_, each in by_point.items() if self.plan.adaptive or id_ in planned}

    @property
    def said(self) -> str:
        """How far the sweep is, in words."""
        begun = f", {len(self.begun)} begun ({counted(sum(self.begun.values()), 'epoch')})" if self.begun else ""
        return f"{len(self.ended)} of {counted(self.plan.num_points, 'point')} done{begun}"

    def missing(self, found: Iterable[str] = ()) -> list[PlannedPoint]:
        """The points that are known and need training, but for those `found` in another sweep."""
        trained = {*found, *self.ended}
        return [] if self.plan.adaptive else [point for point in self.plan.points if point.id not in trained]

    @property
    def num_missing(self) -> int:
        """How many points need training."""
        return max(0, self.plan.num_points - len(self.ended))

    @property
    def num_proposals(self) -> int:
        """How many of these are yet to be chosen."""
        return self.num_missing if self.plan.adaptive else 0


def _version(plan: Plan) -> tuple[int, ...]:
    paths = (plan.folder / RESULTS, plan.folder / MEASUREMENTS)
    return tuple(path.stat().st_size if path.is_file() else 0 for path in paths)
