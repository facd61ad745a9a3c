"""Run points under Ray Tune: in parallel, on this machine or a cluster, and tell a Recorder what happens."""

import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
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
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # how many wait for room is decided by _Points
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}.items():
    os.environ.setdefault(_name, _value)
CARRIES_ENVIRONMENT = os.environ.get("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "1").lower() not in ("0", "false")
"""Whether a cluster's nodes are to build the environment of `uv run`, where that started this process."""
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # or Ray ships all of the folder, and workers here build their own
if "ray" not in sys.modules:  # it looks once; a session of its own has a token in any case
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # whoever reaches Ray's ports runs code

import ray  # noqa: E402 - Ray reads the variables above when it is imported
from ray import tune  # noqa: E402
from ray._private.runtime_env.uv_runtime_env_hook import hook  # noqa: E402 - where Ray documents it
from ray.exceptions import AuthenticationError, RayActorError  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

from sweep.config import SweepConfig  # noqa: E402
from sweep.recorder import Recorder  # noqa: E402
from sweep.resources import Resources  # noqa: E402
from sweep.timings import Machine  # noqa: E402
from trainers.device import (  # noqa: E402
    MOST_HALVINGS,
    in_smaller_parts,
    is_device_lost,
    is_out_of_memory,
    limit_process,
    use_gpu,
)
from trainers.errors import ConfigError, TrainingDivergedError, one_line  # noqa: E402
from trainers.measurement import Measurement, Point, Trainer  # noqa: E402
from trainers.timing import Slot  # noqa: E402
from trainers.workers import Workers  # noqa: E402

SHIPPED = ("run_sweep.py", "pyproject.toml", "uv.lock", "sweep", "search_spaces", "trainers", "analysis")
"""What a cluster gets of the checkout, in which secrets, data and results may lie."""
RAY_PROCESSES = ("gcs_server", "raylet")
WATCH_SECONDS = 0.5
"""Between looks at Ray's own processes, or at the cluster's head."""
HEAD_SECONDS = 30.0
"""Without an answer of a cluster's head; after twice as long Ray aborts the process."""
SECONDS_BETWEEN_LOOKS = 2.0
"""At the nodes of the cluster, for how many trials they have room."""
GROUP_BUNDLE = {"node:__internal_head__": 0.001}
"""What the process takes that waits for a group of workers: next to nothing, as the workers ask for theirs."""
STOP = "stop"
"""A file in a point's folder that ends its training, by several workers, after the epoch at hand."""


@contextmanager
def ray_session(config: SweepConfig) -> Generator[None]:
    """Ray on this machine, or a connection to the cluster at `config.address`, to which the code is shipped.

    Raises:
        ConfigError: no cluster at that address.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    over = threading.Event()
    if config.address is None:
        with _outliving_sigterm():
            ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
        threading.Thread(target=_end_with_ray, args=(over,), daemon=True).start()
    else:
        _reach(config.address)
        shipped = _shipped()
        try:
            ray.init(config.address, runtime_env=shipped, log_to_driver=False, logging_level=logging.CRITICAL)
        except AuthenticationError as error:
            raise ConfigError(
                f"the Ray cluster at {config.address!r} wants another token, or none: copy ~/.ray/auth_token from its "
                "head, or set RAY_AUTH_MODE=disabled where it runs so"
            ) from error
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no Ray cluster at {config.address!r} that takes this user's token ({one_line(error)}); start one "
                "with `ray start --head`"
            ) from error
        threading.Thread(target=_end_with_head, args=(over, config.address), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        ray.shutdown()


def _shipped() -> dict[str, Any]:
    """What the nodes of a cluster are given: the project's own files, and the environment of `uv run`.

    Raises:
        ConfigError: `uv run` was told of files that are no part of the project.
    """
    root = Path(__file__).parents[1]
    others = [path.name for path in root.iterdir() if path.name not in SHIPPED]
    patterns = [re.sub(r"([^\w. -])", r"\\\1", name).replace(" ", "[ ]") for name in others]  # as in .gitignore
    files = {"working_dir": str(root), "excludes": [*(f"/{each}" for each in patterns), "__pycache__"]}
    try:
        return hook(files) if CARRIES_ENVIRONMENT else files
    except RuntimeError as error:
        raise ConfigError(
            f"the environment of `uv run` cannot be carried to the cluster ({one_line(error)}); start in the project's "
            "folder, or set RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 where the nodes have one"
        ) from error


def _end_with_head(over: threading.Event, address: str) -> None:
    """End this process if the head of its cluster cannot be reached before it is `over`: Ray would abort it later."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    reached = time.monotonic()
    while not over.wait(WATCH_SECONDS):
        with suppress(OSError):
            socket.create_connection((host, int(port)), timeout=WATCH_SECONDS).close()
            reached = time.monotonic()
        if time.monotonic() > reached + HEAD_SECONDS and not over.is_set():
            why = f"the head of the Ray cluster at {address} has not answered for {HEAD_SECONDS:.0f} s"
            print(f"error: {why}; once it is back the same command goes on", file=sys.stderr, flush=True)
            os._exit(1)


def _end_with_ray(over: threading.Event) -> None:
    """End this process if one of Ray's own dies before it is `over`: Ray would wait a minute, and then abort it.

    Then end those of Ray's processes that are told to, as they do not hear it (see `_outliving_sigterm`).
    """
    pids = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    children = {pid: name for pid in pids if (name := _status(pid).get("Name", ""))}
    while not over.wait(WATCH_SECONDS):
        dead = [name for pid, name in children.items() if name in RAY_PROCESSES and not _lives(_status(pid))]
        if dead and not over.is_set():
            print(f"error: Ray's process {dead[0]} died; the same command goes on", file=sys.stderr, flush=True)
            os._exit(1)
    while living := {pid: status for pid in children if _lives(status := _status(pid))}:
        for pid, status in living.items():
            if int(status["ShdPnd"], 16) & 1 << signal.SIGTERM - 1:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _status(pid: int) -> dict[str, str]:
    """What the system says of a process; nothing where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _lives(status: Mapping[str, str]) -> bool:
    return status.get("State", "X")[0] not in "XZ"


@contextmanager
def _outliving_sigterm() -> Generator[None]:
    """Processes that are started inside do not end by SIGTERM, which Slurm sends to all: this one has to end first.

    Ray's own handler for it is taken back.
    """
    handler = signal.getsignal(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


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


def cluster() -> Machine:
    """The nodes of the running cluster, and calls on the one with the most GPUs, then CPUs."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    roomiest = max(nodes, key=lambda node: (node["Resources"].get("GPU", 0.0), node["Resources"].get("CPU", 0.0)))

    def call(slot: Slot, function: Callable[..., Any], *arguments: Any) -> Any:
        there = ray.remote(function).options(
            num_cpus=slot.num_threads * slot.num_processes,
            num_gpus=1 if slot.gpu_share else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(roomiest["NodeID"], soft=False),
        )
        return ray.get(there.remote(*arguments))

    name = f"the node {roomiest['NodeManagerHostname']} of the cluster"
    return Machine(name=name, nodes=[node["Resources"] for node in nodes], call=call)


def run_trials(recorder: Recorder, *, train: Trainer, resources: Resources, folder: Path, num_ahead: int = 0) -> int:
    """Train what the recorder hands out, until that is all, the recorder says so, or a signal comes; its number, or 0.

    `num_ahead` trials wait for room that nodes which join the cluster may bring.

    Trials keep their checkpoints in their points' folders; `folder` is for Ray's own files, which nothing reads again.
    """
    if resources.num_workers == 1:
        trainable, bundle = tune.with_parameters(_trial, train=train, resources=resources), resources.per_worker
    else:
        trainable = tune.with_parameters(_group_trial, train=train, resources=resources, folder=folder.absolute())
        bundle = GROUP_BUNDLE
    ending: set[str] = set()
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([{k: v for k, v in bundle.items() if v}])),
        tune_config=tune.TuneConfig(
            search_alg=_Points(recorder, ending, resources, num_ahead if resources.num_workers == 1 else 0),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=_trial_name,
            trial_name_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder.absolute()),
            callbacks=[_Report(recorder, ending)],
            stop=_Stop(recorder, ending, by_file=resources.num_workers > 1),
            verbose=0,
        ),
    )
    with _stop_on_signal() as received:
        tuner.fit()
    shutil.rmtree(folder, ignore_errors=True)
    return received[0] if received else 0


@contextmanager
def _stop_on_signal() -> Generator[list[int]]:
    """On Ctrl-C or SIGTERM, say so and let Ray Tune end; the second one ends this process at once. Those received."""
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        print(
            "stopping; each running point goes on from its last finished epoch next time", file=sys.stderr, flush=True
        )
        listening = (
            signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL
        )  # Tune stops at this signal once it has set it up
        if listening:
            signal.raise_signal(signal.SIGUSR1)
        for each in before:
            signal.signal(each, lambda number, _: sys.exit(128 + number))
        if not listening:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _trial(config: dict[str, Point], *, train: Trainer, resources: Resources) -> None:
    """What runs in a trial of one worker: train its point, report each measurement, or why training failed."""
    limit_process(num_threads=int(resources.per_worker["CPU"]), gpu_share=resources.per_worker["GPU"])
    with _reporting_failure():
        for measurement in train([config["point"]]):
            tune.report({"measurement": asdict(measurement)})


def _group_trial(config: dict[str, Point], *, train: Trainer, resources: Resources, folder: Path) -> None:
    """What runs in a trial of several workers: Ray Train starts them, sets up their process group and passes on."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    per_worker = resources.per_worker
    (config["point"].folder / STOP).unlink(missing_ok=True)

    def fit(point: Point, name: str) -> None:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"point": point, "train": train, "num_threads": int(per_worker["CPU"])},
            scaling_config=ScalingConfig(
                num_workers=resources.num_workers, use_gpu=per_worker["GPU"] > 0, resources_per_worker=dict(per_worker)
            ),
            run_config=RunConfig(name=name, storage_path=str(folder), callbacks=[TuneReportCallback()]),
        )
        trainer.fit()

    with _reporting_failure():
        _fit_in_memory(fit, config["point"], tune.get_context().get_trial_id(), resources.num_workers)


def _fit_in_memory(fit: Callable[[Point, str], None], point: Point, name: str, num_workers: int) -> None:
    """Fit, and again with every batch in twice as many parts while the memory of a worker does not suffice.

    One worker cannot do so by itself, as the others wait for it within a step: all are started again.
    """
    for halvings in range(MOST_HALVINGS + 1):
        try:
            return fit(point, f"{name}-{halvings}")
        except Exception as error:
            smaller = in_smaller_parts(point, num_workers)
            if smaller is None or halvings == MOST_HALVINGS or not is_out_of_memory(_cause(error)):
                raise
        point = smaller


def _cause(error: Exception) -> Exception:
    """Of what several workers raised the one that says most: others lose their peers in its wake."""
    failures = getattr(error, "worker_failures", {})  # of Ray Train's, by rank
    causes = [failures[rank] for rank in sorted(failures)]

    def rank(cause: Exception) -> int:
        if is_out_of_memory(cause) or is_device_lost(cause):
            return 0
        return 2 if re.search("closed by peer|reset by peer|NCCL|gloo", str(cause)) else 1

    return min(causes, key=rank, default=error)


def _worker(config: dict[str, Any]) -> None:
    """What runs in each of several workers; the first one's measurements are reported."""
    from ray import train as ray_train

    limit_process(num_threads=config["num_threads"], gpu_share=1.0)
    use_gpu(ray_train.get_context().get_local_rank())
    point: Point = config["point"]
    for measurement in config["train"]([point]):
        ray_train.report({"measurement": asdict(measurement)})
        if Workers.current().any((point.folder / STOP).exists()):
            return


@contextmanager
def _reporting_failure() -> Generator[None]:
    """Whatever goes wrong in one trial becomes the reason in its point's row."""
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if is_device_lost(cause) or isinstance(cause, RayActorError):
            raise  # a process that cannot use its GPU any more, or that is gone: Ray starts others
        kind = "" if isinstance(cause, TrainingDivergedError) else f"{type(cause).__name__}: "
        tune.report({"failure": f"{kind}{one_line(cause)}"})


def _trial_name(trial: Any) -> str:
    return trial.trial_id


class _Hook:
    """What Ray Tune calls; it pickles its hooks for Tuner.restore, which is never used."""

    def __init__(self, recorder: Recorder, ending: set[str]) -> None:
        """Of all hooks together: `ending` are the trials of several workers that were told to end, and live."""
        super().__init__()
        self._recorder = recorder
        self._ending = ending

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Points(_Hook, Searcher):
    """Gives each trial its point, as many at once as the nodes have room for: some may join, and some be lost.

    Nothing is given while a trial that was told to end lives: it has its room, and its point may be to go on.
    """

    def __init__(self, recorder: Recorder, ending: set[str], resources: Resources, num_ahead: int) -> None:
        super().__init__(recorder, ending)
        self._resources = resources
        self._num_ahead = num_ahead
        self._most = resources.num_trials + num_ahead
        self._looked_at = time.monotonic()

    def suggest(self, trial_id: str) -> Any:
        if time.monotonic() - self._looked_at > SECONDS_BETWEEN_LOOKS:
            self._most = self._resources.room(cluster().nodes) + self._num_ahead
            self._looked_at = time.monotonic()
        has_room = len(self._recorder.unfinished) < self._most and not self._ending
        point = self._recorder.take() if has_room else None
        if point is not None:
            return {"point": point.point}
        more = (self._recorder.unfinished or not has_room) and not self._recorder.over
        return None if more else Searcher.FINISHED  # one that fails may bring another back

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError


class _Stop(_Hook, tune.Stopper):
    """Passes each measurement on, and ends the trials that need not go on, all of them when the time is over.

    Ray Train's workers outlive a trial that Ray Tune stops, so several workers are told to end by a file.
    """

    def __init__(self, recorder: Recorder, ending: set[str], *, by_file: bool) -> None:
        super().__init__(recorder, ending)
        self._by_file = by_file

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        if "measurement" not in result:
            return False
        measurement = Measurement(**result["measurement"])
        if not self._by_file:
            return self._recorder.measured(measurement)
        folders = {point.id: point.point.folder for point in self._recorder.unfinished}
        if self._recorder.measured(measurement):
            self._ending.add(trial_id)
            (folders[measurement.point] / STOP).touch()
        return False

    def stop_all(self) -> bool:
        return self._recorder.over


class _Report(_Hook, tune.Callback):
    """Passes on to the recorder how trials start and end."""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._recorder.started(trial.config["point"].id)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "failure" in result:
            self._fail(trial, result["failure"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._ending.discard(trial.trial_id)
        if not self._recorder.over:
            self._fail(trial, "its trainer ended before the last epoch")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._ending.discard(trial.trial_id)
        self._recorder.lost(trial.config["point"].id, one_line(trial.get_pickled_error() or "Ray does not say why"))

    def _fail(self, trial: Any, reason: str) -> None:
        """End the trial's point, unless it has ended."""
        self._recorder.ended(trial.config["point"].id, "FAILED", reason)
