"""Finds, checks and connects to the MLflow store, and creates this project's experiment in it."""

import logging
import os
import shlex
import socket
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a retry after a lost answer would create a second run
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # the URL may hold a password
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as mlflow_databases
from sqlalchemy.engine import make_url

from sweep.watch.mlflow_views import view_tags
from sweep.watch.sqlite_store import (
    BROKEN,
    check_finished,
    is_made,
    make_store,
    move_artifacts,
    sqlite_path,
    sqlite_uri,
)
from trainers.errors import ConfigError, one_line, without_credentials

logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # failures are raised as well
logging.getLogger("alembic").setLevel(logging.WARNING)

EXPERIMENT = "mobilenet-sweep"
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""The port of each kind of database server, unless a URI names another."""
CONNECT_SECONDS = 10.0
"""Most seconds to wait for the host of a database server."""
FOLDER = "folder"
"""The tag of a child run that holds the folder of its point's checkpoints."""
NOTE = "mlflow.note.content"
"""The tag that the MLflow UI shows as a description, in Markdown."""
ABOUT = """Each sweep is one run, whose description says which network to ship and whose artifacts are the report
(`report.html`) and its charts; each network that was trained is a child run of it.

`run_sweep.py ui` prints links to the networks that no cheaper one of their sweep beats (`tags.on_frontier = "yes"`) as
a table, and to all networks as charts of `best_top1` against `macs` and `num_params`. `macs` are multiply-accumulates
of one image; accuracies are percentages."""
"""The description of the experiment."""
ABOUT_TAGS = {NOTE: ABOUT, "mlflow.experimentKind": "custom_model_development"}
"""Tags of a new experiment; its kind decides which pages the UI has."""


def tracking_uri(runs: Path, given_uri: str | None) -> str:
    """Return `given_uri`, else MLFLOW_TRACKING_URI, else the URI of an SQLite file in `runs`."""
    return given_uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(runs.absolute() / STORE)


@dataclass(frozen=True)
class Store:
    """A client of an MLflow store, with the id of this project's experiment."""

    client: MlflowClient
    experiment_id: str


@contextmanager
def reaching(uri: str) -> Generator[None]:
    """Turn every exception inside, from MLflow, database drivers or HTTP, into a ConfigError that names the store."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"MLflow cannot be reached at {without_credentials(uri)}: {one_line(_cause(error))}; "
            f"{_remedy(error, sqlite_path(uri))}, or choose another with --tracking-uri"
        ) from error


def _remedy(error: Exception, file: Path | None) -> str:
    if file is None:
        return "start it"
    if BROKEN.search(str(error)):
        return f"move {file} away, and the commands of your sweeps fill a new store from their logs"
    return "see that the file can be read and written"


def _cause(error: BaseException) -> BaseException:
    """Return the innermost error of the system or of SQLite, whose text is the shortest; `error` itself without one."""
    root, inner = error, error.__cause__ or error.__context__
    while inner is not None:
        root = inner if isinstance(inner, OSError | sqlite3.Error) else root
        inner = inner.__cause__ or inner.__context__
    return root


class DeletedExperimentError(ConfigError):
    """The experiment in the store was deleted and can be restored."""


def check_store(uri: str) -> None:
    """Raise a ConfigError unless the MLflow store at `uri` answers or is a file yet to be created. Writes nothing.

    Raises:
        DeletedExperimentError: the store answers, but its experiment was deleted.
    """
    path = sqlite_path(uri)
    if path is not None and not is_made(path):
        return
    with reaching(uri):
        _find_experiment(_open(uri), uri)


def _open(uri: str) -> MlflowClient:
    """Return a client; every failure is an exception at once, without MLflow's ten tries in two minutes."""
    mlflow_databases.MAX_RETRY_COUNT = 1
    path = sqlite_path(uri)
    if path is not None:
        check_finished(path)
    if uri.startswith(tuple(PORTS)):
        url = make_url(uri)
        port = url.port or PORTS[url.get_backend_name()]
        if url.host:  # a driver may wait for minutes
            socket.create_connection((url.host, port), timeout=CONNECT_SECONDS).close()
    return MlflowClient(uri)


def _find_experiment(client: MlflowClient, uri: str) -> Experiment | None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None and experiment.lifecycle_stage != "active":
        raise DeletedExperimentError(
            f"the experiment {EXPERIMENT} was deleted; restore it: MLFLOW_TRACKING_URI="
            f"{shlex.quote(without_credentials(uri))} mlflow experiments restore -x {experiment.experiment_id}"
        )
    return experiment


def connect(uri: str, runs: Path) -> Store:
    """Connect to the store at `uri` and create what is missing; the artifacts of a new SQLite store go to `runs`.

    Raises:
        ConfigError: the store cannot be reached.
    """
    with reaching(uri):
        path, artifacts = sqlite_path(uri), runs.absolute() / ARTIFACTS
        if path is not None:
            if not path.name or path.name == ":memory:" or path.is_dir():
                raise OSError("an SQLite store is a file, such as sqlite:////folder/mlflow.db")
            make_store(path)
        client = _open(uri)
        experiment = _find_experiment(client, uri) or _create_experiment(client, uri, path and artifacts.as_uri())
        if path is not None and path.absolute() == runs.absolute() / STORE:
            move_artifacts(path, experiment.artifact_location, artifacts)
        for name, value in (ABOUT_TAGS | experiment.tags | view_tags()).items():  # users may change the description
            if experiment.tags.get(name) != value:
                client.set_experiment_tag(experiment.experiment_id, name, value)
        return Store(client, experiment.experiment_id)


def _create_experiment(client: MlflowClient, uri: str, location: str | None) -> Experiment:
    """Create the experiment, or return the one that another process created meanwhile."""
    try:
        client.create_experiment(EXPERIMENT, artifact_location=location)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    experiment = _find_experiment(client, uri)
    assert experiment is not None
    return experiment


def find_point_folder(run_id: str, runs: Path, given_uri: str | None) -> Path:
    """Return the folder of checkpoints of a child run's point: the folder in its tag, else the one in `runs`.

    Raises:
        ConfigError: the store or the run does not exist, the run is no point's, or the folder is not on this machine.
    """
    uri = tracking_uri(runs, given_uri)
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise ConfigError(f"no MLflow store at {path}; give its folder with --runs, or --tracking-uri")
    with reaching(uri):
        try:
            tags = _open(uri).get_run(run_id).data.tags
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            tags = None
    if tags is None:
        raise ConfigError(f"no run {run_id!r} in {without_credentials(uri)}; its page in the MLflow UI shows the id")
    if "point" not in tags:
        raise ConfigError(f"run {run_id} is no point's; give one of its child runs, or runs/NAME with --best")
    places = [Path(tags[FOLDER])] if FOLDER in tags else []
    places.append(runs / tags["sweep"] / "points" / tags["point"])
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise ConfigError(f"the checkpoints of run {run_id} are not on this machine: {places[0]} does not exist")
    return folder
