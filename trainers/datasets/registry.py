"""DATASETS: the embedded datasets by name; any other name is the path of a folder, of images or of Parquet shards."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from trainers.datasets.dataset import Dataset
from trainers.datasets.digits import digits
from trainers.datasets.folder import image_folder
from trainers.datasets.parquet import parquet_dataset, parquet_files
from trainers.errors import ConfigError

DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
}


@lru_cache(maxsize=4)
def load_dataset(data: str) -> Dataset:
    """The dataset that `TrainConfig.data` names, listed once per process.

    Raises:
        ConfigError: neither an embedded dataset nor a usable folder.
    """
    if data in DATASETS:
        return DATASETS[data]()
    path = Path(os.path.expanduser(data))
    if not path.is_dir():
        names = ", ".join(DATASETS)
        raise ConfigError(
            f"no dataset {data!r}: give the path of an image folder or of Parquet shards, or one of {names}"
        )
    try:
        return parquet_dataset(path) if parquet_files(path) else image_folder(path)
    except OSError as error:
        raise ConfigError(f"cannot list {path}: {error}") from error
