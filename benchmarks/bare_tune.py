"""Start-up of Ray Tune alone, the peer of a sweep's: seconds until a trial has imported PyTorch and torchvision.

    uv run benchmarks/bare_tune.py $(date +%s.%N)

There is no plan, log or MLflow, and no PyTorch in the driver. Prints the seconds since the given time of day.
"""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the trial's process would compile PyTorch anew
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # nor build an environment of its own

import ray
from ray import tune


def trial(_: Mapping[str, object]) -> None:
    """Import the libraries of any training, and report the time."""
    import torch
    import torchvision  # noqa: F401 # pyright: ignore[reportUnusedImport] - the models are its own

    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # the first optimizer imports as much again
    tune.report({"ready_at": time.time()})


def main() -> None:
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(trial, run_config=tune.RunConfig(storage_path=folder, verbose=0))
        print(tuner.fit().get_dataframe()["ready_at"].item() - float(sys.argv[1]))
    ray.shutdown()


if __name__ == "__main__":
    main()
