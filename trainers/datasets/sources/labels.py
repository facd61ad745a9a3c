"""Labels of Parquet shards: read from their column, and encoded as places among the classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.sources.parquet_file import opened
from trainers.datasets.splits import class_order
from trainers.errors import ConfigError, printable

UNLABELLED = -1
"""Label that Hugging Face writes in test splits without public labels."""
Labels = NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True)
class Classes:
    """The classes of a label column."""

    values: tuple[int | str, ...]
    """The label of each class, in order."""
    names: tuple[str, ...]
    note: str | None
    """Note on numbers or names that no image has."""


def read_labels(shards: Sequence[Path], column: str) -> Labels:
    """Return the labels of all `shards` in order; a missing label is UNLABELLED or empty."""
    values: list[object] = []
    for shard in shards:
        with opened(shard) as file:
            values += file.read(columns=[column]).column(0).to_pylist()
    if all(value is None or isinstance(value, int) for value in values):
        return np.array([UNLABELLED if value is None else value for value in values], dtype=np.int64)
    return np.array([value or "" for value in values], dtype=np.str_)


def classes_of(labels: Labels, names: Sequence[str]) -> Classes:
    """Return the classes of the labels that are present; `names` are those of the numbers from 0, if known."""
    if labels.dtype.kind == "U":
        texts = class_order({str(label) for label in labels.tolist()} - {""})
        return Classes(texts, texts, None)
    numbers = [number for number in np.unique(labels).tolist() if number >= 0]
    if names:
        known = [number for number in numbers if number < len(names)]
        unused = len(names) - len(known)
        note = f"{unused} of {len(names)} class names have no images and are left out" if unused else None
        return Classes(tuple(known), tuple(str(names[number]) for number in known), note)
    is_plain = numbers == list(range(len(numbers)))
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return Classes(tuple(numbers), tuple(map(str, numbers)), None if is_plain else f"the labels are {shown}")


def encode_labels(labels: Labels, classes: Classes, name_of: Callable[[int], str]) -> NDArray[np.int64]:
    """Return the place of each label among `classes`; `name_of` names the row of a label in messages.

    Raises:
        ConfigError: a label is not in `classes`; the message names its row.
    """
    places = {value: place for place, value in enumerate(classes.values)}
    codes = np.array([places.get(label, UNLABELLED) for label in labels.tolist()], dtype=np.int64)
    wrong = np.flatnonzero(codes == UNLABELLED)
    if len(wrong):
        allowed = printable(", ".join(map(str, classes.values[:5]))) + (", ..." if len(classes.values) > 5 else "")
        name, label = name_of(int(wrong[0])), labels[wrong[0]].item()
        raise ConfigError(f"{name} has the label {label!r}; it must be one of {allowed}, as in train")
    return codes
