"""Writing of files that are whole or absent, never partial."""

import glob
import os
import platform
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from trainers.errors import ConfigError, one_line

MADE_BY_SYSTEMS = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders that operating systems and archive programs add, some with copies or thumbnails of the images."""


def is_hidden(name: str) -> bool:
    """Whether an entry of this name is no part of a dataset, such as `.ipynb_checkpoints`, `._1.jpg` or `__MACOSX`."""
    return name.startswith(".") or name in MADE_BY_SYSTEMS


def check_writable(path: Path) -> None:
    """Raise a ConfigError unless a file can be written at `path`; call this before long work."""
    is_stream = _is_stream(path)
    usable = is_stream or (path.parent.is_dir() and not path.is_dir())
    if not usable or not os.access(path if is_stream else path.parent, os.W_OK):
        raise ConfigError(f"cannot write {path}: give a file in a folder that exists and that you may write to")


def _is_stream(path: Path) -> bool:
    """Whether `path` is a pipe, a terminal or a device, such as /dev/stdout, which no file may replace."""
    return path.exists() and not path.is_file() and not path.is_dir()


def nearest_folder(path: Path) -> Path:
    """Return `path` if it exists, else the nearest existing folder above it."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give the block a partial file to write, which becomes `path` when the block ends and is removed if it fails.

    A reader sees the old file or the new file, never a part. A killed process leaves its partial file behind.
    """
    writer = f"{platform.node()}-{os.getpid()}"
    partial = path.with_name(f".{path.stem}.{writer}{path.suffix}")  # some writers choose by the suffix
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_left_behind(path: Path, seconds: float) -> None:
    """Remove partial files that killed processes left for `path`, if they are older than `seconds`."""
    for partial in path.parent.glob(f".{glob.escape(path.stem)}.*{path.suffix}"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > seconds:
                partial.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Give the block a file to write for a user: like `replacing`, but `path` may be a link or a stream.

    Raises:
        ConfigError: the file cannot be written.
    """
    check_writable(path)
    try:
        with nullcontext(path) if _is_stream(path) else replacing(path.resolve()) as partial:
            yield partial
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {one_line(error)}") from error
