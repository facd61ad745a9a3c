"""The part of a plan that is left to train, according to the logs of this sweep and of other sweeps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from analysis.results.identity import CONFIG, read_identity
from analysis.results.read import has_checkpoint, latest_rows, load_measurements
from sweep.config import load_config
from sweep.plan.plan import Plan
from sweep.plan.reuse import find_trained
from sweep.plan.trials import PlannedTrial, trials_with
from trainers.errors import OtherImagesError, counted
from trainers.trial import Measurement

Rows = Mapping[str, Mapping[str, Any]]
"""Rows of the results log by point id."""
History = Mapping[str, list[Measurement]]
"""Measurements by point id, in the order of epochs."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """A plan compared with the logs of its folder at one moment."""

    plan: Plan
    rows: Rows
    """The rows of the plan's points, in the order in which the points ended."""
    ended: Rows
    """The rows of the points that need no training."""
    history: History
    """The measurements of every point in the sweep's folder."""
    begun: Mapping[str, int]
    """Number of finished epochs of each point that needs more training."""
    num_gone: int
    """Number of points that were complete, but whose checkpoint is gone."""
    elsewhere: Mapping[str, Path]
    """The folder of another sweep that has trained a missing point, by point id; empty with --fresh."""
    trials: tuple[PlannedTrial, ...]
    """The trials of the missing points, including points that another sweep has trained."""
    num_proposals: int
    """Number of points that the sampler has yet to propose."""
    other_sweep: str = ""
    """How the sweep in the folder differs from the plan; "" where it is the plan's own sweep."""

    @property
    def to_train(self) -> tuple[PlannedTrial, ...]:
        """The trials of the missing points that no other sweep has trained."""
        points = {point.id for trial in self.trials for point in trial.points}
        return trials_with(self.trials, points - self.elsewhere.keys())

    @property
    def needs_training(self) -> bool:
        """Whether any point is left that no sweep has trained."""
        return bool(self.num_proposals or self.to_train)

    @property
    def text(self) -> str:
        """The progress of the sweep, such as `3 of 8 points done, 1 begun (4 epochs)`."""
        gone = f", {self.num_gone} to train again because the checkpoint is gone" if self.num_gone else ""
        begun = f", {len(self.begun)} begun ({counted(sum(self.begun.values()), 'epoch')})" if self.begun else ""
        return f"{len(self.ended)} of {counted(self.plan.num_points, 'point')} done{gone}{begun}"

    def without(self, rows: Rows, history: History) -> Self:
        """Return what is left once `rows` and `history` have been added to the logs of the folder."""
        missing = {point.id for trial in self.trials for point in trial.points} - rows.keys()
        return replace(
            self,
            rows={**self.rows, **rows},
            ended={**self.ended, **rows},
            history={**self.history, **history},
            begun={id_: epochs for id_, epochs in self.begun.items() if id_ not in rows},
            elsewhere={id_: folder for id_, folder in self.elsewhere.items() if id_ not in rows},
            trials=trials_with(self.trials, missing),
        )


def read_left(plan: Plan) -> Left:
    """Return what is left to train of `plan`, according to the logs.

    Raises:
        ConfigError: a log is damaged.
    """
    logged, history = latest_rows(plan.folder), load_measurements(plan.folder)
    begun = {*logged, *(path.name for path in plan.folder.glob("points/*"))}
    return _left(plan, logged, history, other_sweep=_other_sweep(plan, begun))


def all_left(plan: Plan) -> Left:
    """Return what is left to train of `plan` in an empty folder."""
    return _left(plan, {}, {})


def _left(plan: Plan, logged: Rows, history: History, *, other_sweep: str = "") -> Left:
    ids = logged.keys() | history.keys() if plan.adaptive else {point.id for point in plan.points}
    rows = {id_: row for id_, row in logged.items() if id_ in ids}
    ended = {id_: row for id_, row in rows.items() if _needs_no_training(row, plan)}
    gone = {id_ for id_, row in rows.items() if row["state"] == "COMPLETE"} - ended.keys()
    missing = {point.id for point in plan.points} - ended.keys()
    trials = trials_with(plan.trials, missing)
    points = {point.id: point for trial in trials for point in trial.points}
    return Left(
        plan=plan,
        rows=rows,
        ended=ended,
        history=history,
        begun={id_: epochs[-1].epoch for id_, epochs in history.items() if id_ in ids - ended.keys() - gone},
        num_gone=len(gone),
        elsewhere={} if plan.config.fresh else find_trained(points, plan.config.runs, plan.folder),
        trials=trials,
        num_proposals=max(0, plan.num_points - len(ended)) if plan.adaptive else 0,
        other_sweep=other_sweep,
    )


def _needs_no_training(row: Mapping[str, Any], plan: Plan) -> bool:
    """Whether the point of a row has ended for good.

    An adaptive sampler takes a failure as an answer about the point, unless other images caused the failure.
    """
    if row["state"] == "COMPLETE":
        return has_checkpoint(plan.folder, row["point"])
    if row["state"] == "FAILED":
        return plan.adaptive and not row["reason"].startswith(OtherImagesError.__name__)
    return plan.scheduler.stops_early


def _other_sweep(plan: Plan, begun: set[str]) -> str:
    """Return how the sweep in the folder differs from `plan`; "" where they are one sweep.

    `begun` are the ids of the points that have a row or a folder. A sweep may be widened: every point in its folder is
    then a point of the plan.
    """
    path = plan.folder / CONFIG
    if not path.is_file():
        return ""
    then, now = load_config(path).defining, plan.config.defining
    fingerprint = read_identity(plan.folder)["fingerprint"]
    is_widened = {point.id for point in plan.points}.issuperset(begun) and not plan.adaptive
    if begun and fingerprint == plan.dataset.fingerprint and is_widened:
        return ""
    if plan.adaptive:
        then["num_samples"] = now["num_samples"]  # more points of one sweep
    differences = [f"{n} was {_as_text(then[n])}, is {_as_text(now[n])}" for n in now if then[n] != now[n]]
    if fingerprint != plan.dataset.fingerprint:
        differences.append(f"the dataset's fingerprint was {fingerprint}, is {plan.dataset.fingerprint}")
    if not differences and begun and not plan.adaptive:
        differences.append(f"the points of {plan.config.space} have changed in the code")
    if not differences:
        return ""
    return f"{plan.folder} holds another sweep ({'; '.join(differences)}); choose another --name"


def _as_text(value: object) -> str:
    """Write the value of a setting as its user would."""
    return "unset" if value in (None, ()) else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
