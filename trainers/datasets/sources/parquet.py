"""Parquet shards as Hugging Face writes them, `PATH/train-00000-of-00004.parquet`: encoded images beside labels.

This module reads columns and classes; `encoded.py` reads the images.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Dataset, Split, SplitName, dataset_name
from trainers.datasets.pixels.ranges import measured_ranges, ranges_entries, ranges_note
from trainers.datasets.sources.encoded import EncodedImages, first_images
from trainers.datasets.sources.labels import UNLABELLED, Labels, classes_of, encode_labels, read_labels
from trainers.datasets.sources.parquet_file import row_name
from trainers.datasets.sources.shards import Shard, list_shards
from trainers.datasets.splits import check_classes, unused_note, with_validation
from trainers.errors import ConfigError, printable


@dataclass(frozen=True)
class Columns:
    """The columns to read."""

    image: str
    label: str
    note: str | None
    """Note on label columns that are not read; None if there is one label column."""


def parquet_dataset(path: Path, only: SplitName | None = None) -> Dataset:
    """Return the dataset of the shards in `path` or `path/data`: `train-*.parquet`, and `validation` and `test`.

    Labels are integers or texts; the classes are those that images of `train` have, with the names of Hugging Face's
    metadata where it has them. Without validation shards a fixed, stratified tenth of `train` validates, and the note
    says so; a test split without labels is left out, and so are splits of other names. With `only`, the split of this
    name is read alone if it has shards.

    Raises:
        ConfigError: no `train`, a shard that is missing or cannot be read, columns that are missing, a label that is
            none of the classes, or a class with fewer than two images.
    """
    shards, others = list_shards(path, only)
    is_alone = only is not None and list(shards) == [only]
    first_split = next(iter(shards))
    first = shards[first_split][0]
    columns = choose_columns(first)
    for of_split in shards.values():
        _check_alike(of_split, columns, first)
    paths = {split: [shard.path for shard in shards[split]] for split in shards}
    num_rows = {split: [shard.num_rows for shard in shards[split]] for split in shards}
    labels: dict[SplitName, Labels] = {split: read_labels(paths[split], columns.label) for split in shards}
    notes = [columns.note]
    if "test" in labels and not is_alone and set(labels["test"].tolist()) <= {UNLABELLED, ""}:
        del labels["test"]
        notes.append("test has no labels and is left out")
    classes = classes_of(labels[first_split], first.class_names.get(columns.label, ()))
    codes: dict[SplitName, NDArray[np.int64]] = {
        split: encode_labels(labels[split], classes, partial(row_name, paths[split], num_rows[split]))
        for split in labels
    }
    names = tuple(map(printable, classes.names))
    ranges = measured_ranges(first_images(first.path, columns.image))
    fingerprint = _fingerprint(classes.names, shards, codes, ranges_entries(ranges))
    splits: dict[SplitName, Split] = {
        split: Split(
            labels=codes[split],
            decode=EncodedImages(
                shards=paths[split],
                num_rows=num_rows[split],
                column=columns.image,
                name=f"{fingerprint}-{split}-encoded",
                ranges=ranges,
            ),
            in_memory=False,
        )
        for split in codes
    }
    if is_alone:
        note = f"{first_split} is read alone"
    else:
        check_classes(path, names, codes["train"])
        splits, note = with_validation(splits)
    return Dataset(
        name=dataset_name(path, names),
        classes=names,
        splits=splits,
        fingerprint=fingerprint,
        note="; ".join(filter(None, [note, *notes, classes.note, unused_note(others), ranges_note(ranges)])),
    )


def _check_alike(shards: Sequence[Shard], columns: Columns, first: Shard) -> None:
    """Raise a ConfigError if a shard has no rows, or its columns or class names differ from `first`."""
    first_name = printable(first.path.name)
    for shard in shards:
        for column in (columns.image, columns.label):
            if shard.types.get(column) != first.types[column]:
                raise ConfigError(f"{shard.shown} has no column {column!r} of the type that it has in {first_name}")
        if shard.class_names.get(columns.label) != first.class_names.get(columns.label):
            raise ConfigError(f"{shard.shown} names other classes than {first_name}; convert them alike")
        if shard.num_rows == 0:
            raise ConfigError(f"{shard.shown} has no rows; remove it or convert it again")


def choose_columns(shard: Shard) -> Columns:
    """Return the image and the label column: the only column of its kind, or the columns `image` and `label`.

    Of several ClassLabels, none of them called `label`, the one with the most classes is the label.

    Raises:
        ConfigError: a column is missing, or several columns fit.
    """
    among = f" among {printable(', '.join(shard.types))}"
    images = [name for name, type_ in shard.types.items() if _holds_images(type_)]
    if len(images) != 1 and "image" not in images:
        have = f"several image columns ({printable(', '.join(images))})" if images else f"no image column{among}"
        raise ConfigError(f"{shard.shown} has {have}; it needs `image`, of struct<bytes, path> or binary")
    labels = sorted(shard.class_names, key=lambda name: (name != "label", -len(shard.class_names[name])))
    labels = labels or [
        name for name in ("label", "labels") if name in shard.types and _holds_labels(shard.types[name])
    ]
    if not labels:
        raise ConfigError(
            f"{shard.shown} has no label column{among}; it needs `label`, of integers or texts: rename the column that "
            "holds them"
        )
    note = printable(f"labels are {labels[0]}, not {', '.join(labels[1:])}") if len(labels) > 1 else None
    return Columns(image="image" if len(images) > 1 else images[0], label=labels[0], note=note)


def _fingerprint(
    classes: tuple[str, ...],
    shards: Mapping[SplitName, Sequence[Shard]],
    codes: Mapping[SplitName, NDArray[np.int64]],
    others: Sequence[str],
) -> str:
    """Return a hash of classes, labels, footers and `others`; the sizes in the footers stand for the images."""
    entries = [[split, shard.path.name, shard.num_rows, shard.sizes] for split in shards for shard in shards[split]]
    digest = hashlib.sha256(json.dumps([classes, entries]).encode())
    for labels in codes.values():
        digest.update(labels.tobytes())
    digest.update("\n".join(others).encode())
    return digest.hexdigest()[:16]


def _holds_images(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(type_):
        index = type_.get_field_index("bytes")
        return index >= 0 and _holds_images(type_.field(index).type)
    return _is_one_of(type_, "binary", "large_binary", "binary_view", "fixed_size_binary")


def _holds_labels(type_: Any) -> bool:
    import pyarrow as pa

    value = type_.value_type if pa.types.is_dictionary(type_) else type_
    return _is_one_of(value, "integer", "boolean", "string", "large_string", "string_view")


def _is_one_of(type_: Any, *names: str) -> bool:
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{name}")(type_) for name in names)
