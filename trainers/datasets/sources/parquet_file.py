"""One Parquet file, opened for reading, and the places of rows in several files."""

import bisect
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

from trainers.errors import ConfigError, one_line, printable

BUFFER = 1 << 20
"""Bytes of a column that are read at a time, so that the first rows of a large row group come fast."""


@contextmanager
def opened(shard: Path) -> Generator[Any]:
    """Give the block the pyarrow `ParquetFile` at `shard`.

    Raises:
        ConfigError: the file cannot be opened, or a read in the block fails.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = printable(str(shard))
    try:
        if shard.exists() and not shard.is_file():  # a pipe would wait for a writer
            raise ConfigError(f"cannot read {name} (not a regular file); remove or replace it")
        with pq.ParquetFile(shard, buffer_size=BUFFER) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"cannot read {name} ({one_line(error)}); copy or download it again") from error


def row_name(shards: Sequence[Path], num_rows: Sequence[int], i: int) -> str:
    """Return the place of image `i` of all `shards`, such as `PATH/train-00001-of-00004.parquet row 17`."""
    ends = list(accumulate(num_rows))
    shard = bisect.bisect_right(ends, i)
    return f"{printable(str(shards[shard]))} row {i - ends[shard] + num_rows[shard]}"
