"""The reason of a failed trial is the innermost error, and a trial that lost a process or a connection goes on."""

import pytest
import torch

from sweep.run import ray_session  # noqa: F401 - first, as it sets variables that Ray reads when it is imported

# isort: split
from ray.exceptions import RayActorError, RayTaskError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from sweep.run.failures import cause, is_lost, reason
from trainers.errors import TrainingDivergedError

CUT = RuntimeError("[/__w/pytorch/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer. GLHF!")
NO_DEVICE = RuntimeError("[enforce fail at device.cc:84] ifa != nullptr. Unable to find address for: nosuch0")
TRACEBACK = "\x1b[36mray::execute()\x1b[39m (pid=1)\nTraceback (most recent call last):\n  File x\nRuntimeError: boom\n"
DIED = RayActorError(error_msg="The actor died.")


def in_task(error: Exception) -> Exception:
    """Return an error as Ray raises it outside of the process in which it happened."""
    return RayTaskError("execute", TRACEBACK, error, pid=1, ip="192.0.2.1").make_dual_exception_instance()


def of_workers(*errors: Exception) -> WorkerGroupError:
    return WorkerGroupError("workers failed", dict(enumerate(errors)))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (TrainingDivergedError("diverged at step 7"), "diverged at step 7"),
        (in_task(NO_DEVICE), f"RuntimeError: {NO_DEVICE}"),
        (ControllerError(in_task(NO_DEVICE)), f"RuntimeError: {NO_DEVICE}"),
        (RuntimeError(TRACEBACK), "RuntimeError: boom"),
        (RuntimeError("\x1b[31mred\x1b[0m"), "RuntimeError: red"),
        (of_workers(CUT, TrainingDivergedError("diverged at step 7")), "diverged at step 7"),
        (of_workers(DIED, ValueError("boom")), "ValueError: boom"),
    ],
)
def test_the_reason_is_the_innermost_and_most_informative_error(error: Exception, expected: str) -> None:
    assert reason(cause(error)) == expected
    assert not is_lost(cause(error))


@pytest.mark.parametrize(
    "error",
    [
        DIED,
        CUT,
        in_task(CUT),
        of_workers(CUT, CUT),
        of_workers(CUT, WorkerHealthCheckFailedError("lost", DIED)),
        torch.AcceleratorError("illegal memory access"),
    ],
)
def test_a_trial_that_lost_a_process_a_gpu_or_a_connection_goes_on(error: Exception) -> None:
    assert is_lost(cause(error))
    assert "\n" not in reason(cause(error))
