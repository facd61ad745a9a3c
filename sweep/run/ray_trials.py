"""Runs trials under Ray Tune, in parallel, on this machine or a cluster, and reports to a Recorder."""

import math
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweep.run.ray_session import cluster  # first, as it sets variables that Ray reads when it is imported

# isort: split
from ray import tune
from ray.tune import TuneError
from ray.tune.search import Searcher

from sweep.forecast.trial_resources import Resources
from sweep.run.failures import cause, is_lost, reason
from sweep.run.recorder import Recorder
from trainers.hardware.device import is_out_of_memory, limit_process, use_gpu
from trainers.hardware.workers import Workers
from trainers.training.parts import MOST_HALVINGS, in_smaller_parts
from trainers.trial import Measurement, Train, Trial

ECHO_SECONDS = 5.0
"""Seconds after a signal during which a second one is ignored: `uv run` forwards a signal that its whole process group
received already, and a process that starts or ends Ray handles a signal only seconds after its arrival."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Seconds between counts of the trials for which the nodes of the cluster have room."""
GROUP_BUNDLE = {"node:__internal_head__": 0.001}
"""Resources of the process that waits for a group of workers: almost none, as the workers request their own."""


def run_trials(recorder: Recorder, *, train: Train, resources: Resources, folder: Path, num_ahead: int = 0) -> int:
    """Run the trials that the recorder hands out, until there are no more, the recorder is over, or a signal arrives.

    Args:
        recorder: hands out trials and receives their measurements.
        train: trains the points of a trial, whose checkpoints go to the folders of the points.
        resources: the resources of each trial.
        folder: holds Ray's own files while trials run; removed at the end.
        num_ahead: number of trials that wait for nodes to join the cluster, beyond those that have room.

    Returns:
        The number of the signal that ended the trials, or 0.

    Raises:
        OSError: the recorder could not write a row.
    """
    in_group = resources.num_workers > 1
    if in_group:
        trainable = tune.with_parameters(_group_trial, train=train, resources=resources, folder=folder.absolute())
        bundle = GROUP_BUNDLE
    else:
        trainable, bundle = tune.with_parameters(_trial, train=train, resources=resources), resources.per_worker
    ending: dict[str, str] = {}
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([{k: v for k, v in bundle.items() if v}])),
        tune_config=tune.TuneConfig(
            search_alg=_Trials(recorder, ending, resources, 0 if in_group else num_ahead),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=_trial_name,
            trial_name_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder.absolute()),
            callbacks=[_Report(recorder, ending)],
            stop=_Stop(recorder, ending, in_group=in_group),
            verbose=0,
        ),
    )
    with _stop_on_signal() as received:
        _fit(tuner)
    shutil.rmtree(folder, ignore_errors=True)
    return received[0] if received else 0


def _fit(tuner: tune.Tuner) -> None:
    """Run the trials.

    Raises:
        OSError: the recorder could not write a row.
    """
    try:
        tuner.fit()
    except TuneError as error:
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


@contextmanager
def _stop_on_signal() -> Generator[list[int]]:
    """Stop Ray Tune on Ctrl-C or SIGTERM; a signal more than ECHO_SECONDS later ends this process at once.

    Yields a list that receives the number of the first signal.
    """
    received: list[int] = []
    echo_until = math.inf

    def stop(number: int, _: object) -> None:
        nonlocal echo_until
        if received:
            if time.monotonic() > echo_until:
                sys.exit(128 + number)
            return
        received.append(number)
        echo_until = time.monotonic() + ECHO_SECONDS
        print(
            "stopping; each running point goes on from its last finished epoch next time", file=sys.stderr, flush=True
        )
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:  # Tune has not installed its own stop signal yet
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        signal.raise_signal(signal.SIGUSR1)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _trial(config: dict[str, Trial], *, train: Train, resources: Resources) -> None:
    """Train a trial in this process; report each measurement, or why training failed."""
    limit_process(num_threads=int(resources.per_worker["CPU"]), gpu_share=resources.per_worker["GPU"])
    with _reporting_failure():
        for measurement in train(config["trial"]):
            tune.report({"measurement": asdict(measurement)})


def _group_trial(config: dict[str, Trial], *, train: Train, resources: Resources, folder: Path) -> None:
    """Train a trial with several workers; Ray Train starts them, sets up their process group and forwards reports."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    per_worker = resources.per_worker

    def fit(trial: Trial, name: str) -> None:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"trial": trial, "train": train, "num_threads": int(per_worker["CPU"])},
            scaling_config=ScalingConfig(
                num_workers=resources.num_workers, use_gpu=per_worker["GPU"] > 0, resources_per_worker=dict(per_worker)
            ),
            run_config=RunConfig(name=name, storage_path=str(folder), callbacks=[TuneReportCallback()]),
        )
        trainer.fit()

    with _reporting_failure():
        _fit_in_memory(fit, config["trial"], tune.get_context().get_trial_id(), resources.num_workers)


def _fit_in_memory(fit: Callable[[Trial, str], None], trial: Trial, name: str, num_workers: int) -> None:
    """Fit; while a worker runs out of memory, fit again with every batch in twice as many parts.

    All workers are started again, as one cannot change its batches while the others wait for it within a step.
    """
    for halvings in range(MOST_HALVINGS + 1):
        try:
            return fit(trial, f"{name}-{halvings}")
        except Exception as error:
            if halvings == MOST_HALVINGS or not is_out_of_memory(cause(error)):
                raise
            smaller = [in_smaller_parts(point, num_workers) for point in trial.points]
            if any(point is None for point in smaller):
                raise
        trial = trial.of(tuple(point for point in smaller if point is not None))


def _worker(config: dict[str, Any]) -> None:
    """Train a trial as one of several workers; Ray Train forwards the reports of the first worker alone."""
    from ray import train as ray_train

    limit_process(num_threads=config["num_threads"], gpu_share=1.0)
    use_gpu(ray_train.get_context().get_local_rank())
    trial: Trial = config["trial"]
    for measurement in config["train"](trial):
        ray_train.report({"measurement": asdict(measurement)})
        if Workers.current().any(all(point.is_stopped for point in trial.points)):
            return


@contextmanager
def _reporting_failure() -> Generator[None]:
    """Report any exception inside as a failure, whose text becomes the reason in the rows of the trial's points."""
    try:
        yield
    except Exception as error:
        failure = cause(error)
        if is_lost(failure):
            raise
        tune.report({"failure": reason(failure)})


def _trial_name(trial: Any) -> str:
    return trial.trial_id


class _Hook:
    """An object that Ray Tune calls and pickles; the pickle is for Tuner.restore, which is never used."""

    def __init__(self, recorder: Recorder, ending: dict[str, str]) -> None:
        """Forward calls to `recorder`.

        All hooks share `ending`, the trials whose points have all ended while their workers still live: the id of our
        trial by the id of Ray's trial.
        """
        super().__init__()
        self._recorder = recorder
        self._ending = ending

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Trials(_Hook, Searcher):
    """Gives each of Ray's trials one of ours, as many at once as the present nodes of the cluster have room for.

    A trial that is ending occupies its room until its workers are gone; until then, none of its points is resumed.
    """

    def __init__(self, recorder: Recorder, ending: dict[str, str], resources: Resources, num_ahead: int) -> None:
        super().__init__(recorder, ending)
        self._resources = resources
        self._num_ahead = num_ahead
        self._most = resources.num_trials + num_ahead
        self._looked_at = time.monotonic()

    def suggest(self, trial_id: str) -> Any:
        if time.monotonic() - self._looked_at > SECONDS_BETWEEN_LOOKS:
            self._most = self._resources.room(cluster().nodes) + self._num_ahead
            self._looked_at = time.monotonic()
        has_room = len(self._recorder.trials) + len(self._ending) < self._most
        planned = self._recorder.take(self._ending.values()) if has_room else None
        if planned is not None:
            return {"trial": planned.trial}
        may_follow = (self._recorder.trials or self._ending or not has_room) and not self._recorder.over
        return None if may_follow else Searcher.FINISHED  # more: a failure may revive stopped points

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError


class _Stop(_Hook, tune.Stopper):
    """Forwards measurements to the recorder; stops points, trials without open points, or all trials.

    A stop file, see `Point.stop`, stops one point of a trial that goes on with others. It also stops a group of
    workers, as Ray Train's workers outlive a trial that Ray Tune stops.
    """

    def __init__(self, recorder: Recorder, ending: dict[str, str], *, in_group: bool) -> None:
        super().__init__(recorder, ending)
        self._in_group = in_group

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        if "measurement" not in result:
            return False
        measurement = Measurement(**result["measurement"])
        planned = self._recorder.trial_of(measurement.point)
        if planned is None or not self._recorder.measured(measurement):
            return False
        goes_on = planned.id in {trial.id for trial in self._recorder.trials}
        if not goes_on and not self._in_group:
            return True
        next(point for point in planned.points if point.id == measurement.point).point.stop()
        if not goes_on:
            self._ending[trial_id] = planned.id
        return False

    def stop_all(self) -> bool:
        return self._recorder.over


class _Report(_Hook, tune.Callback):
    """Forwards the starts and ends of trials to the recorder."""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._recorder.started(trial.config["trial"].id)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "failure" in result:
            self._recorder.failed(trial.config["trial"].id, result["failure"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._ending.pop(trial.trial_id, None)
        if not self._recorder.over:
            self._recorder.failed(trial.config["trial"].id, "its trainer ended before the last epoch")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._ending.pop(trial.trial_id, None)
        error = trial.get_pickled_error()
        self._recorder.lost(trial.config["trial"].id, reason(cause(error)) if error else "Ray does not say why")
