"""Ray's own processes, which end with this process. Only this module reads /proc and Ray's private modules."""

import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ray._private.runtime_env.uv_runtime_env_hook import hook  # where Ray documents it
from ray._private.worker import global_worker  # nothing public says when a driver is disconnected

RAY_PROCESSES = ("gcs_server", "raylet")
WATCH_SECONDS = 0.5
"""Seconds between checks of Ray's own processes."""
DISCONNECT_SECONDS = 10.0
"""Most seconds to wait until Ray has disconnected from its own processes; it usually takes one."""


def uv_environment(files: dict[str, Any]) -> dict[str, Any]:
    """Return `files`, a runtime environment of Ray, extended by the environment of `uv run` for other nodes.

    Raises:
        RuntimeError: `uv run` was given files outside the working directory.
    """
    return hook(files)


def end_with_ray(over: threading.Event) -> None:
    """End this process if one of Ray's processes dies before `over` is set: Ray would abort it a minute later.

    Once `over` is set, kill Ray's processes, with their children, as soon as they receive SIGTERM, which they ignore
    (see `outliving_sigterm`).
    """
    children = {pid: name for pid in _children(os.getpid()) if (name := _status(pid).get("Name", ""))}
    while not over.wait(WATCH_SECONDS):
        dead = [name for pid, name in children.items() if name in RAY_PROCESSES and not _lives(_status(pid))]
        if dead and not over.is_set():
            print(
                f"error: Ray's process {dead[0]} died; start the command again to go on",
                file=sys.stderr,
                flush=True,
            )
            os._exit(1)
    over_at = time.monotonic()
    while hasattr(global_worker, "core_worker") and time.monotonic() < over_at + DISCONNECT_SECONDS:
        time.sleep(0.02)  # while connected, this process would wait for answers of the processes killed below
    while living := {pid: status for pid in children if _lives(status := _status(pid))}:
        for pid, status in living.items():
            if int(status["ShdPnd"], 16) & 1 << signal.SIGTERM - 1:
                for victim in (*_children(pid), pid):
                    with suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started; none if it is gone."""
    pids: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            pids += map(int, thread.read_text().split())
    return pids


def _status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status; none if the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _lives(status: Mapping[str, str]) -> bool:
    return status.get("State", "X")[0] not in "XZ"


@contextmanager
def outliving_sigterm() -> Generator[None]:
    """Block SIGTERM in processes started inside, as Slurm sends it to all and this process has to end first.

    The handler of this process is restored afterwards, as Ray replaces it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
