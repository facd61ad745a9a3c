"""Files of Parquet shards by the name of their split, and their footers."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.datasets.dataset import SplitName
from trainers.datasets.pixels.lfs_pointer import is_lfs_pointer
from trainers.datasets.sources.parquet_file import opened
from trainers.datasets.splits import by_split, split_of
from trainers.errors import ConfigError, byte_size, printable
from trainers.files import is_hidden

NUMBERED = re.compile(r"(?P<name>.*)-(?P<number>\d+)-of-(?P<total>\d+)")
"""The start of the name of a shard that says how many shards there are."""


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

    @property
    def shown(self) -> str:
        """The path, which can be printed."""
        return printable(str(self.path))


def parquet_files(path: Path) -> dict[str, list[Path]]:
    """Return the Parquet files in `path`, else in `path/data`, else in `path/SPLIT`, by the name of their split.

    The result is empty if there are no such files.
    """
    files = _files_in(path) or _files_in(path / "data")
    named = [(re.split(r"[-_.]", file.name)[0], file) for file in files]
    if not files:
        named = [(folder.name, file) for folder in _split_folders(path) for file in _files_in(folder)]
    files_of: dict[str, list[Path]] = {}
    for name, file in named:
        files_of.setdefault(name, []).append(file)
    return files_of


def _files_in(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [file for file in entries if file.suffix.lower() == ".parquet" and not is_hidden(file.name)]


def _split_folders(path: Path) -> list[Path]:
    return [folder for folder in sorted(path.iterdir()) if split_of(folder.name) and folder.is_dir()]


def list_shards(path: Path, only: SplitName | None = None) -> tuple[dict[SplitName, list[Shard]], list[str]]:
    """Return the shards of each split, or of the split `only` alone; and the names that belong to no split.

    Raises:
        ConfigError: there is no `train` or no `only`, or a shard is missing or cannot be read.
    """
    files = parquet_files(path)
    name_of, others = by_split(files, path)
    is_alone = only is not None and (only in name_of or "train" not in name_of)
    first: SplitName = only if only and is_alone else "train"
    if first not in name_of:
        names = printable(", ".join([*others, *name_of.values()]))
        raise ConfigError(f"{path} has no shards {first}-*.parquet, only {names}; rename those to use")
    listed: dict[SplitName, str] = {first: name_of[first]} if is_alone else name_of
    for name in listed.values():
        _check_complete(files[name])
    shards: dict[SplitName, list[Shard]] = {
        split: [read_footer(file) for file in files[name]] for split, name in listed.items()
    }
    return shards, [] if is_alone else others


def _check_complete(files: Iterable[Path]) -> None:
    """Raise a ConfigError if the names of shards say that there are others, such as `train-00001-of-00004`."""
    numbers: dict[tuple[Path, str, str], set[int]] = {}
    for file in files:
        match = NUMBERED.match(file.name)
        if match:
            numbers.setdefault((file.parent, match["name"], match["total"]), set()).add(int(match["number"]))
    for (folder, name, total), present in numbers.items():
        first = 1 if int(total) in present else 0
        number = next((i for i in range(first, first + int(total)) if i not in present), None)
        if number is not None:
            missing = folder / f"{name}-{number:0{len(total)}}-of-{total}.parquet"
            raise ConfigError(f"the shard {printable(str(missing))} is missing; download it, or convert the data again")


def read_footer(path: Path) -> Shard:
    """Return the shard at `path`; this reads the last few kilobytes of the file."""
    if is_lfs_pointer(str(path)):
        raise ConfigError(f"{printable(str(path))} is a Git LFS pointer; fetch it with git lfs pull")
    num_bytes = path.stat().st_size if path.exists() else 0
    with opened(path) as file:
        footer, schema = file.metadata, file.schema_arrow
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    if footer.num_rows > num_bytes:
        raise ConfigError(
            f"{printable(str(path))} declares {footer.num_rows} rows, more than images fit into its "
            f"{byte_size(num_bytes)}; copy or download it again"
        )
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = described.get("info", {}).get("features", {})
    return Shard(
        path=path,
        num_rows=footer.num_rows,
        sizes=(num_bytes, *(g.column(i).total_compressed_size for g in groups for i in range(g.num_columns))),
        types={field.name: field.type for field in schema},
        class_names={
            column: tuple(feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and column in schema.names
        },
    )
