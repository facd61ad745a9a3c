"""A file is written whole or not at all."""

import os
from pathlib import Path

import pytest

from trainers.errors import ConfigError
from trainers.files import remove_left_behind, replacing, whole_file, write_whole


def test_failed_write_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_whole(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")

    assert [file.name for file in tmp_path.iterdir()] == ["file.csv"]
    assert path.read_text() == "old"


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_whole(path, "old")

    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"


def test_error_names_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "file.csv") as partial:
            partial.write_text("some")
            Path("/dev/full").write_text("more")

    with pytest.raises(ConfigError, match=r"cannot write .*file\.csv: .*No space"):
        write()

    assert list(tmp_path.iterdir()) == []


def test_whole_file_writes_into_a_pipe_and_through_a_symlink(tmp_path: Path) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.csv", tmp_path / "target.csv"
    os.mkfifo(pipe)
    target.write_text("old")
    link.symlink_to(target)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    for path in (pipe, link):
        with whole_file(path) as partial:
            partial.write_text("new")

    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_remove_left_behind_removes_old_partial_files_of_one_path(tmp_path: Path) -> None:
    def partial_file_of_a_killed_process(name: str) -> Path:
        writing = replacing(tmp_path / name)
        partial = writing.__enter__()
        partial.write_text("some")
        return partial.rename(partial.with_name(partial.name.replace(str(os.getpid()), "0")))

    own, other = partial_file_of_a_killed_process("last.pt"), partial_file_of_a_killed_process("best.pt")

    remove_left_behind(tmp_path / "last.pt", 100.0)
    assert own.exists()
    os.utime(own, (0, 0))
    os.utime(other, (0, 0))
    remove_left_behind(tmp_path / "last.pt", 100.0)

    assert list(tmp_path.iterdir()) == [other]
