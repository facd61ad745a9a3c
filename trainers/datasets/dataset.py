"""Dataset: labelled images in splits, decoded one at a time. Every source of images returns a Dataset."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

SplitName = Literal["train", "val", "test"]
Pixels = NDArray[np.uint8]
"""One decoded image (H, W, 3)."""


@dataclass(frozen=True, eq=False)
class PackedImages:
    """Decoded images in one buffer, so that compiled code can take a whole batch."""

    pixels: NDArray[np.uint8]
    """Bytes of the images (N,), perhaps with bytes of other images between them."""
    offsets: NDArray[np.int64]
    """Start of each image in `pixels` (B,)."""
    sizes: NDArray[np.int64]
    """Height and width of each image, px (B, 2)."""

    @classmethod
    def of(cls, images: Sequence[Pixels]) -> "PackedImages":
        """Return a copy of the images, one after another."""
        sizes = np.array([image.shape[:2] for image in images])
        return cls(np.concatenate([image.reshape(-1) for image in images]), offsets(sizes), sizes)

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[Pixels]:
        for offset, (height, width) in zip(self.offsets.tolist(), self.sizes.tolist(), strict=True):
            yield self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)


def offsets(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the starts (N,) of images of height and width `sizes` (N, 2) that lie one after another."""
    num_bytes = sizes.prod(axis=1) * 3
    return np.cumsum(num_bytes) - num_bytes


class Decode(Protocol):
    """A function that decodes image `i` of a split."""

    def __call__(self, i: int, short_side: int) -> Pixels: ...


@dataclass(frozen=True)
class DamagedImage:
    """An image that cannot be decoded."""

    index: int
    """Place of the image in the split of the source."""
    image: str
    """Path, or shard and row, of the image; always printable."""
    reason: str


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in a fixed order."""

    labels: NDArray[np.int64]
    """The class of each image (N,)."""
    decode: Decode
    """Function from i to image i with a shorter side of at most `short_side` px, never enlarged. Can be pickled."""
    in_memory: bool
    """Whether decoding only looks up pixels, so that a cache would gain nothing."""
    damaged: tuple[DamagedImage, ...] = ()
    """Images of the source that were left out."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def majority_share(self) -> float:
        """The share of the images, 0 to 1, that are of the most frequent class."""
        return float(np.bincount(self.labels).max() / len(self))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of labelled images."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[SplitName, Split]
    """The splits `train` and `val`, and `test` if the source has one."""
    fingerprint: str
    """Hash of the name, size, class and split of every image, so that results of different data never mix."""
    note: str
    """Facts about the splits for a reader of the results."""

    @property
    def sizes(self) -> str:
        """The number of images of each split, such as `1078 train, 360 val, 359 test`."""
        return ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())


def dataset_name(path: Path, classes: tuple[str, ...]) -> str:
    """Return the name of the dataset in the folder `path`: `imagenet` for its classes, else the name of the folder."""
    return "imagenet" if is_imagenet(classes) else os.fsencode(path.resolve().name).decode(errors="replace")


def is_imagenet(classes: tuple[str, ...]) -> bool:
    """Whether the classes are the 1000 WordNet ids of ImageNet-1k, on which the published accuracies were measured."""
    wordnet = len(classes) == 1000 and all(re.fullmatch(r"n\d{8}", name) for name in classes)
    return wordnet and (classes[0], classes[-1]) == ("n01440764", "n15075141")


def stratified_part(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Return a random mask (N,) that selects `share` of each class, and at least one image of a class with two."""
    generator = np.random.default_rng(seed)
    selected = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        selected[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return selected
