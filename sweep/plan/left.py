"""What the folder of a sweep holds of its plan, and what is left to train."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from analysis.results.read import latest_rows, load_measurements
from analysis.results.schema import MEASUREMENTS, RESULTS
from sweep.config import load_config
from sweep.plan.plan import Plan, PlannedPoint
from sweep.plan.reuse import find_trained
from sweep.run.environment import CONFIG, read_identity
from trainers.errors import ConfigError, OtherImagesError, counted
from trainers.models.cost import network_key
from trainers.trial import Measurement

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
    def read(cls, plan: Plan) -> Self:
        """What the logs in the plan's folder say now.

        Raises:
            ConfigError: they are damaged.
        """
        version = _version(plan)  # first: what is written meanwhile makes it out of date
        return cls(plan, scheduler_name(plan), latest_rows(plan.folder), load_measurements(plan.folder), version)

    def now(self) -> Self:
        """What the logs say now; they are read again only if they have changed."""
        return self if _version(self.plan) == self.version else self.read(self.plan)

    def none(self) -> Self:
        """The same with nothing held."""
        return replace(self, logged={}, history={})

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the plan's points, in the order in which they ended."""
        return self._of_plan(self.logged)

    @cached_property
    def ended(self) -> dict[str, dict[str, Any]]:
        """The rows of the points that need no training: an adaptive sampler takes a failure as an answer, but for one
        that the point has no part in."""
        states = {"COMPLETE"} | ({"PRUNED"} if self.scheduler != "fifo" else set())
        states |= {"FAILED"} if self.plan.adaptive else set()
        ended = {id_: row for id_, row in self.rows.items() if row["state"] in states}
        no_answer = OtherImagesError.__name__
        return {id_: r for id_, r in ended.items() if r["state"] != "FAILED" or not r["reason"].startswith(no_answer)}

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

    def elsewhere(self) -> dict[str, Path]:
        """The missing points that another sweep has trained: id to its folder; none where all are wanted fresh."""
        config = self.plan.config
        return {} if config.fresh else find_trained(self.missing(), config.runs, self.plan.folder)

    def refuse_other_sweep(self) -> None:
        """Raise a ConfigError if the folder holds points that are not of this sweep, or is damaged."""
        another = self.other_sweep()
        if another:
            raise ConfigError(another)

    def other_sweep(self) -> str:
        """That the folder holds points that are not of this sweep, with the differences; "" if it does not.

        A sweep may be widened: all that the folder holds is kept then.

        Raises:
            ConfigError: what the folder holds is damaged.
        """
        plan = self.plan
        begun = {*self.logged, *(path.name for path in plan.folder.glob("points/*"))}
        path = plan.folder / CONFIG
        if not path.is_file():
            return ""
        then, now = load_config(path).defining, plan.config.defining
        saved = read_identity(plan.folder)["fingerprint"]
        if begun and not plan.adaptive and saved == plan.dataset.fingerprint and plan.holds(begun):
            return ""
        if plan.adaptive:
            then["num_samples"] = now["num_samples"]  # more of the same
        differences = [f"{n} was {_said(then[n])}, is {_said(now[n])}" for n in now if then[n] != now[n]]
        if saved != plan.dataset.fingerprint:
            differences.append(f"the dataset's fingerprint was {saved}, is {plan.dataset.fingerprint}")
        if not differences and begun and not plan.adaptive:
            differences.append(f"the points of {plan.config.space} have changed in the code")
        if not differences:
            return ""
        return f"{plan.folder} holds another sweep ({'; '.join(differences)}); choose another --name"


def scheduler_name(plan: Plan) -> str:
    """The scheduler of the sweep; unless one is named, `frontier` where several settings share a network."""
    if plan.config.scheduler is not None:
        return plan.config.scheduler
    settings = {(network_key(p.config), replace(p.config, seed=0, width_mult=1.0)) for p in plan.points}
    shared = len(settings) > len({network for network, _ in settings})
    drawn = plan.adaptive and plan.num_points > len(settings)
    return "frontier" if (shared or drawn) and not plan.config.promoted else "fifo"


def _said(value: object) -> str:
    """A setting's value as its user wrote it."""
    return "unset" if value in (None, ()) else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _version(plan: Plan) -> tuple[int, ...]:
    paths = (plan.folder / RESULTS, plan.folder / MEASUREMENTS)
    return tuple(path.stat().st_size if path.is_file() else 0 for path in paths)
