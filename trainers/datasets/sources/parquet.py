"""Parquet shards as Hugging Face writes them, `PATH/train-00000-of-00004.parquet`: encoded images beside labels.

This module reads footers and label columns; `encoded.py` reads the images.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Dataset, Split, SplitName, dataset_name
from trainers.datasets.sources.encoded import EncodedImages, opened, row_name
from trainers.datasets.splits import SPLIT_NAMES, check_classes, with_validation
from trainers.errors import ConfigError

UNLABELLED = -1
"""Label that Hugging Face writes in test splits without public labels."""
Labels = NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Shard:
    """The footer of one Parquet file."""

    path: Path
    num_rows: int
    sizes: tuple[int, ...]
    """Bytes of the file and of each of its column chunks."""
    types: Mapping[str, Any]
    """The pyarrow type of each column."""
    class_names: Mapping[str, tuple[str, ...]]
    """Class names of each column that the metadata of Hugging Face calls a ClassLabel."""


@dataclass(frozen=True)
class Columns:
    """The columns to read."""

    image: str
    label: str
    note: str | None
    """Note on label columns that are not read; None if there is one label column."""


def parquet_files(path: Path) -> dict[str, list[Path]]:
    """Return the Parquet files in `path`, else in `path/data`, else in `path/SPLIT`, by the name of their split.

    The result is empty if there are no such files.
    """
    files = sorted(path.glob("*.parquet")) or sorted((path / "data").glob("*.parquet"))
    named = [(re.split(r"[-_.]", file.name)[0], file) for file in files]
    if not files:
        folders = [name for names in SPLIT_NAMES.values() for name in names]
        named = [(name, file) for name in folders for file in sorted((path / name).glob("*.parquet"))]
    files_of: dict[str, list[Path]] = {}
    for name, file in named:
        files_of.setdefault(name, []).append(file)
    return files_of


def parquet_dataset(path: Path) -> Dataset:
    """Return the dataset of the shards in `path` or `path/data`: `train-*.parquet`, and `validation` and `test`.

    Labels are integers or texts; class names come from Hugging Face's metadata where it has them. Without validation
    shards a fixed, stratified tenth of `train` validates, and the note says so; a test split without labels is left
    out, and so are splits of other names.

    Raises:
        ConfigError: no `train`, a shard that cannot be read, columns that are missing, a label that is none of the
            classes, or a class with fewer than two images.
    """
    shards, notes = _list_shards(path)
    first = shards["train"][0]
    columns = choose_columns(first)
    if columns.note is not None:
        notes.append(columns.note)
    labels: dict[SplitName, Labels] = {split: read_labels(shards[split], columns, first) for split in shards}
    if "test" in labels and set(labels["test"].tolist()) <= {UNLABELLED, ""}:
        del labels["test"]
        notes.append("test has no labels and is left out")
    classes = first.class_names.get(columns.label) or derive_classes(labels["train"], path)
    codes: dict[SplitName, NDArray[np.int64]] = {
        split: encode_labels(labels[split], classes, shards[split]) for split in labels
    }
    check_classes(path, classes, codes["train"])
    fingerprint = _fingerprint(classes, shards, codes)
    encoded: dict[SplitName, Split] = {
        split: Split(
            labels=codes[split],
            decode=EncodedImages(
                shards=[shard.path for shard in shards[split]],
                num_rows=[shard.num_rows for shard in shards[split]],
                column=columns.image,
                name=f"{fingerprint}-{split}-encoded",
            ),
            in_memory=False,
        )
        for split in codes
    }
    splits, note = with_validation(encoded)
    return Dataset(
        name=dataset_name(path, classes),
        classes=classes,
        splits=splits,
        fingerprint=fingerprint,
        note="; ".join([note, *notes]),
    )


def _list_shards(path: Path) -> tuple[dict[SplitName, list[Shard]], list[str]]:
    """Return the shards of each split, and notes on splits with other names."""
    files = parquet_files(path)
    shards: dict[SplitName, list[Shard]] = {}
    for split, names in SPLIT_NAMES.items():
        of_split = [read_footer(file) for name in names for file in files.pop(name, [])]
        if of_split:
            shards[split] = of_split
    if "train" not in shards:
        others = ", ".join([*files, *shards])
        raise ConfigError(f"{path} has no shards train-*.parquet, only {others}; rename those to train on")
    return shards, [f"{name} is left out" for name in files]


def read_footer(path: Path) -> Shard:
    """Return the shard at `path`; this reads the last few kilobytes of the file."""
    with opened(path) as file:
        footer, schema = file.metadata, file.schema_arrow
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = described.get("info", {}).get("features", {})
    return Shard(
        path=path,
        num_rows=footer.num_rows,
        sizes=(path.stat().st_size, *(g.column(i).total_compressed_size for g in groups for i in range(g.num_columns))),
        types={field.name: field.type for field in schema},
        class_names={
            column: tuple(feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        },
    )


def choose_columns(shard: Shard) -> Columns:
    """Return the image and the label column: the only column of its kind, or the columns `image` and `label`.

    Of several ClassLabels, none of them called `label`, the one with the most classes is the label.

    Raises:
        ConfigError: a column is missing, or several columns fit.
    """
    among = f" among {', '.join(shard.types)}"
    images = [name for name, type_ in shard.types.items() if _holds_images(type_)]
    if len(images) != 1 and "image" not in images:
        have = f"several image columns ({', '.join(images)})" if images else f"no image column{among}"
        raise ConfigError(f"{shard.path} has {have}; it needs `image`, of struct<bytes, path> or binary")
    labels = sorted(shard.class_names, key=lambda name: (name != "label", -len(shard.class_names[name])))
    labels = labels or [
        name for name in ("label", "labels") if name in shard.types and _holds_labels(shard.types[name])
    ]
    if not labels:
        raise ConfigError(f"{shard.path} has no label column{among}; it needs `label`, of integers or texts")
    note = f"labels are {labels[0]}, not {', '.join(labels[1:])}" if len(labels) > 1 else None
    return Columns(image="image" if len(images) > 1 else images[0], label=labels[0], note=note)


def read_labels(shards: Sequence[Shard], columns: Columns, first: Shard) -> Labels:
    """Return the labels of all `shards` in order; a missing label is UNLABELLED or empty.

    Raises:
        ConfigError: a shard has no rows, or its columns or class names differ from `first`.
    """
    values: list[object] = []
    for shard in shards:
        for column in (columns.image, columns.label):
            if shard.types.get(column) != first.types[column]:
                raise ConfigError(f"{shard.path} has no column {column!r} of the type that it has in {first.path.name}")
        if shard.class_names.get(columns.label) != first.class_names.get(columns.label):
            raise ConfigError(f"{shard.path} names other classes than {first.path.name}; convert them alike")
        if shard.num_rows == 0:
            raise ConfigError(f"{shard.path} has no rows; remove it or convert it again")
        with opened(shard.path) as file:
            values += file.read(columns=[columns.label]).column(0).to_pylist()
    if all(value is None or isinstance(value, int) for value in values):
        return np.array([UNLABELLED if value is None else value for value in values], dtype=np.int64)
    return np.array([value or "" for value in values], dtype=np.str_)


def derive_classes(labels: Labels, path: Path) -> tuple[str, ...]:
    """Return classes for labels without metadata: the texts in order, or the numbers from 0 to the largest."""
    if labels.dtype.kind == "U":
        return tuple(sorted({*labels.tolist()} - {""}))
    if labels.max() >= len(labels):
        raise ConfigError(f"{path} has the label {labels.max()} among {len(labels)} images; number classes from 0 up")
    return tuple(map(str, range(labels.max() + 1)))


def encode_labels(labels: Labels, classes: tuple[str, ...], shards: Sequence[Shard]) -> NDArray[np.int64]:
    """Return the place of each label in `classes`.

    Raises:
        ConfigError: a label is not in `classes`; the message names its row.
    """
    if labels.dtype.kind == "U":
        places = {name: place for place, name in enumerate(classes)}
        codes = np.array([places.get(label, UNLABELLED) for label in labels.tolist()], dtype=np.int64)
    else:
        codes = labels.astype(np.int64)
    wrong = np.flatnonzero((codes < 0) | (codes >= len(classes)))
    if len(wrong):
        place = row_name([shard.path for shard in shards], [shard.num_rows for shard in shards], int(wrong[0]))
        allowed = f"0 to {len(classes) - 1}" if labels.dtype.kind != "U" else f"one of {', '.join(classes[:5])}, ..."
        raise ConfigError(f"{place} has the label {labels[wrong[0]].item()!r}; it must be {allowed}, as in train")
    return codes


def _fingerprint(
    classes: tuple[str, ...],
    shards: Mapping[SplitName, Sequence[Shard]],
    codes: Mapping[SplitName, NDArray[np.int64]],
) -> str:
    """Return a hash of classes, labels and footers; the sizes in the footers stand for the images."""
    entries = [[split, shard.path.name, shard.num_rows, shard.sizes] for split in shards for shard in shards[split]]
    digest = hashlib.sha256(json.dumps([classes, entries]).encode())
    for labels in codes.values():
        digest.update(labels.tobytes())
    return digest.hexdigest()[:16]


def _holds_images(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(type_):
        index = type_.get_field_index("bytes")
        return index >= 0 and _holds_images(type_.field(index).type)
    return pa.types.is_binary(type_) or pa.types.is_large_binary(type_)


def _holds_labels(type_: Any) -> bool:
    import pyarrow as pa

    value = type_.value_type if pa.types.is_dictionary(type_) else type_
    return pa.types.is_integer(value) or pa.types.is_string(value) or pa.types.is_large_string(value)
