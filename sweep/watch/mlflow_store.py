"""The MLflow store: where it is, whether it answers, and this project's experiment in it."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a run may be created though the answer is lost
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with whatever password it holds
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
"""The tag of a child run that says where its point keeps its checkpoints."""
NOTE = "mlflow.note.content"
"""The tag that the MLflow UI shows as a description, in Markdown."""
ABOUT = """Each sweep is one run, whose description says which network to ship and whose artifacts are the report
(`report.html`) and its charts; each network that was trained is a child run of it.

`run_sweep.py ui` prints links to the networks that no cheaper one of their sweep beats (`tags.on_frontier = "yes"`) as
a table, and to all networks as charts of `best_top1` against `macs` and `num_params`. `macs` are multiply-accumulates
of one image; accuracies are percentages."""
"""The description of the experiment."""
ABOUT_TAGS = {NOTE: ABOUT, "mlflow.experimentKind": "custom_model_development"}
"""Of the experiment when it is made; the kind decides which pages the UI has."""


def tracking_uri(runs: Path, wanted: str | None) -> str:
    """`wanted`, else the environment's MLFLOW_TRACKING_URI, else an SQLite file in `runs`."""
    return wanted or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.absolute() / STORE}"


@dataclass(frozen=True)
class Store:
    """An MLflow store, and this project's experiment in it."""

    client: MlflowClient
    experiment_id: str


@contextmanager
def reaching(uri: str) -> Generator[None]:
    """Turn what MLflow, its database drivers and HTTP library raise inside into a ConfigError naming the store."""
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
    """What the operating system said, where an error began with that: what is made of it on the way up is long."""
    found, inner = error, error.__cause__ or error.__context__
    while inner is not None:
        found, inner = inner if isinstance(inner, OSError) else found, inner.__cause__ or inner.__context__
    return found


class DeletedExperimentError(ConfigError):
    """The store's experiment was deleted, and can be restored."""


def check_store(uri: str) -> None:
    """Raise a ConfigError unless the MLflow store at `uri` answers, or is a file yet to be made; nothing is written.

    Raises:
        DeletedExperimentError: it does, but its experiment was deleted.
    """
    if uri.startswith("sqlite:") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    with reaching(uri):
        _find_experiment(MlflowClient(uri), uri)


def _find_experiment(client: MlflowClient, uri: str) -> Experiment | None:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None and found.lifecycle_stage != "active":
        raise DeletedExperimentError(
            f"the experiment {EXPERIMENT} of {without_credentials(uri)} was deleted; restore it: "
            f"MlflowClient().restore_experiment({found.experiment_id!r})"
        )
    return found


def connect(uri: str, runs: Path) -> Store:
    """The store at `uri`, created if need be; artifacts of an SQLite store lie in `runs`.

    Raises:
        ConfigError: it cannot be reached.
    """
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # what fails is raised as well
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with reaching(uri):
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:") and (not path.name or path.name == ":memory:" or path.is_dir()):
            raise OSError("an SQLite store is a file, such as sqlite:////folder/mlflow.db")
        if uri.startswith("sqlite:"):
            runs.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(uri)
        found = _find_experiment(client, uri)
        local = (runs.absolute() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
        id_ = found.experiment_id if found else client.create_experiment(EXPERIMENT, artifact_location=local)
        tags = found.tags if found else {}
        for name, value in (ABOUT_TAGS | tags | view_tags()).items():  # its users may have changed what it says
            if tags.get(name) != value:
                client.set_experiment_tag(id_, name, value)
        return Store(client, id_)


def find_point_folder(run_id: str, runs: Path, wanted: str | None) -> Path:
    """Where the point of a child run keeps its checkpoints: as its tag says, or in `runs` if that has moved.

    Raises:
        ConfigError: no such store or run, a run that is no point's, or a folder that is not on this machine.
    """
    uri = tracking_uri(runs, wanted)
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
