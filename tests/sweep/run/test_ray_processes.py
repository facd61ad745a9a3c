"""Processes that live as long as Ray needs them: a SIGTERM to all of a job ends the driver first."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator

import pytest

from sweep.run import ray_session  # noqa: F401 - it tells Ray things before Ray is imported
from sweep.run.ray_processes import _children, _lives, _status, end_with_ray, outliving_sigterm

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def start_process() -> subprocess.Popen[str]:
    """A process that has begun to sleep."""
    process = subprocess.Popen(SLEEP, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


@pytest.fixture
def outliving() -> Generator[subprocess.Popen[str]]:
    """A process that SIGTERM does not end."""
    with outliving_sigterm():
        process = start_process()
    yield process
    process.kill()
    process.wait()


def test_a_process_started_inside_does_not_end_by_sigterm_and_one_started_after_does(
    outliving: subprocess.Popen[str],
) -> None:
    ordinary = start_process()

    outliving.terminate()
    ordinary.terminate()

    assert ordinary.wait(10) == -signal.SIGTERM
    assert outliving.poll() is None
    assert _lives(_status(outliving.pid))


def test_the_handler_of_sigterm_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with outliving_sigterm():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray sets its own

    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_the_children_of_a_process_are_those_it_has_started(outliving: subprocess.Popen[str]) -> None:
    assert outliving.pid in _children(os.getpid())
    assert _children(outliving.pid) == []

    outliving.kill()
    outliving.wait()
    assert outliving.pid not in _children(os.getpid())
    assert not _lives(_status(outliving.pid))


def test_once_a_sweep_is_over_its_processes_end_when_they_are_told_to(outliving: subprocess.Popen[str]) -> None:
    """SIGTERM waits at the process; whoever watches Ray sees that, and ends the process in its place."""
    over = threading.Event()
    watcher = threading.Thread(target=end_with_ray, args=(over,), daemon=True)
    watcher.start()
    time.sleep(0.1)
    over.set()

    outliving.terminate()

    assert outliving.wait(20) == -signal.SIGKILL
