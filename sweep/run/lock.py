"""A lock that lets only one driver at a time write to the folder of a sweep."""

import os
import platform
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from trainers.errors import ConfigError, one_line
from trainers.files import nearest_folder

LOCK, DRIVER = ".lock", ".driver"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock the folder against other drivers, whose error names this process. The lock of a dead process is free.

    If the block fails, a new lock file is removed, and so is a new folder to which nothing was written.

    Raises:
        ConfigError: another process holds the lock, or the folder cannot be written to.
    """
    is_new = not (folder / LOCK).exists()
    new_folders = [path for path in (folder, folder.parent) if not path.exists()]
    lock, driver = FileLock(folder / LOCK, timeout=0), folder / DRIVER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise _in_use(folder) from None
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {one_line(error)}; choose other --runs or --name") from error
    try:
        driver.write_text(f"process {os.getpid()} on {platform.node()}")
        yield
    except BaseException:
        if is_new:
            (folder / LOCK).unlink(missing_ok=True)
        raise
    finally:
        driver.unlink(missing_ok=True)
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= {LOCK}:
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # not empty
                for path in new_folders:
                    path.rmdir()
        lock.release()


def check_free(folder: Path) -> None:
    """Raise a ConfigError if another process has locked the folder. Writes nothing.

    Raises:
        ConfigError: another process holds the lock.
    """
    if (folder / LOCK).is_file() and os.access(folder / LOCK, os.W_OK):
        try:
            FileLock(folder / LOCK, timeout=0).acquire().lock.release()
        except Timeout:
            raise _in_use(folder) from None


def _in_use(folder: Path) -> ConfigError:
    driver = folder / DRIVER
    owner = driver.read_text() if driver.is_file() else "another process"
    return ConfigError(f"{owner} is writing to {folder}; wait for it, or choose another --name")


def check_writable_folder(folder: Path) -> None:
    """Raise a ConfigError unless `folder` can be written to, or can be created."""
    try:
        nearest = nearest_folder(folder)
    except OSError as error:  # such as a name that is too long
        raise ConfigError(f"cannot write to {folder}: {one_line(error)}; choose other --runs") from error
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(
            f"cannot write to {folder}: {nearest} is not a folder that you may write to; choose other --runs"
        )
