"""Files that are whole or absent."""

from pathlib import Path

import pytest

from trainers.errors import ConfigError
from trainers.files import replacing, whole_file, write_whole


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_whole(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")

    assert [each.name for each in tmp_path.iterdir()] == ["file.csv"]
    assert path.read_text() == "old"


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_whole(path, "old")

    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"


def test_a_file_that_a_user_asked_for_and_cannot_be_written_is_named(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "file.csv") as partial:
            partial.write_text("some")
            Path("/dev/full").write_text("more")

    with pytest.raises(ConfigError, match=r"cannot write .*file\.csv: .*No space"):
        write()

    assert list(tmp_path.iterdir()) == []
