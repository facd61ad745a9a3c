"""A sweep from its plan to its results log: the folder, its lock, what is left to do, and who listens."""

import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.results.read import ResultsLog, cut_off_notes, latest_rows
from sweep.choose.queue import Queue
from sweep.choose.schedulers import ASHA_WARNING, SCHEDULERS
from sweep.config import SweepConfig
from sweep.forecast.forecast import Forecast, deadline, forecast, seconds_alive
from sweep.forecast.machine import Resources, trial_resources
from sweep.forecast.prediction import budget
from sweep.forecast.timings import Machine, this_machine
from sweep.plan.axes import effective_space
from sweep.plan.left import Held
from sweep.plan.plan import Plan
from sweep.plan.reuse import find_trained, take_over
from sweep.run.damaged_images import list_damaged, without_damaged_images
from sweep.run.environment import write_identity
from sweep.run.lock import locked
from sweep.run.recorder import Listener, Recorder
from sweep.watch.live_report import LiveReport
from sweep.watch.progress import Progress, duration
from trainers.errors import ConfigError, counted, one_line
from trainers.files import nearest_folder
from trainers.registry import TRAINERS

READY_FOR_NODES = 200
"""Trials that wait for nodes to join a cluster: as many as Ray Tune itself keeps for its autoscaler."""
RAY_FILES = ".ray"
"""Subfolder of a sweep for what Ray writes and nobody reads."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one start of a sweep ended."""

    rows: list[dict[str, Any]]
    """The row of every ended point of the plan, but for those that were to be trained again and were not reached."""
    num_trained: int
    """Points that ended in this start."""
    num_missing: int
    """Points that were to be trained and have not ended, because the user interrupted or the time was over."""
    ended_by: str
    """What ended it with points to go: the time budget, failures, or a signal; empty where nothing did."""
    signal: int
    """The number of the signal that ended it; 0 where none did."""
    seconds: float
    """From the start of this process, without what it took to time networks."""
    predicted_seconds: float | None
    """What was predicted; None where nothing was, or nothing was to be trained."""
    tracking_error: str | None
    """Why MLflow lacks something, if it does."""

    @property
    def num_failed(self) -> int:
        """Points that failed, in this start or before."""
        return sum(row["state"] == "FAILED" for row in self.rows)

    def summary(self) -> str:
        """One line."""
        if not self.num_trained and not self.num_missing:
            return f"nothing left to train: {counted(len(self.rows), 'point')} ended before, {self.num_failed} failed"
        reused = len(self.rows) - self.num_trained
        again = f", {reused} of them already done" if reused else ""
        taken = f", in {duration(self.seconds)}"
        if self.predicted_seconds is not None and not self.num_missing:
            taken = f"; predicted {duration(self.predicted_seconds)}, took {duration(self.seconds)}"
        return f"{counted(len(self.rows), 'point')} ended{again}, {self.num_failed} failed{taken}"


def run(plan: Plan, *, console: Console, report: Callable[[Path], Path], report_command: Sequence[str]) -> Outcome:
    """Train what is missing of `plan`, log it, mirror it to MLflow, and attach what `report(folder)` wrote.

    While it trains, `report_command` writes the report now and then, in a process of its own.

    A point is missing unless its last row says COMPLETE, or PRUNED where the scheduler stops points at all. What
    another sweep has trained is taken over from it, unless the configuration wants it fresh.

    Raises:
        ConfigError: the folder holds another sweep or another process writes to it, too many images are damaged, the
            cluster or MLflow cannot be reached, or a trial asks for more than a node has. Nothing was started then.
    """
    config = plan.config

    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    _check_writable(config.runs)
    held = Held.read(plan)
    held.refuse_other_sweep()
    with ExitStack() as stack:
        stack.enter_context(locked(plan.folder))
        held = held.now()
        held.refuse_other_sweep()  # again: another driver may have ended since
        found = held.elsewhere()
        needs_training = held.num_missing > len(found)
        if needs_training:
            plan = without_damaged_images(plan, say)
            held = replace(held, plan=plan)
        _announce(held, found, say)
        from sweep.watch.mlflow_store import check_store, connect, tracking_uri  # MLflow takes seconds to import
        from sweep.watch.tracker import Tracker

        uri = tracking_uri(config.runs, config.tracking_uri)
        check_store(uri)
        resources, predicted = _prepare(held, found, say, stack) if needs_training else (None, None)
        store = connect(uri, config.runs)
        identity = _begin(held, found, say, lists_damaged=needs_training)
        held = held.now()
        tracker = Tracker(
            store,
            plan,
            sweep_id=identity["sweep_id"],
            tags=_tags(identity),
            ended=list(held.ended.values()),
            history=held.history,
        )
        try:
            with LiveReport(report_command, lambda: tracker.attach(plan.folder / "report")) as live:
                listeners = [tracker, live]
                left = _train(held, resources, listeners, console, predicted) if resources else _Left()
            cut = predicted.cut_ids if predicted else set[str]()
            now = replace(held, logged=latest_rows(plan.folder)) if resources else held
            rows = [row for id_, row in now.rows.items() if id_ not in left.ids | cut]
            num_cut = plan.num_points - len(rows) - left.num_points - len(cut)
            if plan.adaptive and num_cut > 0 and config.max_device_hours:
                say(f"left out, for {budget(config)}: {num_cut} of {counted(plan.num_points, 'point')}")
            report_folder = report(plan.folder) if rows else None
        except BaseException:
            tracker.finish("KILLED", None)
            raise
        tracking_error = tracker.finish("KILLED" if left.num_points else "FINISHED", report_folder)
    return Outcome(
        rows=rows,
        num_trained=len(rows) - len(held.ended),
        num_missing=left.num_points,
        ended_by=left.ended_by,
        signal=left.signal,
        seconds=seconds_alive() - (predicted.timing_seconds if predicted else 0.0),
        predicted_seconds=predicted.seconds if predicted else None,
        tracking_error=tracking_error,
    )


def progress_so_far(held: Held) -> str:
    """One line: what the plan's folder holds already, and other sweeps.

    Raises:
        ConfigError: what the folder holds is damaged.
    """
    another = held.other_sweep()
    if another:
        return another
    found = held.elsewhere()
    elsewhere = f", {len(found)} in other sweeps" if found else ""
    return f"{held.said} in {held.plan.folder}{elsewhere}"


def forecast_of(held: Held, announce: Callable[[str], None], *, may_time: bool = True) -> Forecast | None:
    """What is left to train will cost; where the folder holds another sweep, all of the plan.

    Raises:
        ConfigError: a budget allows no point, or there is one and nothing can be predicted; no cluster at the address;
            what the folder holds is damaged.
    """
    if held.other_sweep():
        held = held.none()
    with _ray(held.plan.config) if held.plan.config.address else nullcontext(this_machine()) as machine:
        return forecast(held, held.elsewhere(), machine, announce=announce, may_time=may_time)


def _announce(held: Held, found: Mapping[str, Path], say: Callable[[str], None]) -> None:
    """Say what the sweep is, and what is done of it, here and elsewhere."""
    say(held.plan.summary)
    if held.ended or held.begun:
        say(f"  {held.said}")
    if held.scheduler == "asha":
        say(f"warning: {ASHA_WARNING}")
    if found:
        names = ", ".join(sorted({folder.name for folder in found.values()}))
        say(f"{counted(len(found), 'point')} trained before in {names}; --fresh trains them again")


def _prepare(
    held: Held, found: Mapping[str, Path], say: Callable[[str], None], stack: ExitStack
) -> tuple[Resources, Forecast | None]:
    """Start Ray, and say what the sweep will cost: before Ray takes its part of this machine, or on the cluster."""
    config = held.plan.config

    def predict(machine: Machine) -> Forecast | None:
        made = forecast(held, found, machine, announce=say)
        if made:
            say(made.said)
        return made

    predicted = None if config.address else predict(this_machine())
    say("starting Ray, MLflow and the workers ...")
    machine = stack.enter_context(_ray(config))
    return trial_resources(config, machine.nodes), predict(machine) if config.address else predicted


def _begin(held: Held, found: Mapping[str, Path], say: Callable[[str], None], *, lists_damaged: bool) -> dict[str, Any]:
    """Write to the folder what the sweep is, and what is `found` elsewhere; the identity."""
    plan = held.plan
    identity = write_identity(plan)
    for note in cut_off_notes(plan.folder):
        print(note, file=sys.stderr, flush=True)
    left_out = list_damaged(plan) if lists_damaged else None
    if left_out:
        say(left_out)
    with closing(ResultsLog(plan.folder)) as log:  # which also cuts off a line that was
        take_over(found, held.missing(), log)
    return identity


def _check_writable(folder: Path) -> None:
    """Raise a ConfigError unless `folder` is a folder to write to, or could be made."""
    try:
        nearest = nearest_folder(folder)
    except OSError as error:  # such as a name that is too long
        raise ConfigError(f"cannot write to {folder}: {one_line(error)}; choose other --runs") from error
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(
            f"cannot write to {folder}: {nearest} is not a folder that you may write to; choose other --runs"
        )


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What a start of a sweep did not train."""

    num_points: int = 0
    ids: set[str] = field(default_factory=set)
    """Those of the points that are known."""
    ended_by: str = ""
    """Why."""
    signal: int = 0
    """The number of the signal that ended it; 0 where none did."""


def _train(
    held: Held,
    resources: Resources,
    listeners: Sequence[Listener],
    console: Console,
    predicted: Forecast | None,
) -> _Left:
    """Train what is missing but what is `predicted` to exceed a budget, until the time budget is over."""
    from sweep.run.ray_trials import run_trials  # Ray takes seconds to import

    plan, config = held.plan, held.plan.config
    queue = _queue(held, predicted)
    total = plan.num_points - len(predicted.cut if predicted else ())
    waiting, adaptive = queue.waiting, plan.adaptive
    num_ended = total - queue.num_proposals - len(waiting)
    progress = Progress(waiting, total, console, num_ended=num_ended, earlier=list(held.rows.values()))
    with closing(ResultsLog(plan.folder)) as log, progress:
        # what is yet to be chosen may have been trained elsewhere; of known points that is known before
        trained = find_trained(None, config.runs, plan.folder) if adaptive and not config.fresh else {}
        recorder = Recorder(log, [*listeners, progress], queue, held.history, trained)
        train = TRAINERS[config.trainer]
        # of points that are chosen by what others showed none is chosen before it can start
        ahead = READY_FOR_NODES if config.address and held.scheduler == "fifo" and not adaptive else 0
        signal = run_trials(recorder, train=train, resources=resources, num_ahead=ahead, folder=plan.folder / RAY_FILES)
    ids = {point.id for point in (*recorder.unfinished, *queue.waiting)}
    num_points = len(ids) + queue.num_proposals
    if not num_points:
        return _Left(signal=signal)
    if queue.given_up:
        ended_by = f"{config.max_failures} points in a row failed, the last: {queue.given_up}"
    else:
        ended_by = "the time budget is over" if queue.out_of_time else "interrupted" if signal else "Ray Tune ended"
    return _Left(num_points=num_points, ids=ids, ended_by=ended_by, signal=signal)


def _queue(held: Held, predicted: Forecast | None) -> Queue:
    """What is to be trained."""
    plan, scheduler, sampler = held.plan, SCHEDULERS[held.scheduler](), None
    cut = predicted.cut_ids if predicted else set[str]()
    missing, known = held.missing(), plan.points
    if plan.adaptive:
        from sweep.choose.optuna_sampler import OptunaSampler  # Optuna takes seconds to import

        hours = (
            {point.id: predicted.prediction.device_hours([point.id]) for point in plan.points} if predicted else None
        )
        sampler = OptunaSampler(plan, effective_space(plan.config), hours)
        missing = sampler.go_on(held.ended)
        known = sampler.points
    waiting = {point.id for point in missing}
    for point in (point for point in known if point.id not in cut):
        state = held.rows[point.id]["state"] if point.id in held.rows and point.id not in waiting else None
        scheduler.add(point, held.history.get(point.id, []), state)
    num_proposals = plan.num_points - len(known) if sampler else 0
    missing = [point for point in missing if point.id not in cut]
    end = deadline(plan.config, predicted)
    return Queue(scheduler, missing, sampler, num_proposals, end, plan.config.max_failures)


@contextmanager
def _ray(config: SweepConfig) -> Generator[Machine]:
    """A Ray session, by its nodes."""
    from sweep.run.ray_session import cluster, ray_session  # Ray takes seconds to import

    with ray_session(config):
        yield cluster()


def _tags(identity: Mapping[str, Any]) -> dict[str, str]:
    git = identity["git"]
    if git is None:
        return {}
    return {"mlflow.source.git.commit": git["commit"], "git_dirty": str(git["dirty"])}
