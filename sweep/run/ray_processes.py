"""Ray's own processes, which end with this process: the one module that reads /proc and Ray's private modules."""

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
"""Between looks at Ray's own processes."""
DISCONNECT_SECONDS = 10.0
"""For Ray to leave its processes alone at its end; it takes one second."""


def uv_environment(files: dict[str, Any]) -> dict[str, Any]:
    """The runtime environment of Ray with these files that carries the environment of `uv run` to other nodes.

    Raises:
        RuntimeError: `uv run` was told of files outside the working directory.
    """
    return hook(files)


def end_with_ray(over: threading.Event) -> None:
    """End this process if one of Ray's own dies before it is `over`: Ray would wait a minute, and then abort it.

    Then end those of Ray's processes that are told to, and theirs, as none hears it (see `outliving_sigterm`).
    """
    children = {pid: name for pid in _children(os.getpid()) if (name := _status(pid).get("Name", ""))}
    while not over.wait(WATCH_SECONDS):
        dead = [name for pid, name in children.items() if name in RAY_PROCESSES and not _lives(_status(pid))]
        if dead and not over.is_set():
            print(f"error: Ray's process {dead[0]} died; the same command goes on", file=sys.stderr, flush=True)
            os._exit(1)
    over_at = time.monotonic()
    while hasattr(global_worker, "core_worker") and time.monotonic() < over_at + DISCONNECT_SECONDS:
        time.sleep(0.02)  # this process still talks to them, and would wait for answers
    while living := {pid: status for pid in children if _lives(status := _status(pid))}:
        for pid, status in living.items():
            if int(status["ShdPnd"], 16) & 1 << signal.SIGTERM - 1:
                for each in (*_children(pid), pid):
                    with suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    """The processes that a process has started; none where it is gone."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, thread.read_text().split())
    return found


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
def outliving_sigterm() -> Generator[None]:
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
