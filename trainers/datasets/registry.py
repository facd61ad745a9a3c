"""DATASETS: the embedded datasets by name. The one place that knows what `TrainConfig.data` can stand for.

An embedded dataset, one of TORCHVISION_SETS with or without its root, or the path of a folder, of images or of Parquet
shards.
"""

import os
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import get_args

from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.pixels.damage import check_images, without_damaged
from trainers.datasets.sources.digits import digits
from trainers.datasets.sources.folder import image_folder
from trainers.datasets.sources.parquet import parquet_dataset, parquet_files
from trainers.datasets.sources.torchvision_sets import TORCHVISION_SETS, download, name_and_root, torchvision_dataset
from trainers.errors import ConfigError, check_printable

DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
}


def load_dataset(data: str) -> Dataset:
    """The dataset that `TrainConfig.data` names, listed once per process, without the images known to be damaged.

    Raises:
        ConfigError: no dataset that is known, or no usable folder.
    """
    return _sound(_known(data))


def check_dataset(
    data: str,
    announce: Callable[[str], None] | None = None,
    *,
    splits: Collection[SplitName] = get_args(SplitName),
    again: bool = False,
) -> Dataset:
    """`load_dataset`, with all images of those `splits` that there are decoded once on this node, to know the damaged.

    `announce` is told before that; `again` tries also those that are known to be damaged, which may have been repaired.

    Raises:
        ConfigError: as `load_dataset`; what was found cannot be kept, or it leaves a class or a split without images.
    """
    known = _known(data)
    check_images(_listed(known), splits, announce, again=again)
    _sound.cache_clear()
    return _sound(known)


def _known(data: str) -> str:
    """The canonical form of what names a dataset.

    Raises:
        ConfigError: it names none.
    """
    if data not in DATASETS and name_and_root(data) is None and not os.path.isdir(os.path.expanduser(data)):
        names = ", ".join([*DATASETS, *TORCHVISION_SETS])
        raise ConfigError(
            f"no dataset {data!r}: give the path of an image folder or of Parquet shards, or one of {names}"
        )
    path = canonical(data)
    check_printable(path)  # a relative one may be, in a folder that is not
    return path


@lru_cache(maxsize=4)
def _sound(data: str) -> Dataset:
    return without_damaged(_listed(data))


@lru_cache(maxsize=4)
def _listed(data: str) -> Dataset:
    if data in DATASETS:
        return DATASETS[data]()
    known = name_and_root(data)
    if known is not None:
        return torchvision_dataset(*known)
    path = Path(data)
    try:
        return parquet_dataset(path) if parquet_files(path) else image_folder(path)
    except OSError as error:
        raise ConfigError(f"cannot list {path}: {error}") from error


def canonical(data: str) -> str:
    """`data` as a process in another folder understands it: with an absolute path, if any."""
    if data in DATASETS:
        return data
    known = name_and_root(data)
    return os.path.abspath(os.path.expanduser(data)) if known is None else f"{known[0]}:{known[1]}"


def fetch(data: str) -> None:
    """Download what is missing of a dataset that torchvision knows; nothing for any other."""
    known = name_and_root(data)
    if known is not None:
        download(*known)
