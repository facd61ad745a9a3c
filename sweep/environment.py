"""What a sweep ran on: code, versions, devices, data. Saved as `environment.json` in its folder."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainers.datasets.dataset import Dataset
from trainers.device import gpu_names
from trainers.errors import without_credentials
from trainers.processor import cpu_name

PACKAGES = (
    "ray",
    "torch",
    "torchvision",
    "optuna",
    "mlflow",
    "numpy",
    "pillow",
    "pandas",
    "matplotlib",
    "scikit-learn",
)


def environment(dataset: Dataset) -> dict[str, Any]:
    """The environment of this process, as JSON values."""
    return {
        "git": git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in PACKAGES},
        "host": platform.node(),
        "cpu": cpu_name(),
        "gpus": gpu_names(),
        "command": [without_credentials(argument) for argument in sys.argv],
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "images": dataset.sizes,
            "splits": {name: len(split) for name, split in dataset.splits.items()},
            "classes": len(dataset.classes),
            "note": dataset.note,
        },
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that `folder` is at and whether tracked files differ from it; None where git does not know."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": git("status", "--porcelain", "-uno") != ""}
    except (OSError, subprocess.CalledProcessError):
        return None
