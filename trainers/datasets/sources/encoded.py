"""Encoded images of Parquet shards, copied once per node to a file from which each image can be mapped by itself.

A read of one image in a shard reads the whole row group, which is far too slow for a random order.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Pixels
from trainers.datasets.pixels.cache import build_once, cache_folder
from trainers.datasets.pixels.decode import DEFAULT_RANGES, Ranges, decode
from trainers.datasets.sources.parquet_file import opened, row_name
from trainers.errors import ConfigError, UnreadableImageError

ROWS_AT_ONCE = 256
"""Number of encoded images in memory during the copy."""

NUM_SAMPLED = 32
"""Number of encoded images that show what kind of images a shard holds."""


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """Decodes row i of the shards; the first process of a node copies them to the cache folder."""

    shards: Sequence[Path]
    num_rows: Sequence[int]
    """Number of rows of each shard."""
    column: str
    """Column of encoded images: binary, or a struct with a binary field `bytes`."""
    name: str
    """Name of the folder in the cache folder."""
    ranges: Ranges = field(default_factory=lambda: DEFAULT_RANGES)

    def __call__(self, i: int, short_side: int) -> Pixels:
        encoded, offsets = self._mapped
        name = row_name(self.shards, self.num_rows, i)
        if offsets[i] == offsets[i + 1]:
            raise UnreadableImageError(name, "the row holds no image bytes: embed them")
        return decode(BytesIO(encoded[offsets[i] : offsets[i + 1]].data), short_side, name=name, ranges=self.ranges)

    def __reduce__(self) -> tuple[type["EncodedImages"], tuple[object, ...]]:  # a loader's worker maps the same pages
        return EncodedImages, (self.shards, self.num_rows, self.column, self.name, self.ranges)

    @cached_property
    def _mapped(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The encoded images one after another, and their starts (N + 1,)."""
        folder = cache_folder() / self.name
        build_once(folder, self._lay_out)
        return np.memmap(folder / "images.bin", dtype=np.uint8, mode="r"), np.load(folder / "offsets.npy")

    def _lay_out(self, folder: Path) -> None:
        needed, free = sum(shard.stat().st_size for shard in self.shards), shutil.disk_usage(folder).free
        if needed > free:
            raise ConfigError(
                f"the images of {self.shards[0].parent} take {needed / 1e9:.1f} GB, but {cache_folder()} has "
                f"{free / 1e9:.1f} GB left; set MOBILENET_SWEEP_CACHE to a folder on a larger disk"
            )
        with open(folder / "images.bin", "wb") as images:
            sizes = [images.write(image or b"") for image in self._read()]
        np.save(folder / "offsets.npy", np.cumsum([0, *sizes]))

    def _read(self) -> Iterator[bytes | None]:
        """Yield the encoded images in order."""
        for shard in self.shards:
            with opened(shard) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=[self.column]):
                    yield from _encoded_rows(batch)


def first_images(shard: Path, column: str) -> list[BytesIO]:
    """Return the first encoded images of a shard."""
    with opened(shard) as file:
        batch = next(file.iter_batches(NUM_SAMPLED, columns=[column]), None)
        return [BytesIO(image) for image in (_encoded_rows(batch) if batch is not None else []) if image]


def _encoded_rows(batch: Any) -> list[bytes | None]:
    return [row["bytes"] if isinstance(row, dict) else row for row in batch.column(0).to_pylist()]
