"""Finds in Ray's errors why a trial failed, and whether another process may go on with it."""

import re

from ray.exceptions import RayActorError

from trainers.errors import TrainingDivergedError, one_line
from trainers.hardware.device import is_device_lost, is_out_of_memory

WRAPPED = ("controller_failure", "health_check_failure", "cause")
"""The attributes in which Ray's errors keep the error that they report."""
CUT_CONNECTION = re.compile(
    r"closed by peer|reset by peer|connection was likely closed|broken pipe|timed out waiting|remote process exited"
    r"|communicator was aborted",
    re.IGNORECASE,
)
"""Errors of PyTorch, gloo and NCCL in a worker that has lost its connection to another worker."""


def cause(error: Exception) -> Exception:
    """Return the most informative error of several workers: after one fails, the others only report a lost peer."""
    failures = getattr(error, "worker_failures", {})  # Ray Train's errors by rank
    return min((_unwrapped(failures[worker]) for worker in sorted(failures)), key=_rank, default=_unwrapped(error))


def is_lost(cause: Exception) -> bool:
    """Whether a trial lost its process, its GPU or the connection of its workers, so that a new process can go on."""
    return is_device_lost(cause) or isinstance(cause, RayActorError) or _is_cut_off(cause)


def reason(cause: Exception) -> str:
    """Return why a trial failed, in one line; of a text that holds a traceback, the last line."""
    text = str(cause).strip()
    if "Traceback (most recent call last)" in text or "ray::" in text:
        return one_line(text.splitlines()[-1])
    kind = "" if isinstance(cause, TrainingDivergedError) else f"{type(cause).__name__}: "
    return f"{kind}{one_line(text)}"


def _unwrapped(error: Exception) -> Exception:
    """Return the innermost error that Ray reports with `error`."""
    inner = next((inner for name in WRAPPED if isinstance(inner := getattr(error, name, None), Exception)), None)
    return error if inner is None else _unwrapped(inner)


def _rank(cause: Exception) -> int:
    """Return the rank of an error among the errors of several workers; 0 says most."""
    if is_out_of_memory(cause) or is_device_lost(cause):
        return 0
    if isinstance(cause, RayActorError):
        return 2
    return 3 if _is_cut_off(cause) else 1


def _is_cut_off(cause: Exception) -> bool:
    return isinstance(cause, RuntimeError) and CUT_CONNECTION.search(str(cause)) is not None
