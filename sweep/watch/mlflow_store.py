"""Finds, checks and connects to the MLflow store, and creates this project's experiment in it."""

import logging
import os
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

from sweep.watch.mlflow_views import view_tags
from trainers.errors import ConfigError, one_line, without_credentials

EXPERIMENT = "mobilenet-sweep"
STORE = "mlflow.db"
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
    return given_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.absolute() / STORE}"


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
        where = without_credentials(uri)
        raise ConfigError(
            f"MLflow cannot be reached at {where}: {one_line(_cause(error))}; start it, or choose another with "
            "--tracking-uri"
        ) from error


def _cause(error: BaseException) -> BaseException:
    """Return the innermost OSError in the chain of `error`, whose text is the shortest; `error` itself without one."""
    root, inner = error, error.__cause__ or error.__context__
    while inner is not None:
        root, inner = inner if isinstance(inner, OSError) else root, inner.__cause__ or inner.__context__
    return root


class DeletedExperimentError(ConfigError):
    """The experiment in the store was deleted and can be restored."""


def check_store(uri: str) -> None:
    """Raise a ConfigError unless the MLflow store at `uri` answers or is a file yet to be created. Writes nothing.

    Raises:
        DeletedExperimentError: the store answers, but its experiment was deleted.
    """
    if uri.startswith("sqlite:") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    with reaching(uri):
        _find_experiment(MlflowClient(uri), uri)


def _find_experiment(client: MlflowClient, uri: str) -> Experiment | None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None and experiment.lifecycle_stage != "active":
        raise DeletedExperimentError(
            f"the experiment {EXPERIMENT} of {without_credentials(uri)} was deleted; restore it: "
            f"MlflowClient().restore_experiment({experiment.experiment_id!r})"
        )
    return experiment


def connect(uri: str, runs: Path) -> Store:
    """Connect to the store at `uri` and create what is missing; the artifacts of a new SQLite store go to `runs`.

    Raises:
        ConfigError: the store cannot be reached.
    """
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # failures are raised as well
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with reaching(uri):
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:") and (not path.name or path.name == ":memory:" or path.is_dir()):
            raise OSError("an SQLite store is a file, such as sqlite:////folder/mlflow.db")
        if uri.startswith("sqlite:"):
            runs.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(uri)
        experiment = _find_experiment(client, uri)
        local = (runs.absolute() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
        id_ = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, artifact_location=local)
        tags = experiment.tags if experiment else {}
        for name, value in (ABOUT_TAGS | tags | view_tags()).items():  # users may have changed the description
            if tags.get(name) != value:
                client.set_experiment_tag(id_, name, value)
        return Store(client, id_)


def find_point_folder(run_id: str, runs: Path, given_uri: str | None) -> Path:
    """Return the folder of checkpoints of a child run's point: the folder in its tag, else the one in `runs`.

    Raises:
        ConfigError: the store or the run does not exist, the run is no point's, or the folder is not on this machine.
    """
    uri = tracking_uri(runs, given_uri)
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not path.is_file():
        raise ConfigError(f"no MLflow store at {path}; give its folder with --runs, or --tracking-uri")
    with reaching(uri):
        try:
            tags = MlflowClient(uri).get_run(run_id).data.tags
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
