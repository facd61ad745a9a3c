"""Files that are whole or absent."""

import os
import platform
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from trainers.errors import ConfigError, one_line


def check_writable(path: Path) -> None:
    """Raise a ConfigError unless a file at `path` could be written; asked before the work, not after it."""
    if not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"cannot write {path}: give a file in a folder that exists and that you may write to")


def nearest_folder(path: Path) -> Path:
    """`path` if there is such a thing, else the nearest folder above it that there is."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """The path to write to, which becomes `path` once the block has ended, and is removed if the block fails.

    A reader sees the old file or the new one, never a part.
    """
    writer = f"{platform.node()}-{os.getpid()}"
    partial = path.with_name(f".{path.stem}.{writer}{path.suffix}")  # some writers choose by the suffix
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file by `replacing`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """`replacing` for a file that a user asked for.

    Raises:
        ConfigError: it cannot be written.
    """
    check_writable(path)
    try:
        with replacing(path) as partial:
            yield partial
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {one_line(error)}") from error
