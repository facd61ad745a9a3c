"""An SQLite file as the MLflow store: its URI, its making, and where it says that artifacts lie."""

import glob
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""The columns of each table of MLflow's that hold places of artifacts."""
BROKEN = re.compile(
    r"_alembic_tmp_|already exists|duplicate column|no such (table|column)|not a database|malformed|out-of-date"
)
"""Errors of a file that its maker left unfinished, that an older MLflow made, or that is no database."""


def sqlite_uri(path: Path) -> str:
    """Return the URI of an SQLite file; it quotes the letters of a path that have a meaning in a URI."""
    if not set("%?") & set(str(path)):
        return f"sqlite:///{path}"
    return f"sqlite+pysqlite:///{quote(str(path))}"  # of sqlite:/// MLflow would make the quoted folder


def sqlite_path(uri: str) -> Path | None:
    """Return the file of an SQLite URI, `.` if it names none; None for any other store."""
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    return Path(url.database or ".") if url.drivername.partition("+")[0] == "sqlite" else None


def is_made(path: Path) -> bool:
    """Whether the file exists and is not empty."""
    return path.is_file() and path.stat().st_size > 0


def check_finished(path: Path) -> None:
    """Raise a DatabaseError if a killed process left a table of an unfinished migration of MLflow's."""
    query = r"SELECT name FROM sqlite_master WHERE name LIKE '\_alembic\_tmp\_%' ESCAPE '\'"
    with closing(sqlite3.connect(path)) as store:
        left = store.execute(query).fetchone()
    if left is not None:
        raise sqlite3.DatabaseError(f"its making was interrupted, which left the table {left[0]}")


def make_store(path: Path) -> None:
    """Make the SQLite file unless it exists: whole or not at all, and once although several processes want it."""
    if is_made(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        if not is_made(path):
            prefix = f".{path.name}.new-"
            for left in path.parent.glob(f"{glob.escape(prefix)}*"):  # by a killed process
                shutil.rmtree(left, ignore_errors=True)
            with TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
                making = Path(folder) / path.name
                MlflowClient(sqlite_uri(making)).search_experiments(max_results=1)
                making.replace(path)
        lock.unlink(missing_ok=True)  # who waits for it finds the file


def move_artifacts(path: Path, location: str, folder: Path) -> None:
    """Have the store in `path` find its artifacts in `folder`, if they are no longer at `location`.

    Args:
        path: the SQLite file.
        location: the URI of the folder that the store names at present.
        folder: the folder in which the artifacts lie.
    """
    if not location.startswith("file:") or Path(local_file_uri_to_path(location)).exists() or not folder.is_dir():
        return
    with closing(sqlite3.connect(path)) as store, store:
        for table, columns in PLACES.items():
            for column in columns:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (folder.as_uri(), len(location) + 1, location, len(location) + 1, f"{location}/"),
                )
