"""Functions that write reports in a process of their own, which imports only this module."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(holds: Callable[[], bool]) -> None:
    over = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < over
        time.sleep(0.02)


def add_a_line(log: Path) -> str:
    """Write a report: the log with one more line."""
    with log.open("a") as file:
        file.write("report\n")
    return log.read_text()


def fail_at_first(log: Path) -> str:
    """Fail if the log has no line yet."""
    text = add_a_line(log)
    if text.count("\n") == 1:
        raise RuntimeError("the first report fails")
    return text


def write_until(log: Path, gate: Path) -> str:
    """Write a report once the file `gate` exists."""
    add_a_line(log)
    wait_until(gate.exists)
    return log.read_text()


def never_end(begun: Path) -> str:
    """Begin a report that would take a day."""
    begun.touch()
    time.sleep(86400)
    return ""
