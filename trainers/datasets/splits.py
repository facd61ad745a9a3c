"""Splits of a dataset: their names in sources, the choice of a validation split, and checks of classes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Decode, Pixels, Split, SplitName, stratified_part
from trainers.errors import ConfigError, counted

SPLIT_NAMES: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "validation", "valid"),
    "test": ("test",),
}
"""Names of folders and shards for each split."""
HELD_OUT = 0.1
"""Share of the training images that become the validation split if the source has none."""


@dataclass(frozen=True, eq=False)
class Part:
    """Decodes the images of another split that lie at the places `members`."""

    whole: Decode
    members: NDArray[np.int64]

    def __call__(self, i: int, short_side: int) -> Pixels:
        return self.whole(int(self.members[i]), short_side)


def with_validation(splits: Mapping[SplitName, Split]) -> tuple[dict[SplitName, Split], str]:
    """Return splits with a `val`, and a note about it: the given one, or a fixed, stratified tenth of `train`."""
    if "val" in splits:
        return {name: splits[name] for name in SPLIT_NAMES if name in splits}, "validated on its own split"
    train = splits["train"]
    held_out = stratified_part(train.labels, HELD_OUT, seed=0)
    parted = {**splits, "train": part(train, ~held_out), "val": part(train, held_out)}
    note = f"validated on a stratified {HELD_OUT:.0%} of train"
    return {name: parted[name] for name in SPLIT_NAMES if name in parted}, note


def part(split: Split, mask: NDArray[np.bool_]) -> Split:
    """Return the images of `split` that `mask` (N,) selects, in their order."""
    return replace(split, labels=split.labels[mask], decode=Part(split.decode, np.flatnonzero(mask)))


def check_classes(
    train: object, classes: tuple[str, ...], labels: NDArray[np.int64], *, aside: str | None = None
) -> None:
    """Raise a ConfigError unless there are two classes or more, with two images or more each, in the source `train`.

    One of the two images may have to validate. `aside` is a fact for the message, such as what was left out.
    """
    if len(classes) < 2:
        raise ConfigError(f"{train} has a single class, {', '.join(classes)}; a classifier needs 2 or more")
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < 2:
        name, count = classes[int(counts.argmin())], counts.min()
        has = counted(int(count), "image") + (f" ({aside})" if aside else "")
        raise ConfigError(f"class {name!r} in {train} has {has}; it needs 2 or more")
