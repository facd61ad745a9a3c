"""Damaged images: each node decodes every image once, and leaves unreadable images out of their splits."""

import json
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from trainers.datasets.dataset import DamagedImage, Dataset, Split, SplitName
from trainers.datasets.pixels.cache import VERSION, cache_folder
from trainers.datasets.pixels.decode import TOO_LARGE
from trainers.datasets.splits import part
from trainers.errors import ConfigError, UnreadableImageError, counted, one_line
from trainers.files import write_whole

CHECKED_PX = 8
"""Shorter side of the checked images, px; small, because the check does not use the pixels."""
BLOCK = 64
"""Number of images that a thread checks at a time."""


def check_images(
    dataset: Dataset,
    names: Collection[SplitName],
    announce: Callable[[str], None] | None = None,
    *,
    again: bool,
) -> None:
    """Find the damaged images of the splits `names` that are not in memory, and record them on this node.

    A split with a record is not checked; with `again`, its damaged images are checked once more.

    Raises:
        ConfigError: the cache folder cannot be written, or shards cannot be read.
    """
    records = [(split, _path(dataset, name)) for name, split in dataset.splits.items() if name in names]
    records = [(split, path) for split, path in records if not split.in_memory]
    unknown = [(split, path) for split, path in records if _read(path) is None]
    if unknown and announce:
        count = sum(len(split) for split, _ in unknown)
        announce(f"checking that the {count} images of {dataset.name} can be read, once on each machine ...")
    try:
        for split, path in records if again else unknown:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                _check(split, path, again=again)
    except OSError as error:
        raise ConfigError(
            f"cannot check the images of {dataset.name} ({one_line(error)}); what is found is kept in "
            f"{cache_folder()}, or where MOBILENET_SWEEP_CACHE says"
        ) from error


def without_damaged(dataset: Dataset) -> Dataset:
    """Return `dataset` without the images that this node knows to be damaged, and with their number in its note.

    Raises:
        ConfigError: a split, or a class of `train`, has no images left.
    """
    known = {name: _read(_path(dataset, name)) or () for name in dataset.splits}
    if not any(known.values()):
        return dataset
    splits = {name: _readable_part(dataset, name, known[name]) for name in dataset.splits}
    are_large = [image.reason.startswith(TOO_LARGE) for images in known.values() for image in images]
    counts = {"damaged image": are_large.count(False), "too large image": are_large.count(True)}
    notes = [f"{counted(count, noun)} left out" for noun, count in counts.items() if count]
    return replace(dataset, splits=splits, note="; ".join([dataset.note, *notes]))


def _path(dataset: Dataset, name: SplitName) -> Path:
    """Return the path of the record of the damaged images of a split."""
    return cache_folder() / f"{dataset.fingerprint}-{name}-damaged-v{VERSION}.json"


def _read(path: Path) -> tuple[DamagedImage, ...] | None:
    """Return the damaged images in a record; None if there is no valid record."""
    try:
        return tuple(DamagedImage(*values) for values in json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):  # none, or emptied by a power failure
        return None


def _check(split: Split, path: Path, *, again: bool) -> None:
    """Record the damaged images of `split` at `path`: of all images, or with `again` of the recorded images."""
    known = _read(path)
    if known is not None and not again:
        return  # another process was faster
    damaged = _damaged(split, range(len(split)) if known is None else [image.index for image in known])
    if damaged != known:
        write_whole(path, json.dumps([astuple(image) for image in damaged]))


def _damaged(split: Split, indices: Sequence[int]) -> tuple[DamagedImage, ...]:
    """Return the images at `indices` that cannot be decoded, in order."""
    blocks = [indices[start : start + BLOCK] for start in range(0, len(indices), BLOCK)]
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow also raises what matters
        return tuple(image for block in pool.map(partial(_damaged_of_block, split), blocks) for image in block)


def _damaged_of_block(split: Split, indices: Iterable[int]) -> list[DamagedImage]:
    damaged: list[DamagedImage] = []
    for i in indices:
        try:
            split.decode(i, CHECKED_PX)
        except UnreadableImageError as error:
            damaged.append(DamagedImage(index=i, image=error.image, reason=error.reason))
    return damaged


def _readable_part(dataset: Dataset, name: SplitName, damaged: Sequence[DamagedImage]) -> Split:
    """Return a split without its damaged images.

    Raises:
        ConfigError: the split, or a class of `train`, has no images left.
    """
    if not damaged:
        return dataset.splits[name]
    split, mask = dataset.splits[name], np.ones(len(dataset.splits[name]), dtype=bool)
    mask[[image.index for image in damaged]] = False
    counts = np.bincount(split.labels[mask], minlength=len(dataset.classes))
    if name == "train" and not counts.all():
        label = int(counts.argmin())
        first = next(image for image in damaged if split.labels[image.index] == label)
        raise _all_damaged(f"class {dataset.classes[label]!r} in the train split of {dataset.name}", first)
    if not mask.any():
        raise _all_damaged(f"the {name} split of {dataset.name}", damaged[0])
    return replace(part(split, mask), damaged=tuple(damaged))


def _all_damaged(images: str, first: DamagedImage) -> ConfigError:
    return ConfigError(f"no image of {images} can be read; replace them, from {first.image} on ({first.reason})")
