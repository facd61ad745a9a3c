"""One driver at a time writes to the folder of a sweep, also of two processes, and a dead driver holds nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep.run.lock import LOCK, locked
from trainers.errors import ConfigError

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from sweep.run.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_driver(folder: Path) -> Generator[subprocess.Popen[str]]:
    """A process that holds the folder until it is killed, as no signal lets it clean up."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_second_driver_is_told_which_process_is_at_work(tmp_path: Path) -> None:
    with (
        another_driver(tmp_path) as process,
        pytest.raises(ConfigError, match=rf"process {process.pid} on .+ is writing to "),
        locked(tmp_path),
    ):
        pytest.fail("both hold the folder")


def test_the_lock_of_a_killed_driver_is_free(tmp_path: Path) -> None:
    with another_driver(tmp_path):
        pass
    assert (tmp_path / ".driver").is_file()

    with locked(tmp_path):
        assert (tmp_path / ".driver").read_text().startswith(f"process {os.getpid()} on ")


def test_folders_to_which_nothing_was_written_are_gone(tmp_path: Path) -> None:
    with locked(tmp_path / "runs" / "sweep"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_leaves_an_old_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").touch()

    with pytest.raises(ConfigError, match="damaged"), locked(tmp_path):
        raise ConfigError("damaged")

    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_sweep_keeps_its_folder_and_its_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "sweep"):
        (tmp_path / "sweep" / "results.jsonl").touch()

    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {LOCK, "results.jsonl"}
