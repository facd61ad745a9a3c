"""Files that are whole or absent."""

import glob
import os
import platform
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from trainers.errors import ConfigError, one_line


def check_writable(path: Path) -> None:
    """Raise a ConfigError unless a file at `path` could be written; asked before the work, not after it."""
    is_stream = _is_stream(path)
    usable = is_stream or (path.parent.is_dir() and not path.is_dir())
    if not usable or not os.access(path if is_stream else path.parent, os.W_OK):
        raise ConfigError(f"cannot write {path}: give a file in a folder that exists and that you may write to")


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe, a terminal or a device, such as /dev/stdout: nothing could replace it."""
    return path.exists() and not path.is_file() and not path.is_dir()


def nearest_folder(path: Path) -> Path:
    """`path` if there is such a thing, else the nearest folder above it that there is."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """The path to write to, which becomes `path` once the block has ended, and is removed if the block fails.

    A reader sees the old file or the new one, never a part. A process that is killed leaves its part behind.
    """
    writer = f"{platform.node()}-{os.getpid()}"
    partial = path.with_name(f".{path.stem}.{writer}{path.suffix}")  # some writers choose by the suffix
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_left_behind(path: Path, seconds: float) -> None:
    """Remove what `replacing` left behind for `path` in processes that were killed, if it is so old."""
    for partial in path.parent.glob(f".{glob.escape(path.stem)}.*{path.suffix}"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > seconds:
                partial.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a text file by `replacing`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """`replacing` for a file that a user asked for, which may be a link, or a stream such as /dev/stdout.

    Raises:
        ConfigError: it cannot be written.
    """
    check_writable(path)
    try:
        with nullcontext(path) if _is_stream(path) else replacing(path.resolve()) as partial:
            yield partial
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {one_line(error)}") from error
