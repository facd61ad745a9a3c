"""Runs a sweep from its plan to its report: locks the folder, finds and trains what is left, notifies listeners."""

import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rich.console import Console

from analysis.results.identity import ENVIRONMENT
from analysis.results.read import cut_off_notes
from sweep.choose.queue import Queue
from sweep.choose.schedulers import SCHEDULERS
from sweep.config import SweepConfig
from sweep.forecast.budgets import Forecast, deadline, forecast
from sweep.forecast.prediction import budget
from sweep.forecast.trial_resources import Machine, Resources, this_machine, trial_resources
from sweep.plan.axes import effective_space
from sweep.plan.class_balance import class_warnings
from sweep.plan.left import Left, all_left, read_left
from sweep.plan.plan import Plan
from sweep.plan.reuse import find_all_trained
from sweep.plan.trials import PlannedTrial
from sweep.run.damaged_images import without_damaged_images, write_damaged
from sweep.run.environment import keep_identity, write_identity
from sweep.run.lock import check_writable_folder, locked
from sweep.run.log import ResultsLog
from sweep.run.outcome import Outcome
from sweep.run.recorder import Listener, Recorder
from sweep.run.take_over import take_over
from sweep.watch.live_report import LiveReport, write_live_report
from sweep.watch.progress import Progress
from trainers.errors import ConfigError, counted
from trainers.registry import TRAINERS

READY_FOR_NODES = 200
"""Number of trials that wait for nodes to join a cluster, as many as Ray Tune itself keeps for its autoscaler."""
RAY_FILES = ".ray"
"""Subfolder of a sweep for Ray's own files, which nobody reads."""


def run(plan: Plan, *, console: Console, started_at: float | None = None) -> Outcome:
    """Train the missing points of `plan`, log them, mirror them to MLflow, and write the report.

    A point is missing unless its last row says COMPLETE, or PRUNED if the scheduler stops points early. Results that
    another sweep has are taken over, except with --fresh.

    Args:
        plan: the points to train.
        console: shows the progress.
        started_at: start of the program on the monotonic clock; None means now.

    Raises:
        ConfigError: the folder holds another sweep or another process writes to it, too many images are damaged, the
            cluster or MLflow cannot be reached, or a trial asks for more than a node has. Nothing is trained then.
    """
    config = plan.config
    started_at = time.monotonic() if started_at is None else started_at

    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    check_writable_folder(config.runs)
    with ExitStack() as stack:
        stack.enter_context(locked(plan.folder))
        left = read_left(plan)
        if left.other_sweep:
            raise ConfigError(left.other_sweep)
        left, damaged = without_damaged_images(left, say) if left.needs_training else (left, None)
        _announce(left, say)
        from sweep.watch.mlflow_store import check_store, connect, tracking_uri  # MLflow takes seconds to import
        from sweep.watch.tracker import Tracker

        uri = tracking_uri(config.runs, config.tracking_uri)
        check_store(uri)
        resources, predicted = _prepare(left, say, stack) if left.needs_training else (None, None)
        store = connect(uri, config.runs)
        identity = write_identity(left.plan)
        if damaged is not None and (line := write_damaged(damaged, plan.folder)):
            say(line)
        left = _take_over(left)
        tracker = Tracker(store, left, sweep_id=identity["sweep_id"], tags=_tags(identity), say=say)
        try:
            write = partial(write_live_report, plan.folder, config.published)
            with LiveReport(write, tracker.attach) as live:
                listeners = [tracker, live]
                trained = (
                    _train(left, resources, listeners, console, predicted, started_at) if resources else _Trained()
                )
            cut = predicted.cut_ids if predicted else set[str]()
            rows = {**left.rows, **trained.rows}
            rows = [row for id_, row in rows.items() if id_ not in trained.missing | cut]
            num_cut = plan.num_points - len(rows) - trained.num_missing - len(cut)
            if left.num_proposals and num_cut > 0 and config.max_device_hours:
                say(f"left out, for {budget(config)}: {num_cut} of {counted(plan.num_points, 'point')}")
            from analysis.report.report import write_report  # matplotlib and scikit-learn take seconds to import

            report = write_report(plan.folder, published=config.published) if rows else None
        except BaseException:
            tracker.finish("KILLED", None)
            if plan.folder.is_dir() and not (plan.folder / ENVIRONMENT).is_file():  # deleted, but the log is back
                keep_identity(plan, identity)
            raise
        tracking_error = tracker.finish("KILLED" if trained.num_missing else "FINISHED", report)
    return Outcome(
        rows=rows,
        num_trained=len(rows) - len(left.ended),
        num_missing=trained.num_missing,
        ended_by=trained.ended_by,
        signal=trained.signal,
        seconds=time.monotonic() - started_at - (predicted.timing_seconds if predicted else 0.0),
        predicted_seconds=predicted.seconds if predicted else None,
        report=report,
        tracking_error=tracking_error,
    )


def progress_so_far(left: Left) -> str:
    """Return one line: how many points of the plan are done in its folder, and in other sweeps."""
    if left.other_sweep:
        return left.other_sweep
    elsewhere = f", {len(left.elsewhere)} in other sweeps" if left.elsewhere else ""
    return f"{left.text} in {left.plan.folder}{elsewhere}"


def forecast_of(left: Left, announce: Callable[[str], None], *, may_time: bool = True) -> Forecast | None:
    """Predict the cost of the points left to train, or of the whole plan if its folder holds another sweep.

    Raises:
        ConfigError: a budget allows no point, a budget is set but nothing can be predicted, or no cluster is found.
    """
    if left.other_sweep:
        left = all_left(left.plan)
    with _ray(left.plan.config) if left.plan.config.address else nullcontext(this_machine()) as machine:
        return forecast(left, machine, announce=announce, may_time=may_time)


def _announce(left: Left, say: Callable[[str], None]) -> None:
    """Print the plan's summary, and how many points are done here and in other sweeps."""
    say(left.plan.summary)
    for line in class_warnings(left.plan.dataset):
        say(line)
    if left.ended or left.begun or left.num_gone:
        say(f"  {left.text}")
    if left.plan.scheduler.warning:
        say(f"warning: {left.plan.scheduler.warning}")
    if left.elsewhere:
        names = ", ".join(sorted({folder.name for folder in left.elsewhere.values()}))
        say(f"{counted(len(left.elsewhere), 'point')} trained before in {names}; --fresh trains them again")


def _prepare(left: Left, say: Callable[[str], None], stack: ExitStack) -> tuple[Resources, Forecast | None]:
    """Start Ray and print the predicted cost; networks are timed on the cluster, or here before Ray's start."""
    config = left.plan.config

    def predict(machine: Machine) -> Forecast | None:
        predicted = forecast(left, machine, announce=say)
        if predicted:
            say(predicted.text)
        return predicted

    _fetch_starts(left, say)
    predicted = None if config.address else predict(this_machine())
    say("starting Ray, MLflow and the workers ...")
    machine = stack.enter_context(_ray(config))
    return trial_resources(config, machine.nodes), predict(machine) if config.address else predicted


def _fetch_starts(left: Left, say: Callable[[str], None]) -> None:
    """Download the published weights that trainings start from, so that a failure is known before anything starts."""
    configs = [point.config for trial in left.to_train for point in trial.points if point.config.init == "published"]
    if configs:
        from trainers.training.start import fetch_published_start  # the published weights take a second to import

        say("fetching the published weights that trainings start from, unless they are here ...")
        for config in configs:
            fetch_published_start(config)


def _take_over(left: Left) -> Left:
    """Log the results of other sweeps; return what is then left to train."""
    folder = left.plan.folder
    for note in cut_off_notes(folder):
        print(note, file=sys.stderr, flush=True)
    points = [point for trial in left.trials for point in trial.points]
    with closing(ResultsLog(folder)) as log:  # which also cuts off a line that a killed writer left unfinished
        taken = take_over(left.elsewhere, points, log)
    return left.without(taken.rows, taken.history)


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """The points that one start of a sweep trained, and the points that it did not reach."""

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The rows of the points that ended, by point id."""
    missing: set[str] = field(default_factory=set)
    """The ids of known points that were to be trained and have not ended."""
    num_missing: int = 0
    """Number of missing points, with the points that the sampler has not proposed."""
    ended_by: str = ""
    """See `Outcome`."""
    signal: int = 0
    """See `Outcome`."""


def _train(
    left: Left,
    resources: Resources,
    listeners: Sequence[Listener],
    console: Console,
    predicted: Forecast | None,
    started_at: float,
) -> _Trained:
    """Train the missing points until the time budget is over, without points `predicted` to exceed a budget."""
    from sweep.run.ray_trials import run_trials  # Ray takes seconds to import

    plan, config = left.plan, left.plan.config
    queue = _queue(left, predicted, started_at)
    total = plan.num_points - len(predicted.cut_ids if predicted else ())
    waiting = [point for trial in queue.waiting for point in trial.points]
    num_ended = total - queue.num_proposals - len(waiting)
    progress = Progress(waiting, total, console, num_ended=num_ended, earlier=list(left.rows.values()))
    with closing(ResultsLog(plan.folder)) as log, progress:
        # other sweeps may have trained points that are yet to be proposed; known points have been taken over already
        trained = find_all_trained(config.runs, plan.folder) if left.num_proposals and not config.fresh else {}
        recorder = Recorder(log, [*listeners, progress], queue, left.history, trained)
        knows_order = plan.scheduler.knows_order and not plan.adaptive
        signal = run_trials(
            recorder,
            train=TRAINERS[config.trainer].train,
            resources=resources,
            num_ahead=READY_FOR_NODES if config.address and knows_order else 0,
            folder=plan.folder / RAY_FILES,
        )
    waiting = [point for trial in queue.waiting for point in trial.points]
    missing = {point.id for point in (*recorder.open_points, *waiting)}
    return _Trained(
        rows=recorder.rows,
        missing=missing,
        num_missing=len(missing) + queue.num_proposals,
        ended_by=_ended_by(queue, config, signal) if missing or queue.num_proposals else "",
        signal=signal,
    )


def _ended_by(queue: Queue, config: SweepConfig, signal: int) -> str:
    """Return why a start ended with points to go."""
    if queue.given_up:
        return f"{config.max_failures} points in a row failed, the last: {queue.given_up}"
    return "the time budget is over" if queue.out_of_time else "interrupted" if signal else "Ray Tune ended"


def _queue(left: Left, predicted: Forecast | None, started_at: float) -> Queue:
    """Return the queue of the trials to run and of the points to be proposed."""
    plan, scheduler, sampler = left.plan, SCHEDULERS[left.plan.scheduler.name](), None
    cut = predicted.cut_ids if predicted else set[str]()
    trials, known = left.trials, plan.points
    if plan.candidates:
        from sweep.choose.optuna_sampler import OptunaSampler  # Optuna takes seconds to import

        alone = [PlannedTrial.alone(point) for point in plan.candidates]
        hours = {trial.id: predicted.prediction.device_hours([trial]) for trial in alone} if predicted else None
        sampler = OptunaSampler(plan, effective_space(plan.config), hours)
        trials = tuple(PlannedTrial.alone(point) for point in sampler.go_on(left.ended))
        known = tuple(sampler.points)
    trials = [part for trial in trials if (part := trial.only({p.id for p in trial.points} - cut))]
    waiting = {point.id for trial in trials for point in trial.points}
    for point in (point for point in known if point.id not in cut):
        state = left.rows[point.id]["state"] if point.id in left.rows and point.id not in waiting else None
        scheduler.add(point, left.history.get(point.id, []), state)
    num_proposals = plan.num_points - len(known) if sampler else 0
    end = deadline(plan.config, predicted, started_at)
    return Queue(scheduler, trials, sampler, num_proposals, end, plan.config.max_failures)


@contextmanager
def _ray(config: SweepConfig) -> Generator[Machine]:
    """Start a Ray session; yield its nodes as a Machine."""
    from sweep.run.ray_session import cluster, ray_session  # Ray takes seconds to import

    with ray_session(config):
        yield cluster()


def _tags(identity: Mapping[str, Any]) -> dict[str, str]:
    git = identity["git"]
    if git is None:
        return {}
    return {"mlflow.source.git.commit": git["commit"], "git_dirty": str(git["dirty"])}
