"""One driver at a time writes to the folder of a sweep."""

import os
from pathlib import Path

import pytest

from sweep.run.lock import locked
from trainers.errors import ConfigError


def test_a_second_driver_is_told_who_is_at_work_and_a_dead_ones_lock_is_free(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(ConfigError, match=rf"process {os.getpid()} on .+ is writing to "), locked(tmp_path):
            pass
        left_behind = (tmp_path / ".driver").read_text()
    (tmp_path / ".driver").write_text(left_behind)  # as one that was killed leaves it

    with locked(tmp_path):
        pass
