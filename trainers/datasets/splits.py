"""Splits of a dataset: their names in sources, the choice of a validation split, and checks of classes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Decode, Pixels, Split, SplitName, stratified_part
from trainers.errors import ConfigError, counted, printable

SPLIT_NAMES: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Names of folders and shards for each split, in small letters; capitals work too."""
NAMED = 5
"""Number of left-out folders or shards that a note names."""
HELD_OUT = 0.1
"""Share of the training images that become the validation split if the source has none."""


def split_of(name: str) -> SplitName | None:
    """Return the split that a folder or shard of this name holds; None for other names."""
    for split, usual in SPLIT_NAMES.items():
        if name.lower() in usual:
            return split
    return None


def by_split(names: Iterable[str], source: object) -> tuple[dict[SplitName, str], list[str]]:
    """Return the name of each split among `names` of folders or shards, in the order of SPLIT_NAMES; and other names.

    Raises:
        ConfigError: a split has two names in `source`, such as `val` and `dev`.
    """
    name_of: dict[SplitName, str] = {}
    others: list[str] = []
    for name in names:
        split = split_of(name)
        if split is None:
            others.append(name)
        elif split in name_of:
            raise ConfigError(f"{source} has both {name_of[split]} and {name} for the {split} split; rename one")
        else:
            name_of[split] = name
    return {split: name_of[split] for split in SPLIT_NAMES if split in name_of}, others


def unused_note(names: Sequence[str]) -> str | None:
    """Return a note on folders or shards that belong to no split, such as `extra is left out`."""
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{printable(', '.join(names[:NAMED]))}{more} {'is' if len(names) == 1 else 'are'} left out"


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of classes in order: by value if all are numbers, so that 10 comes after 9, else by letters."""
    names = sorted(names)
    are_numbers = all(name.isascii() and name.isdigit() for name in names)
    return tuple(sorted(names, key=int) if are_numbers else names)


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
