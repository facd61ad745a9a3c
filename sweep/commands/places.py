"""Checks of a sweep's folders that need no library, made before PyTorch is imported, which takes seconds."""

import os
import re
from pathlib import Path

from sweep.config import SweepConfig
from sweep.run.lock import check_free, check_writable_folder
from trainers.errors import ConfigError


def check_places(config: SweepConfig) -> None:
    """Raise a ConfigError if the images are not there, or the folder of the sweep cannot be written to or is in use.

    The plan checks names of datasets, and the folder of a sweep on ImageNet.
    """
    check_data(config.train.data)
    check_writable_folder(config.runs)
    images = re.sub(r"[^A-Za-z0-9._+-]+", "_", Path(config.train.data).name)
    check_free(config.runs / (config.name or f"{config.space}-{images}"))


def check_data(data: str) -> None:
    """Raise a ConfigError if `data` is the path of a folder that does not exist."""
    if os.sep in data and ":" not in data and not os.path.isdir(os.path.expanduser(data)):
        raise ConfigError(f"no dataset {data!r}: there is no such folder; give that of an image folder or of shards")
