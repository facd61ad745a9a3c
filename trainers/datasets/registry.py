"""DATASETS: the embedded datasets by name. Only this module knows the meaning of `TrainConfig.data`.

A text names an embedded dataset, or one of TORCHVISION_SETS with or without its root, or is the path of a folder of
images or of Parquet shards.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.pixels.damage import check_images, without_damaged
from trainers.datasets.sources.digits import digits
from trainers.datasets.sources.folder import image_folder
from trainers.datasets.sources.parquet import parquet_dataset
from trainers.datasets.sources.shards import parquet_files
from trainers.datasets.sources.torchvision_sets import TORCHVISION_SETS, download, name_and_root, torchvision_dataset
from trainers.errors import ConfigError, check_printable

DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
}


def load_dataset(data: str) -> Dataset:
    """Return the dataset that `data` names, without images known to be damaged; each process lists it once.

    Raises:
        ConfigError: `data` is neither a known dataset nor a usable folder.
    """
    return _without_damaged(_checked_name(data))


def check_dataset(data: str, announce: Callable[[str], None] | None = None, *, again: bool = False) -> Dataset:
    """Return the dataset that `data` names, after a check of all images, once per node, for damage.

    `announce` is called with a message before a check; `again` also checks images known to be damaged, which may be
    repaired by now.

    Raises:
        ConfigError: `load_dataset` fails, or the damaged images cannot be recorded, or a class or split has no others.
    """
    name = _checked_name(data)
    dataset = _listed(name)
    check_images(dataset, dataset.splits, announce, again=again)
    _without_damaged.cache_clear()
    return _without_damaged(name)


def check_split(data: str, split: SplitName, announce: Callable[[str], None] | None = None) -> Dataset:
    """Return a dataset with `split`, after a check of this split for damage, as `check_dataset` with `again`.

    The dataset is the whole one, whose cache serves its sweeps, where the whole can be listed; else `split` alone.

    Raises:
        ConfigError: neither can be listed, or the damaged images cannot be recorded, or all are damaged.
    """
    name, only = _checked_name(data), None
    try:
        _listed(name)
    except ConfigError:
        only = split
    check_images(_listed(name, only), [split], announce, again=True)
    _without_damaged.cache_clear()
    return _without_damaged(name, only)


def _checked_name(data: str) -> str:
    """Return the canonical form of `data`.

    Raises:
        ConfigError: `data` names no dataset.
    """
    if data not in DATASETS and name_and_root(data) is None and not os.path.isdir(os.path.expanduser(data)):
        names = ", ".join([*DATASETS, *TORCHVISION_SETS])
        raise ConfigError(
            f"no dataset {data!r}: give the path of an image folder or of Parquet shards, or one of {names}"
        )
    path = canonical(data)
    check_printable(path)  # a printable relative path may lie in an unprintable folder
    return path


@lru_cache(maxsize=4)
def _without_damaged(data: str, only: SplitName | None = None) -> Dataset:
    return without_damaged(_listed(data, only))


@lru_cache(maxsize=4)
def _listed(data: str, only: SplitName | None = None) -> Dataset:
    """Return the dataset that `data` names; of a folder the split `only` alone, if it is given."""
    if data in DATASETS:
        return DATASETS[data]()
    known = name_and_root(data)
    if known is not None:
        return torchvision_dataset(*known)
    path = Path(data)
    try:
        return parquet_dataset(path, only) if parquet_files(path) else image_folder(path, only)
    except OSError as error:
        raise ConfigError(f"cannot list {path}: {error}") from error


def canonical(data: str) -> str:
    """Return `data` with an absolute path, so that it is valid in every working directory."""
    if data in DATASETS:
        return data
    known = name_and_root(data)
    return os.path.abspath(os.path.expanduser(data)) if known is None else f"{known[0]}:{known[1]}"


def fetch(data: str) -> None:
    """Download the missing files of one of TORCHVISION_SETS; do nothing for other datasets."""
    known = name_and_root(data)
    if known is not None:
        download(*known)
