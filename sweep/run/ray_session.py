"""Ray on this machine or a cluster: its environment variables, start, end and nodes."""

import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

for _name, _value in {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output engine prints even with verbose=0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # hides the GPUs from a trial without one
    "RAY_DEDUP_LOGS": "1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # one process less per group; the recorder sees lost trials anyway
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the handler in ray_trials prints a line
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Ray's own snapshots are never read: only the results log counts
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # ray_trials decides how many trials wait for room
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}.items():
    os.environ.setdefault(_name, _value)
CARRIES_ENVIRONMENT = os.environ.get("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "1").lower() not in ("0", "false")
"""Whether nodes of a cluster build the environment of `uv run` if `uv run` started this process."""
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # or Ray ships the whole folder, and workers here build their own
if "ray" not in sys.modules:  # Ray reads it once, on import; a session of our own has a token in any case
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # anybody who reaches Ray's ports could run code

import ray  # noqa: E402 - Ray reads the variables above when it is imported
from ray.exceptions import AuthenticationError  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

from sweep.config import SweepConfig  # noqa: E402
from sweep.forecast.trial_resources import Machine  # noqa: E402
from sweep.run.ray_processes import end_with_ray, outliving_sigterm, uv_environment  # noqa: E402
from sweep.run.ray_token import keep_token_private  # noqa: E402
from trainers.errors import ConfigError, one_line  # noqa: E402
from trainers.training.step_time import Slot  # noqa: E402

SHIPPED = ("run_sweep.py", "pyproject.toml", "uv.lock", "sweep", "search_spaces", "trainers", "analysis")
"""The parts of the checkout that a cluster gets; the rest may hold secrets, data and results."""
WATCH_SECONDS = 0.5
"""Seconds between checks of the cluster's head."""
HEAD_SECONDS = 30.0
"""Seconds without an answer of the cluster's head before this process ends; Ray aborts it after twice as long."""


@contextmanager
def ray_session(config: SweepConfig) -> Generator[None]:
    """Start Ray on this machine, or connect to the cluster at `config.address` and ship the code to it.

    Raises:
        ConfigError: there is no cluster at the address, or Ray cannot write what it needs on this machine.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    keep_token_private(create=config.address is None)
    over = threading.Event()
    try:
        if config.address is None:
            with outliving_sigterm():
                _start()
                threading.Thread(target=end_with_ray, args=(over,), daemon=True).start()
        else:
            _join(config.address)
            threading.Thread(target=_end_with_head, args=(over, config.address), daemon=True).start()
        yield
    finally:
        over.set()
        ray.shutdown()


def _start() -> None:
    """Start Ray on this machine.

    Raises:
        ConfigError: the folder of Ray's sessions has too long a path, or cannot be written to.
    """
    try:
        ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    except OSError as error:
        raise ConfigError(
            f"Ray cannot start here ({one_line(error)}); set RAY_TMPDIR to a folder with a short path that can be "
            "written, such as /tmp"
        ) from error


def _join(address: str) -> None:
    """Connect to a cluster.

    Raises:
        ConfigError: there is no cluster at the address, or it rejects this user.
    """
    _reach(address)
    shipped = _shipped()
    try:
        ray.init(address, runtime_env=shipped, log_to_driver=False, logging_level=logging.CRITICAL)
    except AuthenticationError as error:
        raise ConfigError(
            f"the Ray cluster at {address!r} wants another token, or none: copy ~/.ray/auth_token from its head, or "
            "set RAY_AUTH_MODE=disabled where it runs so"
        ) from error
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} that takes this user's token ({one_line(error)}); start one with "
            "`ray start --head`"
        ) from error


def _shipped() -> dict[str, Any]:
    """Return the runtime environment for the nodes of a cluster: the project's files and the environment of `uv run`.

    Raises:
        ConfigError: `uv run` was given files outside the project.
    """
    root = Path(__file__).parents[2]
    others = [path.name for path in root.iterdir() if path.name not in SHIPPED]
    patterns = [re.sub(r"([^\w. -])", r"\\\1", name).replace(" ", "[ ]") for name in others]  # as in .gitignore
    files = {"working_dir": str(root), "excludes": [*(f"/{pattern}" for pattern in patterns), "__pycache__"]}
    try:
        return uv_environment(files) if CARRIES_ENVIRONMENT else files
    except RuntimeError as error:
        raise ConfigError(
            f"the environment of `uv run` cannot be carried to the cluster ({one_line(error)}); start in the project's "
            "folder, or set RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 where the nodes have one"
        ) from error


def _end_with_head(over: threading.Event, address: str) -> None:
    """End this process if the cluster's head stops answering before `over` is set; Ray would abort it later."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    reached = time.monotonic()
    while not over.wait(WATCH_SECONDS):
        with suppress(OSError):
            socket.create_connection((host, int(port)), timeout=WATCH_SECONDS).close()
            reached = time.monotonic()
        if time.monotonic() > reached + HEAD_SECONDS and not over.is_set():
            why = f"the head of the Ray cluster at {address} has not answered for {HEAD_SECONDS:.0f} s"
            print(f"error: {why}; start the command again once it is back", file=sys.stderr, flush=True)
            os._exit(1)


def _reach(address: str) -> None:
    """Raise a ConfigError unless something listens at HOST:PORT. Ray itself would try for minutes."""
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
    """Return the cluster as a Machine, whose calls run on the node with the most GPUs, then the most CPUs."""
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
