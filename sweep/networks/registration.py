"""Registers networks of a sweep as versions of a model in MLflow's registry.

`mlflow.pytorch.load_model` loads a version without this project: it is a program of torch.export, data and not pickled
code.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow
from mlflow import pytorch
from mlflow.models import infer_signature

from analysis.results.identity import read_identity
from analysis.results.read import latest_rows
from sweep.networks.checkpoints import open_checkpoint
from sweep.watch.mlflow_store import Store, connect, reaching, tracking_uri
from trainers.errors import ConfigError, one_line
from trainers.use.export import example_and_logits, metadata


def register(folder: Path, points: Sequence[str], *, runs: Path, given_uri: str | None) -> list[str]:
    """Register points of the sweep in `folder` under its name, unless they are registered; return a line for each.

    A version has a signature, two example images, and class names and normalisation as metadata; its description gives
    cost, top-1 and input shape. The alias `best` names the last point.

    Args:
        folder: the folder of the sweep.
        points: ids of the points on the frontier, the cheapest first.
        runs: the folder of the MLflow store, unless `given_uri` or MLFLOW_TRACKING_URI names another store.
        given_uri: the store that the user named.

    Raises:
        ConfigError: MLflow cannot be reached or lacks a point, or a checkpoint cannot be read or registered.
    """
    name, uri = folder.resolve().name, tracking_uri(runs, given_uri)
    sweep_id, rows = read_identity(folder)["sweep_id"], latest_rows(folder)
    store = connect(uri, runs)
    with reaching(uri):
        mlflow.set_tracking_uri(uri)
        run_ids = {point: _run_id(store, point, sweep_id) for point in points}
        known = {point: _version(store, name, run_id) for point, run_id in run_ids.items()}
        numbers = {
            point: known[point] or _log(store, name, folder / point, run_id, rows[point])
            for point, run_id in run_ids.items()
        }
        if points:
            store.client.set_registered_model_alias(name, "best", numbers[points[-1]])
    verbs = {point: "is" if known[point] else "registered as" for point in points}
    return [f"{point} {verbs[point]} version {number} of {name}" for point, number in numbers.items()]


def _run_id(store: Store, point: str, sweep_id: str) -> str:
    runs = store.client.search_runs([store.experiment_id], f"tags.sweep_id = '{sweep_id}' AND tags.point = '{point}'")
    if not runs:
        raise ConfigError(f"MLflow has no run of {point}; start the sweep's command again to send it")
    return runs[0].info.run_id


def _version(store: Store, name: str, run_id: str) -> str | None:
    """Return the number of the registered version of a run; None without one."""
    versions = store.client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    return str(versions[0].version) if versions else None


def _log(store: Store, name: str, folder: Path, run_id: str, row: Mapping[str, Any]) -> str:
    """Add the network to its run and to the registry; return the number of its version."""
    info = store.client.get_run(run_id).info
    network = open_checkpoint(str(folder))
    images, logits = example_and_logits(network)
    with warnings.catch_warnings(), redirect_stderr(StringIO()), mlflow.start_run(run_id=run_id):
        warnings.simplefilter("ignore")  # the exporter warns about itself
        try:
            logged = pytorch.log_model(
                network.model,
                name="model",
                serialization_format="pt2",
                registered_model_name=name,
                signature=infer_signature(images.numpy(), logits.numpy()),
                input_example=images.numpy(),
                pip_requirements=[f"torch=={version('torch').partition('+')[0]}"],
                metadata={"preprocessing": metadata(network)},
            )
        except RuntimeError as error:  # PyTorch cannot export the network
            raise ConfigError(f"{folder.name} cannot be registered: {one_line(error)}") from error
    store.client.set_terminated(run_id, info.status, info.end_time)  # as it was before `start_run`
    number, px = str(logged.registered_model_version), network.config.resolution
    text = f"{folder.name}: {row['macs'] / 1e6:.2f} M MACs, top-1 {row['top1']:.2f} %, images (B, 3, {px}, {px})"
    store.client.update_model_version(name, number, text)
    return number
