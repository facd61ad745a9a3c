"""Datasets that torchvision reads and downloads: `NAME`, or `NAME:ROOT` for files in another folder."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets as torchvision

from trainers.datasets.dataset import Dataset, Pixels, Split, SplitName
from trainers.datasets.pixels.cache import cache_folder
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.splits import check_classes, with_validation
from trainers.errors import ConfigError, one_line

Source = Any
"""One split as a dataset of torchvision, whose classes use different names for images and labels."""
UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError, EOFError)
"""Errors that torchvision raises for missing, incomplete or damaged files."""


@dataclass(frozen=True)
class Listed:
    """The images and labels of one split."""

    split: Split
    entries: list[str]
    """Texts for the fingerprint: the shape of the images, or the path and size of each file."""


@dataclass(frozen=True)
class TorchvisionSet:
    """A dataset of torchvision, with the arguments to read it."""

    doc: str
    build: Callable[..., Source]
    folder: str
    """Path of the files below the root."""
    splits: Mapping[SplitName, Mapping[str, Any]]
    """The arguments of `build` for each split."""
    list: Callable[[Source], Listed]


def _grey(source: Source) -> Listed:
    return _pixels(source.data.numpy()[..., None], source.targets.numpy())


def _colour(source: Source) -> Listed:
    return _pixels(source.data, source.targets)


def _planes(source: Source) -> Listed:
    return _pixels(source.data.transpose(0, 2, 3, 1), source.labels)


def _pixels(images_NHWC: NDArray[np.uint8], labels: Any) -> Listed:
    split = Split(labels=np.array(labels, dtype=np.int64), decode=partial(_look_up, images_NHWC), in_memory=True)
    return Listed(split, [str(images_NHWC.shape)])


def _look_up(images_NHWC: NDArray[np.uint8], i: int, short_side: int) -> Pixels:
    return np.ascontiguousarray(np.broadcast_to(images_NHWC[i], (*images_NHWC.shape[1:3], 3)))


def _image_files(source: Source) -> Listed:
    return _files(source, source._image_files, source._labels)


def _images(source: Source) -> Listed:
    return _files(source, source._images, source._labels)


def _samples(source: Source) -> Listed:
    return _files(source, *zip(*source._samples, strict=True))


def _files(source: Source, paths: Any, labels: Any) -> Listed:
    files = [str(path) for path in paths]
    split = Split(labels=np.array(labels, dtype=np.int64), decode=Decoder(files), in_memory=False)
    return Listed(split, [f"{os.path.relpath(file, source.root)}\0{os.path.getsize(file)}" for file in files])


FLAG: dict[SplitName, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
TWO: dict[SplitName, dict[str, Any]] = {"train": {"split": "train"}, "test": {"split": "test"}}
THREE: dict[SplitName, dict[str, Any]] = {**TWO, "val": {"split": "val"}}
TORCHVISION_SETS: dict[str, TorchvisionSet] = {
    "cifar10": TorchvisionSet(
        "60,000 photographs of 32 x 32 px, 10 classes.", torchvision.CIFAR10, "cifar-10-batches-py", FLAG, _colour
    ),
    "cifar100": TorchvisionSet(
        "60,000 photographs of 32 x 32 px, 100 classes.", torchvision.CIFAR100, "cifar-100-python", FLAG, _colour
    ),
    "mnist": TorchvisionSet("70,000 handwritten digits of 28 x 28 px.", torchvision.MNIST, "MNIST/raw", FLAG, _grey),
    "fashion_mnist": TorchvisionSet(
        "70,000 pieces of clothing of 28 x 28 px, 10 classes.",
        torchvision.FashionMNIST,
        "FashionMNIST/raw",
        FLAG,
        _grey,
    ),
    "svhn": TorchvisionSet("99,289 house-number digits of 32 x 32 px.", torchvision.SVHN, "*_32x32.mat", TWO, _planes),
    "stl10": TorchvisionSet(
        "13,000 photographs of 96 x 96 px, 10 classes.", torchvision.STL10, "stl10_binary", TWO, _planes
    ),
    "flowers102": TorchvisionSet(
        "8,189 photographs of 102 flowers.", torchvision.Flowers102, "flowers-102", THREE, _image_files
    ),
    "oxford_iiit_pet": TorchvisionSet(
        "7,349 photographs of 37 breeds of cats and dogs.",
        torchvision.OxfordIIITPet,
        "oxford-iiit-pet",
        {"train": {"split": "trainval"}, "test": {"split": "test"}},
        _images,
    ),
    "food101": TorchvisionSet("101,000 photographs of 101 dishes.", torchvision.Food101, "food-101", TWO, _image_files),
    "dtd": TorchvisionSet("5,640 photographs of 47 textures.", torchvision.DTD, "dtd/dtd", THREE, _image_files),
    "gtsrb": TorchvisionSet("39,270 photographs of 43 traffic signs.", torchvision.GTSRB, "gtsrb", TWO, _samples),
    "fgvc_aircraft": TorchvisionSet(
        "10,000 photographs of 100 aircraft variants.",
        torchvision.FGVCAircraft,
        "fgvc-aircraft-2013b",
        THREE,
        _image_files,
    ),
}


def name_and_root(data: str) -> tuple[str, Path] | None:
    """Return the name and root in `NAME` or `NAME:ROOT`; None if NAME is not in TORCHVISION_SETS."""
    name, _, root = data.partition(":")
    if name not in TORCHVISION_SETS:
        return None
    return name, Path(os.path.abspath(os.path.expanduser(root))) if root else cache_folder().absolute() / "datasets"


def torchvision_dataset(name: str, root: Path) -> Dataset:
    """Return the dataset `name` from torchvision's files in `root`.

    Where torchvision has no validation split, a fixed, stratified tenth of `train` validates, and the note says so.

    Raises:
        ConfigError: files are missing or cannot be read.
    """
    known = TORCHVISION_SETS[name]
    try:
        sources = {split: known.build(str(root), **arguments) for split, arguments in known.splits.items()}
        listed: dict[SplitName, Listed] = {split: known.list(sources[split]) for split in known.splits}
    except UNREADABLE as error:
        reason = one_line(error).removesuffix(" You can use download=True to download it").removesuffix(".")
        here = f", or the folder here as ./{name}" if os.path.isdir(name) else ""
        raise ConfigError(
            f"no {name} in {root} ({reason}); torchvision reads it from {root / known.folder}: give its root as "
            f"{name}:ROOT{here}, or have it downloaded with --download"
        ) from error
    labels = listed["train"].split.labels
    classes = tuple(getattr(sources["train"], "classes", None) or map(str, range(labels.max() + 1)))
    if any(tuple(getattr(source, "classes", classes)) != classes for source in sources.values()):
        raise ConfigError(f"the splits of {name} in {root} have different classes; restore it, or use --download")
    check_classes(f"{name} in {root}", classes, labels)
    source_splits: dict[SplitName, Split] = {split: listed[split].split for split in listed}
    splits, note = with_validation(source_splits)
    return Dataset(name=name, classes=classes, splits=splits, fingerprint=_fingerprint(name, listed), note=note)


def download(name: str, root: Path) -> None:
    """Let torchvision download the missing files of the dataset `name` to `root`.

    Raises:
        ConfigError: the download failed.
    """
    known = TORCHVISION_SETS[name]
    try:
        root.mkdir(parents=True, exist_ok=True)
        for arguments in known.splits.values():
            known.build(str(root), download=True, **arguments)
    except UNREADABLE as error:
        raise ConfigError(
            f"cannot download {name} to {root} ({one_line(error)}); try again, or delete what is damaged there"
        ) from error


def _fingerprint(name: str, listed: Mapping[SplitName, Listed]) -> str:
    digest = hashlib.sha256(name.encode())
    for split, images in listed.items():
        digest.update("\n".join([split, *images.entries]).encode())
        digest.update(images.split.labels.tobytes())
    return digest.hexdigest()[:16]
