"""MLflow alone loads a registered network, which gives the logits of the trained one."""

import shutil
from pathlib import Path

import mlflow.pytorch
import pytest
import torch
from mlflow import MlflowClient

from analysis.results.read import latest_rows
from sweep.networks.checkpoints import open_checkpoint
from sweep.networks.registration import register
from tests.sweep.conftest import Sweep
from trainers.errors import ConfigError


def test_a_network_is_registered_once_and_loaded_by_mlflow(real_sweep: Sweep, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(real_sweep.runs, runs)
    folder = runs / real_sweep.folder.name
    uri = f"sqlite:///{runs / 'mlflow.db'}"
    point = next(id_ for id_, row in latest_rows(folder).items() if row["state"] == "COMPLETE")
    [before] = MlflowClient(uri).search_runs(["1"], f"tags.point = '{point}'")

    first, second = (register(folder, [point], runs=runs, given_uri=None) for _ in range(2))

    assert first == [f"{point} registered as version 1 of {folder.name}"]
    assert second == [f"{point} is version 1 of {folder.name}"]
    after = MlflowClient(uri).get_run(before.info.run_id)
    assert (after.info.status, after.info.end_time) == (before.info.status, before.info.end_time)
    chosen = MlflowClient(uri).get_model_version_by_alias(folder.name, "best")
    assert chosen.description is not None
    assert chosen.description.startswith(f"{point}: ")
    network = open_checkpoint(str(folder / point))
    images = torch.rand(3, 3, network.config.resolution, network.config.resolution)
    loaded = mlflow.pytorch.load_model(f"models:/{folder.name}@best")
    torch.testing.assert_close(loaded(images), network.model(images))
    with pytest.raises(ConfigError, match=r"^MLflow has no run of absent"):
        register(folder, ["absent"], runs=runs, given_uri=None)
