"""Decoded images, shared by every trial of a node: one memory-mapped file of uint8 pixels per split.

The first trial decodes the split under a file lock, the other trials wait and map its pages. If the decoded split would
not fit, every read decodes images from their files, with equal pixels.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from trainers.datasets.dataset import (
    DamagedImage,
    Dataset,
    Decode,
    PackedImages,
    Pixels,
    Split,
    SplitName,
    offsets,
)
from trainers.errors import ConfigError, UnreadableImageError

VERSION = 3
"""Version of the pixels of `decode_image`; raise it when they change, so that no older cache is read."""
SAMPLED = 64
"""Number of images that are decoded to estimate the size of a split."""
BLOCK = 256
"""Number of images that are decoded in parallel while a cache is built."""
Images = Callable[[NDArray[np.int64]], PackedImages]
"""A function from indices (B,) to their images, in the order of the indices."""


def cache_folder() -> Path:
    """Return the folder of decoded splits: `$MOBILENET_SWEEP_CACHE`, or a folder in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mobilenet-sweep"
    return Path(os.environ.get("MOBILENET_SWEEP_CACHE", default))


def open_images(dataset: Dataset, name: SplitName, short_side: int) -> Images:
    """Return a function that reads a split, from memory, cache or files, with shorter sides up to `short_side` px."""
    split = dataset.splits[name]
    if split.in_memory:
        return partial(_decoded, split.decode, short_side)
    without = f"-without-{_digest(split.damaged)}" if split.damaged else ""
    folder = cache_folder() / f"{dataset.fingerprint}-{name}-{short_side}-v{VERSION}{without}"
    is_cached = build_once(
        folder,
        build=partial(_decode_all, split, short_side),
        is_worthwhile=lambda: _fits(_decoded_bytes(split, short_side), folder.parent),
    )
    return MappedImages(folder) if is_cached else partial(_decoded, split.decode, short_side)


def _decoded(decode: Decode, short_side: int, indices: NDArray[np.int64]) -> PackedImages:
    return PackedImages.of([decode(i, short_side) for i in indices.tolist()])


def kept_bytes(dataset: Dataset, name: SplitName, short_side: int) -> int:
    """Return the bytes of the decoded split in the cache on disk; 0 for a split that the cache does not hold."""
    split = dataset.splits[name]
    if split.in_memory:
        return 0
    folder = next(path for path in (cache_folder(), *cache_folder().absolute().parents) if path.is_dir())
    num_bytes = _decoded_bytes(split, short_side)
    return num_bytes if _fits(num_bytes, folder) else 0


def build_once(
    folder: Path, build: Callable[[Path], None], *, is_worthwhile: Callable[[], bool] = lambda: True
) -> bool:
    """Let one process of the node fill `folder` while others wait; return whether the folder exists then.

    `build` writes to an empty folder, which becomes `folder` when it is whole. The building process calls
    `is_worthwhile` first, and builds nothing if it is false.
    """
    if folder.is_dir():
        return True
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir() and is_worthwhile():
            unfinished = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed process, as this one has the lock
            unfinished.mkdir()
            try:
                build(unfinished)
                unfinished.rename(folder)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
        return folder.is_dir()


def _fits(num_bytes: int, folder: Path) -> bool:
    """Whether `num_bytes` fit into half of the memory and a quarter of the free disk."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return num_bytes < min(memory / 2, shutil.disk_usage(folder).free / 4)


def readable(split: Split, indices: Iterable[int], short_side: int) -> Iterator[Pixels]:
    """Those of the images that can be decoded."""
    for i in indices:
        try:
            image = split.decode(i, short_side)
        except UnreadableImageError:
            continue
        yield image


def _digest(damaged: Sequence[DamagedImage]) -> str:
    """Return a hash of the indices of the images that are left out."""
    return hashlib.sha256(repr([image.index for image in damaged]).encode()).hexdigest()[:8]


def _decoded_bytes(split: Split, short_side: int) -> int:
    """Return the bytes of all decoded images, estimated from a sample."""
    sample = np.linspace(0, len(split) - 1, min(SAMPLED, len(split)), dtype=int).tolist()
    return int(np.mean([image.nbytes for image in readable(split, sample, short_side)] or [0]) * len(split))


def _decode_all(split: Split, short_side: int, folder: Path) -> None:
    """Decode every image of `split` into `folder`."""
    shapes = np.empty((len(split), 2), dtype=np.int64)
    with ThreadPoolExecutor(os.cpu_count()) as pool, open(folder / "pixels.bin", "wb") as pixels:
        for start in range(0, len(split), BLOCK):  # blocks bound the decoded images that wait to be written
            block = range(start, min(start + BLOCK, len(split)))
            for i, image in zip(block, pool.map(lambda i: split.decode(i, short_side), block), strict=True):
                shapes[i] = image.shape[:2]
                pixels.write(image.tobytes())
    np.save(folder / "shapes.npy", shapes)


class MappedImages:
    """The decoded images in a cache folder; pickled as the folder, so that the workers of a loader map its pages too.

    Raises:
        ConfigError: the files are not whole, for example after a power failure.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        pixels = folder / "pixels.bin"
        try:
            self._sizes = np.load(folder / "shapes.npy")
            whole = pixels.stat().st_size == self._sizes.prod(axis=1).sum() * 3
        except (FileNotFoundError, ValueError, EOFError):
            whole = False
        if not whole:
            raise ConfigError(f"{folder} is damaged; delete it, and the images are decoded again")
        self._offsets = offsets(self._sizes)
        # writable memory, as PyTorch asks for, whose changes would never reach the file; slices of an array are cheaper
        self._pixels = np.asarray(np.memmap(pixels, dtype=np.uint8, mode="c"))

    def __reduce__(self) -> tuple[type["MappedImages"], tuple[Path]]:
        return MappedImages, (self._folder,)

    def __call__(self, indices: NDArray[np.int64]) -> PackedImages:
        return PackedImages(self._pixels, self._offsets[indices], self._sizes[indices])
