"""A sweep from its plan to its results log: the folder, its lock, what is left to do, and who listens."""

import os
import platform
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from sweep.axes import effective_space
from sweep.config import SweepConfig, load_config
from sweep.damaged import list_damaged, without_damaged_images
from sweep.environment import CONFIG, read_identity, write_identity
from sweep.forecast import Forecast, deadline, forecast, seconds_alive
from sweep.held import Held
from sweep.live_report import LiveReport
from sweep.plan import Plan
from sweep.prediction import budget
from sweep.progress import Progress, duration
from sweep.queue import Queue
from sweep.recorder import Listener, Recorder
from sweep.resources import Resources, trial_resources
from sweep.results import ResultsLog, cut_off_notes, latest_rows
from sweep.reuse import find_trained, take_over
from sweep.schedulers import ASHA_WARNING, SCHEDULERS
from sweep.timings import Machine, this_machine
from trainers.cost import network_key
from trainers.errors import ConfigError, counted, one_line
from trainers.files import nearest_folder
from trainers.registry import TRAINERS

READY_FOR_NODES = 200
"""Trials that wait for nodes to join a cluster: as many as Ray Tune itself keeps for its autoscaler."""
LOCK, DRIVER = ".lock", ".driver"
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


def run(
    config: SweepConfig, plan: Plan, *, console: Console, report: Callable[[Path], Path], report_command: Sequence[str]
) -> Outcome:
    """Train what is missing of `plan`, log it, mirror it to MLflow, and attach what `report(folder)` wrote.

    While it trains, `report_command` writes the report now and then, in a process of its own.

    A point is missing unless its last row says COMPLETE, or PRUNED where the scheduler stops points at all. What
    another sweep has trained is taken over from it, unless the configuration wants it fresh.

    Raises:
        ConfigError: the folder holds another sweep or another process writes to it, too many images are damaged, the
            cluster or MLflow cannot be reached, or a trial asks for more than a node has. Nothing was started then.
    """

    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    _check_writable(config.runs)
    held = Held.read(plan, scheduler_name(config, plan))
    _refuse_other_sweep(held, config)
    with ExitStack() as stack:
        stack.enter_context(_locked(plan.folder))
        held = held.now()
        _refuse_other_sweep(held, config)  # again: another driver may have ended since
        found = _elsewhere(config, held)
        needs_training = held.num_missing > len(found)
        if needs_training:
            plan = without_damaged_images(plan, config, say)
            held = replace(held, plan=plan)
        say(plan.summary)
        if held.ended or held.begun:
            say(f"  {held.said}")
        if held.scheduler == "asha":
            say(f"warning: {ASHA_WARNING}")
        if found:
            names = ", ".join(sorted({folder.name for folder in found.values()}))
            say(f"{counted(len(found), 'point')} trained before in {names}; --fresh trains them again")
        from sweep.mlflow_store import check_store, connect, tracking_uri  # MLflow takes seconds to import
        from sweep.tracking import Tracker

        uri = tracking_uri(config.runs, config.tracking_uri)
        check_store(uri)
        resources, predicted = _prepare(config, held, found, say, stack) if needs_training else (None, None)
        store = connect(uri, config.runs)
        identity = write_identity(config, plan)
        for note in cut_off_notes(plan.folder):
            print(note, file=sys.stderr, flush=True)
        left_out = list_damaged(plan) if needs_training else None
        if left_out:
            say(left_out)
        with closing(ResultsLog(plan.folder)) as log:  # which also cuts off a line that was
            take_over(found, held.missing(), log)
        held = held.now()
        ended, id_ = list(held.ended.values()), identity["sweep_id"]
        tracker = Tracker(store, plan, sweep_id=id_, tags=_tags(identity), ended=ended, history=held.history)
        try:
            end = deadline(config, predicted)
            with LiveReport(report_command, lambda: tracker.attach(plan.folder / "report")) as live:
                listeners = [tracker, live]
                left = _train(config, held, resources, listeners, console, predicted, end) if resources else _Left()
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


def progress_so_far(config: SweepConfig, plan: Plan) -> str:
    """One line: what the plan's folder holds already, and other sweeps.

    Raises:
        ConfigError: what the folder holds is damaged.
    """
    held = Held.read(plan, scheduler_name(config, plan))
    another = _other_sweep(held, config)
    if another:
        return another
    found = _elsewhere(config, held)
    elsewhere = f", {len(found)} in other sweeps" if found else ""
    return f"{held.said} in {plan.folder}{elsewhere}"


def scheduler_name(config: SweepConfig, plan: Plan) -> str:
    """The scheduler of the sweep; unless one is named, `frontier` where several settings share a network."""
    if config.scheduler is not None:
        return config.scheduler
    settings = {(network_key(p.config), replace(p.config, seed=0, width_mult=1.0)) for p in plan.points}
    shared = len(settings) > len({network for network, _ in settings})
    drawn = plan.adaptive and plan.num_points > len(settings)
    return "frontier" if (shared or drawn) and not config.promoted else "fifo"


def forecast_of(
    config: SweepConfig, plan: Plan, announce: Callable[[str], None], *, may_time: bool = True
) -> Forecast | None:
    """What is left to train of `plan` will cost; of a plan whose folder holds another sweep, all of it.

    Raises:
        ConfigError: a budget allows no point, or there is one and nothing can be predicted; no cluster at the address;
            what the folder holds is damaged.
    """
    held = Held.read(plan, scheduler_name(config, plan))
    if _other_sweep(held, config):
        held = held.none()
    with _ray(config) if config.address else nullcontext((None, this_machine())) as (_, machine):
        return forecast(config, held, _elsewhere(config, held), machine, announce=announce, may_time=may_time)


def _prepare(
    config: SweepConfig, held: Held, found: Mapping[str, Path], say: Callable[[str], None], stack: ExitStack
) -> tuple[Resources, Forecast | None]:
    """Start Ray, and say what the sweep will cost: before Ray takes its part of this machine, or on the cluster."""

    def predict(machine: Machine) -> Forecast | None:
        made = forecast(config, held, found, machine, announce=say)
        if made:
            say(made.said)
        return made

    predicted = None if config.address else predict(this_machine())
    say("starting Ray, MLflow and the workers ...")
    resources, machine = stack.enter_context(_ray(config))
    return resources, predict(machine) if config.address else predicted


def _check_writable(folder: Path) -> None:
    """Raise a ConfigError unless `folder` is a folder to write to, or could be made."""
    nearest = nearest_folder(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(
            f"cannot write to {folder}: {nearest} is not a folder that you may write to; choose other --runs"
        )


def _elsewhere(config: SweepConfig, held: Held) -> dict[str, Path]:
    """The missing points that another sweep has trained: id to its folder."""
    return {} if config.fresh else find_trained(held.missing(), config.runs, held.plan.folder)


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
    config: SweepConfig,
    held: Held,
    resources: Resources,
    listeners: Sequence[Listener],
    console: Console,
    predicted: Forecast | None,
    end: float | None,
) -> _Left:
    """Train what is missing but what is `predicted` to exceed a budget, until `end` on the monotonic clock."""
    from sweep.runner import run_trials  # Ray takes seconds to import

    plan = held.plan
    queue, total = _queue(config, held, predicted, end)
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


def _queue(config: SweepConfig, held: Held, predicted: Forecast | None, end: float | None) -> tuple[Queue, int]:
    """What is to be trained, and how many points the sweep has without those that a budget leaves out."""
    plan, scheduler, sampler = held.plan, SCHEDULERS[held.scheduler](), None
    cut = predicted.cut_ids if predicted else set[str]()
    missing, known = held.missing(), plan.points
    if plan.adaptive:
        from sweep.optuna_sampler import OptunaSampler  # Optuna takes seconds to import

        hours = (
            {point.id: predicted.prediction.device_hours([point.id]) for point in plan.points} if predicted else None
        )
        sampler = OptunaSampler(config, plan, effective_space(config), hours)
        missing = sampler.go_on(held.ended)
        known = sampler.points
    waiting = {point.id for point in missing}
    for point in (point for point in known if point.id not in cut):
        state = held.rows[point.id]["state"] if point.id in held.rows and point.id not in waiting else None
        scheduler.add(point, held.history.get(point.id, []), state)
    num_proposals = plan.num_points - len(known) if sampler else 0
    missing = [point for point in missing if point.id not in cut]
    return Queue(scheduler, missing, sampler, num_proposals, end, config.max_failures), plan.num_points - len(cut)


@contextmanager
def _ray(config: SweepConfig) -> Generator[tuple[Resources, Machine]]:
    """A Ray session: the resources of each trial in it, and its nodes."""
    from sweep.ray_session import cluster, ray_session  # Ray takes seconds to import

    with ray_session(config):
        machine = cluster()
        yield trial_resources(config, machine.nodes), machine


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the folder against a second driver, which is told by whom; the lock of a dead one is free.

    A folder to which nothing was written is gone afterwards.
    """
    made = [path for path in (folder, folder.parent) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {one_line(error)}; choose other --runs") from error
    driver = folder / DRIVER
    try:
        with FileLock(folder / LOCK, timeout=0):
            driver.write_text(f"process {os.getpid()} on {platform.node()}")
            try:
                yield
            finally:
                driver.unlink(missing_ok=True)
                if [path.name for path in folder.iterdir()] == [LOCK]:
                    (folder / LOCK).unlink()
                    with suppress(OSError):  # not empty
                        for path in made:
                            path.rmdir()
    except Timeout:
        who = driver.read_text() if driver.is_file() else "another process"
        raise ConfigError(f"{who} is writing to {folder}; wait for it, or choose another --name") from None


def _refuse_other_sweep(held: Held, config: SweepConfig) -> None:
    """Raise a ConfigError if the folder holds points that are not of this sweep, or is damaged."""
    another = _other_sweep(held, config)
    if another:
        raise ConfigError(another)


def _other_sweep(held: Held, config: SweepConfig) -> str:
    """That the folder holds points that are not of this sweep, with the differences; "" if it does not.

    A sweep may be widened: all that the folder holds is kept then.

    Raises:
        ConfigError: what the folder holds is damaged.
    """
    plan = held.plan
    begun = {*held.logged, *(path.name for path in plan.folder.glob("points/*"))}
    path = plan.folder / CONFIG
    if not path.is_file():
        return ""
    then, now = load_config(path).defining, config.defining
    saved = read_identity(plan.folder)["fingerprint"]
    if begun and not plan.adaptive and saved == plan.dataset.fingerprint and plan.holds(begun):
        return ""
    if plan.adaptive:
        then["num_samples"] = now["num_samples"]  # more of the same
    differences = [f"{n} was {_said(then[n])}, is {_said(now[n])}" for n in now if then[n] != now[n]]
    if saved != plan.dataset.fingerprint:
        differences.append(f"the dataset's fingerprint was {saved}, is {plan.dataset.fingerprint}")
    if not differences and begun and not plan.adaptive:
        differences.append(f"the points of {config.space} have changed in the code")
    if not differences:
        return ""
    return f"{plan.folder} holds another sweep ({'; '.join(differences)}); choose another --name"


def _said(value: object) -> str:
    """A setting's value as its user wrote it."""
    return "unset" if value in (None, ()) else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _tags(identity: Mapping[str, Any]) -> dict[str, str]:
    git = identity["git"]
    if git is None:
        return {}
    return {"mlflow.source.git.commit": git["commit"], "git_dirty": str(git["dirty"])}
