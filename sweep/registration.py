"""Networks of a sweep as versions of a model in MLflow's registry, which `mlflow.pytorch.load_model` loads.

They are programs of torch.export: data, not pickled code, that needs nothing of this project.
"""

import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import mlflow
from mlflow import pytorch
from mlflow.models import infer_signature

from sweep.checkpoints import open_checkpoint
from sweep.sweep import read_identity
from sweep.tracking import Store, connect, reaching, tracking_uri
from trainers.errors import ConfigError
from trainers.export import example_and_logits, metadata


def register(folder: Path, points: Sequence[str], *, runs: Path, wanted_uri: str | None) -> list[str]:
    """Register points of the sweep in `folder` under its name, unless they are; a line for each.

    Each version comes with its signature, two images as an example, and the class names and normalisation as metadata.

    Raises:
        ConfigError: MLflow cannot be reached or lacks a point, or a checkpoint cannot be read.
    """
    name, uri = folder.resolve().name, tracking_uri(runs, wanted_uri)
    sweep_id = read_identity(folder)["sweep_id"]
    store = connect(uri, runs)
    with reaching(uri):
        mlflow.set_tracking_uri(uri)
        return [_register(store, name, folder / point, sweep_id) for point in points]


def _register(store: Store, name: str, folder: Path, sweep_id: str) -> str:
    query = f"tags.sweep_id = '{sweep_id}' AND tags.point = '{folder.name}'"
    found = store.client.search_runs([store.experiment_id], query)
    if not found:
        raise ConfigError(f"MLflow has no run of {folder.name}; the sweep's command sends it")
    info = found[0].info
    known = store.client.search_model_versions(f"name = '{name}' AND run_id = '{info.run_id}'")
    if known:
        return f"{folder.name} is version {known[0].version} of {name}"
    number = _log(name, folder, info.run_id)
    store.client.set_terminated(info.run_id, info.status, info.end_time)  # as if it had not been opened again
    return f"registered {folder.name} as version {number} of {name}"


def _log(name: str, folder: Path, run_id: str) -> str:
    """Add the network to its run, and to the registry; the number of its version."""
    network = open_checkpoint(str(folder))
    images, logits = example_and_logits(network)
    with warnings.catch_warnings(), redirect_stderr(StringIO()), mlflow.start_run(run_id=run_id):
        warnings.simplefilter("ignore")  # of the exporter about itself
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
    return str(logged.registered_model_version)
