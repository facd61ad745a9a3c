"""The identity of a sweep, saved in its folder: id, configuration, code, versions, devices and data."""

import json
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.results.identity import CONFIG, ENVIRONMENT, read_identity
from sweep.config import to_json
from sweep.plan.plan import Plan
from trainers.datasets.dataset import Dataset
from trainers.errors import without_credentials
from trainers.files import write_whole
from trainers.hardware.cpu import cpu_name
from trainers.hardware.device import gpu_names

PACKAGES = (
    "ray",
    "torch",
    "torchvision",
    "optuna",
    "mlflow",
    "numpy",
    "numba",
    "pillow",
    "pandas",
    "matplotlib",
    "scikit-learn",
)


def write_identity(plan: Plan) -> dict[str, Any]:
    """Write `config.json` and `environment.json`; return the environment, with the sweep's id from its first start."""
    path = plan.folder / ENVIRONMENT
    new: dict[str, Any] = {"sweep_id": f"{plan.name}-{secrets.token_hex(4)}", "created_at": time.time()}
    saved = read_identity(plan.folder) if path.is_file() else new
    identity = {
        "sweep_id": saved["sweep_id"],
        "created_at": saved["created_at"],
        "started_at": time.time(),
        "fingerprint": plan.dataset.fingerprint,
        **environment(plan.dataset),
    }
    keep_identity(plan, identity)
    return identity


def keep_identity(plan: Plan, identity: Mapping[str, Any]) -> None:
    """Write the configuration and the identity of a sweep to its folder."""
    for name, content in ((ENVIRONMENT, identity), (CONFIG, to_json(plan.config))):
        write_whole(plan.folder / name, json.dumps(content, indent=2) + "\n")


def environment(dataset: Dataset) -> dict[str, Any]:
    """Return the environment of this process, as JSON values."""
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
    """Return the commit checked out in `folder` and whether tracked files differ from it; None without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": git("status", "--porcelain", "-uno") != ""}
    except (OSError, subprocess.CalledProcessError):
        return None
