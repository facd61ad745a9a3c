"""Run points under Ray Tune: in parallel, on this machine or a cluster, and tell a Recorder what happens."""

import logging
import math
import os
import shutil
import signal
import socket
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

for _name, _value in {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output engine prints even with verbose=0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none
    "RAY_DEDUP_LOGS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours says what happens
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Ray's own snapshots are never read: the results log is what counts
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402 - Ray reads the variables above when it is imported
from ray import tune  # noqa: E402

from sweep.config import SweepConfig  # noqa: E402
from sweep.plan import PlannedPoint  # noqa: E402
from sweep.recorder import Recorder  # noqa: E402
from trainers.device import is_device_lost, limit_process  # noqa: E402
from trainers.errors import ConfigError, one_line  # noqa: E402
from trainers.measurement import Measurement, Point, Trainer  # noqa: E402

WORKER_RETRIES = 1
"""How often a trial whose process died goes on from its checkpoint."""


@contextmanager
def ray_session(config: SweepConfig, *, excludes: Sequence[Path] = ()) -> Generator[None]:
    """Ray on this machine, or a connection to the cluster at `config.address`, to which the code is shipped.

    Raises:
        ConfigError: no cluster at that address.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if config.address is None:
        os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # workers use this environment; nothing to ship
        ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    else:
        _reach(config.address)
        root = Path(__file__).parents[1]
        shipped = {"working_dir": str(root), "excludes": [".git", ".venv", *_below(root, excludes)]}
        try:
            ray.init(config.address, runtime_env=shipped, log_to_driver=False, logging_level=logging.CRITICAL)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no Ray cluster at {config.address!r} ({one_line(error)}); start one with `ray start --head`"
            ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise a ConfigError unless something listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if address == "auto":
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} ({error}); give auto or HOST:PORT of one that `ray start --head` started"
        ) from error


def _below(root: Path, paths: Sequence[Path]) -> list[str]:
    """Those of `paths` that lie below `root`, relative to it."""
    absolute = [path.absolute() for path in paths]
    return [str(path.relative_to(root)) for path in absolute if path.is_relative_to(root)]


def trial_resources(config: SweepConfig) -> dict[str, float]:
    """The CPUs and GPUs of each trial on the running cluster.

    Raises:
        ConfigError: no node has that many.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    roomiest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
    most = {kind: roomiest.get(kind, 0.0) for kind in ("CPU", "GPU")}
    gpus = min(1.0, most["GPU"]) if config.gpus_per_trial is None else config.gpus_per_trial
    share = math.floor(gpus * most["CPU"] / most["GPU"]) if gpus and most["GPU"] else 1
    wanted = {"CPU": float(config.cpus_per_trial or max(1, share)), "GPU": gpus}
    if not any(all(node.get(kind, 0.0) >= count for kind, count in wanted.items()) for node in nodes):
        raise ConfigError(
            f"a trial is to have {wanted['CPU']:g} CPUs and {gpus:g} GPUs, but no node has both (the largest: "
            f"{most['CPU']:g} CPUs, {most['GPU']:g} GPUs); lower --cpus-per-trial or --gpus-per-trial"
        )
    return wanted


def run_trials(
    points: Sequence[PlannedPoint], recorder: Recorder, *, train: Trainer, resources: dict[str, float], folder: Path
) -> None:
    """Train `points`, the longest first; returns when all have ended or the user interrupted.

    Trials keep their checkpoints in their points' folders; `folder` is for Ray's own files, which nothing reads again.
    """
    trials = [[p.point] for p in sorted(points, key=lambda p: -p.work * p.config.epochs)]
    trainable = tune.with_parameters(_trial, train=train, resources=resources)
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([{k: v for k, v in resources.items() if v}])),
        param_space={"points": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(
            reuse_actors=True, trial_dirname_creator=_trial_name, trial_name_creator=_trial_name
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder.absolute()),
            callbacks=[_Report(recorder)],
            failure_config=tune.FailureConfig(max_failures=WORKER_RETRIES),
            verbose=0,
        ),
    )
    with _stop_on_signal():
        tuner.fit()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stop_on_signal() -> Generator[None]:
    """On Ctrl-C or SIGTERM, say so and let Ray Tune end; the second one ends this process at once."""

    def stop(number: int, _: object) -> None:
        print(
            "stopping; each running point goes on from its last finished epoch next time", file=sys.stderr, flush=True
        )
        listening = (
            signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL
        )  # Tune stops at this signal once it has set it up
        if listening:
            signal.raise_signal(signal.SIGUSR1)
        for each in before:
            signal.signal(each, signal.default_int_handler)
        if not listening:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _trial(config: dict[str, list[Point]], *, train: Trainer, resources: dict[str, float]) -> None:
    """What runs in a worker: train the trial's points, report each measurement, or why training failed."""
    limit_process(num_threads=int(resources["CPU"]), gpu_share=resources["GPU"])
    try:
        for measurement in train(config["points"]):
            tune.report({"measurement": asdict(measurement)})
    except Exception as error:  # whatever goes wrong in one trial becomes the reason in its points' rows
        if is_device_lost(error):
            raise  # this process cannot use its GPU any more: Ray starts another
        tune.report({"failure": f"{type(error).__name__}: {one_line(error)}"})


def _trial_name(trial: Any) -> str:
    return trial.trial_id


class _Report(tune.Callback):
    """Passes on to the recorder what Ray Tune tells."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its callbacks for Tuner.restore, which is never used

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for point in trial.config["points"]:
            self._recorder.started(point.id)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "measurement" in result:
            self._recorder.measured(Measurement(**result["measurement"]))
        elif "failure" in result:
            self._fail(trial, result["failure"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._fail(trial, "its trainer ended before the last epoch")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        reason = one_line(trial.get_pickled_error() or "nothing")
        self._fail(trial, f"its process failed {trial.num_failures} times; Ray says: {reason}")

    def _fail(self, trial: Any, reason: str) -> None:
        """End those of the trial's points that have not ended."""
        for point in trial.config["points"]:
            self._recorder.ended(point.id, "FAILED", reason)
