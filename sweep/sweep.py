"""A sweep from its plan to its results log: the folder, its lock, what is left to do, and who listens."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from sweep.config import SweepConfig, from_json, to_json
from sweep.environment import environment
from sweep.forecast import Forecast, forecast, seconds_alive
from sweep.plan import Plan, PlannedPoint, counted
from sweep.progress import Progress, duration
from sweep.recorder import Listener, Recorder
from sweep.resources import Resources, trial_resources
from sweep.results import ResultsLog, latest_rows, load_measurements
from trainers.errors import ConfigError, one_line
from trainers.measurement import Measurement
from trainers.registry import TRAINERS

CONFIG, ENVIRONMENT, LOCK = "config.json", "environment.json", ".lock"
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
    """Points that were to be trained and have not ended, because the user interrupted."""
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


def run(config: SweepConfig, plan: Plan, *, console: Console, report: Callable[[Path], Path]) -> Outcome:
    """Train what is missing of `plan`, log it, mirror it to MLflow, and attach what `report(folder)` wrote.

    A point is missing unless its last row says COMPLETE or PRUNED.

    Raises:
        ConfigError: the folder holds another sweep or another process writes to it, the cluster or MLflow cannot be
            reached, or a trial asks for more than a node has. Nothing has been started then.
    """
    from sweep.tracking import Tracker, connect, reaching, tracking_uri  # MLflow takes seconds to import

    _check_writable(config.runs)
    _refuse_other_sweep(plan, config)
    console.print(plan.summary, soft_wrap=True)
    predicted = _predict(config, plan, console)
    cut = {point.id for point in predicted.cut} if predicted else set[str]()
    if _missing(plan):
        console.print("starting Ray, MLflow and the workers ...")
    uri = tracking_uri(config.runs, config.tracking_uri)
    with ExitStack() as stack:
        resources = stack.enter_context(_ray(config)) if _missing(plan) else None
        store = connect(uri, config.runs)
        stack.enter_context(_locked(plan.folder))
        _refuse_other_sweep(plan, config)  # again: another driver may have ended since
        missing = [point for point in _missing(plan) if point.id not in cut] if resources else []
        identity = _write_identity(config, plan)
        history = load_measurements(plan.folder)
        with reaching(uri):
            tracker = Tracker(store, plan, sweep_id=identity["sweep_id"], tags=_tags(identity))
        try:
            tracker.catch_up(_ended(plan), history)
            unfinished = (
                _train(config, plan, missing, history, resources, tracker, console) if missing and resources else set()
            )
            rows = [row for id_, row in _rows(plan).items() if id_ not in unfinished]
            report_folder = report(plan.folder) if rows else None
        except BaseException:
            tracker.finish("KILLED", None)
            raise
        tracking_error = tracker.finish("KILLED" if unfinished else "FINISHED", report_folder)
    return Outcome(
        rows=rows,
        num_trained=len(missing) - len(unfinished),
        num_missing=len(unfinished),
        seconds=seconds_alive() - (predicted.timing_seconds if predicted else 0.0),
        predicted_seconds=predicted.seconds if predicted else None,
        tracking_error=tracking_error,
    )


def progress_so_far(config: SweepConfig, plan: Plan) -> str:
    """One line: what the plan's folder holds already."""
    try:
        _refuse_other_sweep(plan, config)
    except ConfigError as error:
        return str(error)
    return f"{len(_ended(plan))} of {counted(len(plan.points), 'point')} done in {plan.folder}"


def forecast_of(config: SweepConfig, plan: Plan, announce: Callable[[str], None]) -> Forecast | None:
    """What is left to train of `plan` will cost; of a plan whose folder holds another sweep, all of it.

    Raises:
        ConfigError: a budget allows no point, or there is one and nothing can be predicted.
    """
    try:
        _refuse_other_sweep(plan, config)
        missing, history = _missing(plan), load_measurements(plan.folder)
    except ConfigError:
        missing, history = plan.points, {}
    return forecast(config, plan.points, missing, history, announce=announce)


def _predict(config: SweepConfig, plan: Plan, console: Console) -> Forecast | None:
    """Say what the sweep will cost; None where nothing is left to train, or where a cluster trains at no budget."""
    budget = config.time_budget or config.max_device_hours
    if not _missing(plan) or (config.address and not budget):
        return None
    found = forecast_of(config, plan, lambda line: console.print(line, soft_wrap=True))
    if found:
        console.print(found.said, soft_wrap=True)
    return found


def _check_writable(folder: Path) -> None:
    """Raise a ConfigError unless `folder` is a folder to write to, or could be made."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(
            f"cannot write to {folder}: {nearest} is not a folder that you may write to; choose other --runs"
        )


def _rows(plan: Plan) -> dict[str, dict[str, Any]]:
    """The rows of the plan's points, in the order in which they ended."""
    planned = {point.id for point in plan.points}
    return {id_: row for id_, row in latest_rows(plan.folder).items() if id_ in planned}


def _ended(plan: Plan) -> list[dict[str, Any]]:
    """The rows of the points that need no training."""
    return [row for row in _rows(plan).values() if row["state"] in ("COMPLETE", "PRUNED")]


def _missing(plan: Plan) -> list[PlannedPoint]:
    """The points that need training."""
    ended = {row["point"] for row in _ended(plan)}
    return [point for point in plan.points if point.id not in ended]


def _train(
    config: SweepConfig,
    plan: Plan,
    missing: Sequence[PlannedPoint],
    history: Mapping[str, list[Measurement]],
    resources: Resources,
    tracker: Listener,
    console: Console,
) -> set[str]:
    """Train `missing`; the ids of those that did not end, because the user interrupted."""
    from sweep.runner import run_trials  # Ray takes seconds to import

    with closing(ResultsLog(plan.folder)) as log, Progress(missing, len(plan.points), console) as progress:
        recorder = Recorder(missing, log, [tracker, progress], history)
        train = TRAINERS[config.trainer]
        run_trials(missing, recorder, train=train, resources=resources, folder=plan.folder / RAY_FILES)
        return {point.id for point in recorder.unfinished}


@contextmanager
def _ray(config: SweepConfig) -> Generator[Resources]:
    """A Ray session; the resources of each trial in it."""
    from sweep.runner import cluster_nodes, ray_session

    data = [Path(config.train.data)] if Path(config.train.data).exists() else []
    with ray_session(config, excludes=[config.runs, *data]):
        yield trial_resources(config, cluster_nodes())


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the folder against a second driver; the lock of a dead one is free."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise ConfigError(f"another sweep is writing to {folder}; wait for it, or choose another --name") from None


def _refuse_other_sweep(plan: Plan, config: SweepConfig) -> None:
    """Raise a ConfigError that names the differences if the folder holds a sweep of other points."""
    path = plan.folder / CONFIG
    if not path.is_file():
        return
    then = from_json(_read_json(path)).defining
    now = config.defining
    differences = [f"{n} was {_said(then[n])}, is {_said(now[n])}" for n in now if then[n] != now[n]]
    identity = _read_json(plan.folder / ENVIRONMENT)
    saved = identity.get("fingerprint")
    if saved != plan.dataset.fingerprint:
        differences.append(f"the dataset's fingerprint was {saved}, is {plan.dataset.fingerprint}")
    if not differences and identity.get("points") != _digest(plan):
        differences.append(f"the points of {config.space} have changed in the code")
    if differences:
        raise ConfigError(f"{plan.folder} holds another sweep ({'; '.join(differences)}); choose another --name")


def _said(value: object) -> str:
    """A setting's value as its user wrote it."""
    return "unset" if value in (None, ()) else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _write_identity(config: SweepConfig, plan: Plan) -> dict[str, Any]:
    """Write `config.json` and `environment.json`; the environment, with the sweep's id kept from an earlier start."""
    path = plan.folder / ENVIRONMENT
    saved = _read_json(path) if path.is_file() else {}
    identity = {
        "sweep_id": saved.get("sweep_id", f"{plan.name}-{secrets.token_hex(4)}"),
        "created_at": saved.get("created_at", time.time()),
        "started_at": time.time(),
        "points": _digest(plan),
        "fingerprint": plan.dataset.fingerprint,
        **environment(plan.dataset),
    }
    _write_json(path, identity)
    _write_json(plan.folder / CONFIG, to_json(config))
    return identity


def _digest(plan: Plan) -> str:
    """Changes with the points of the plan, whatever their order."""
    return hashlib.sha256("\n".join(sorted(point.id for point in plan.points)).encode()).hexdigest()[:16]


def _tags(identity: Mapping[str, Any]) -> dict[str, str]:
    git = identity["git"]
    if git is None:
        return {}
    return {"mlflow.source.git.commit": git["commit"], "git_dirty": str(git["dirty"])}


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file that an earlier start wrote."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is damaged ({one_line(error)}); restore it, or choose another --name") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} is damaged: it holds no JSON object; restore it, or choose another --name")
    return value


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    partial.replace(path)
