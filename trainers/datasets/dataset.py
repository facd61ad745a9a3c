"""Dataset: labelled images in splits, decoded one at a time. What every source of images becomes."""

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
    """(N,), maybe with those of other images between."""
    offsets: NDArray[np.int64]
    """Where each image begins in `pixels` (B,)."""
    sizes: NDArray[np.int64]
    """Height and width of each, px (B, 2)."""

    @classmethod
    def of(cls, images: Sequence[Pixels]) -> "PackedImages":
        """Copies of the images, one after another."""
        sizes = np.array([image.shape[:2] for image in images])
        return cls(np.concatenate([image.reshape(-1) for image in images]), offsets(sizes), sizes)

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[Pixels]:
        for offset, (height, width) in zip(self.offsets.tolist(), self.sizes.tolist(), strict=True):
            yield self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)


def offsets(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where images of height and width `sizes` (N, 2) begin when they lie one after another (N,)."""
    num_bytes = sizes.prod(axis=1) * 3
    return np.cumsum(num_bytes) - num_bytes


class Decode(Protocol):
    """Decodes image i of a split."""

    def __call__(self, i: int, short_side: int) -> Pixels: ...


@dataclass(frozen=True)
class DamagedImage:
    """An image that cannot be decoded."""

    index: int
    """Its place in the split as its source has it."""
    image: str
    """Its path, or its shard and row; can be printed whatever bytes the file's name is made of."""
    reason: str


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in a fixed order."""

    labels: NDArray[np.int64]
    """The class of each image (N,)."""
    decode: Decode
    """Image i, reduced so that its shorter side has `short_side` px; never enlarged. Can be pickled."""
    in_memory: bool
    """Whether decoding is a mere look-up, so that a cache would gain nothing."""
    damaged: tuple[DamagedImage, ...] = ()
    """The images of the source that were left out."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of labelled images."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[SplitName, Split]
    """`train` and `val` always; `test` where the source has one."""
    fingerprint: str
    """Changes with any image's name, size, class or split, so that results of different data never mix."""
    note: str
    """What a reader of the results should know about the splits."""

    @property
    def sizes(self) -> str:
        """The number of images of each split, such as `1078 train, 360 val, 359 test`."""
        return ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())


def dataset_name(path: Path, classes: tuple[str, ...]) -> str:
    """What a dataset read from the folder `path` is called: as the folder, or `imagenet` where its classes say so."""
    return "imagenet" if is_imagenet(classes) else os.fsencode(path.resolve().name).decode(errors="replace")


def is_imagenet(classes: tuple[str, ...]) -> bool:
    """Whether the classes are the 1000 WordNet ids of ImageNet-1k, on which the published accuracies were measured."""
    wordnet = len(classes) == 1000 and all(re.fullmatch(r"n\d{8}", name) for name in classes)
    return wordnet and (classes[0], classes[-1]) == ("n01440764", "n15075141")


def stratified_part(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """A random mask (N,) that selects `share` of each class, at least one image where the class has two."""
    generator = np.random.default_rng(seed)
    selected = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        selected[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return selected
