"""Decoded images are equal whether a cache is built, mapped or skipped."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from trainers.datasets.pixels import cache
from trainers.datasets.pixels.cache import cache_folder, open_images
from trainers.datasets.sources.digits import digits
from trainers.datasets.sources.folder import image_folder
from trainers.errors import ConfigError

MakeFolder = Callable[[Mapping[str, int]], Path]


@pytest.mark.parametrize("short_side", [8, 16, 256])
def test_pixels_of_a_built_a_mapped_and_no_cache_are_equal(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch, short_side: int
) -> None:
    dataset = image_folder(make_folder({"train/a": 9, "train/b": 7, "val/a": 5, "val/b": 0}))
    built, mapped = (open_images(dataset, "train", short_side) for _ in range(2))
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(cache_folder() / "other"))
    monkeypatch.setattr(cache, "_fits", lambda *_: False)
    streamed = open_images(dataset, "train", short_side)

    assert not [path for path in cache_folder().iterdir() if path.is_dir()]
    numbers = np.random.default_rng(0).permutation(16)
    expected = [dataset.splits["train"].decode(i, short_side) for i in numbers.tolist()]
    for images in (built, mapped, streamed):
        arrays = list(images(numbers))
        assert len(images(numbers)) == len(arrays) == 16
        assert all(image.dtype == np.uint8 for image in arrays)
        assert all(map(np.array_equal, arrays, expected))


def test_images_in_memory_are_not_cached(own_cache: Path) -> None:
    images = open_images(digits(), "val", 256)

    assert [image.shape for image in images(np.array([0, 5]))] == [(8, 8, 3)] * 2
    assert not own_cache.exists()


def test_every_split_and_size_of_a_dataset_has_its_own_cache(make_folder: MakeFolder, own_cache: Path) -> None:
    dataset = image_folder(make_folder({"train/a": 3, "train/b": 3, "val/a": 2, "val/b": 0}))
    for split, short_side in (("train", 8), ("train", 9), ("val", 8)):
        open_images(dataset, split, short_side)  # type: ignore[arg-type]

    folders = {path.name for path in own_cache.iterdir() if path.is_dir()}
    assert folders == {f"{dataset.fingerprint}-{suffix}-v3" for suffix in ("train-8", "train-9", "val-8")}


def test_cached_images_are_pickled_for_a_worker_without_pixels(make_folder: MakeFolder) -> None:
    images = open_images(image_folder(make_folder({"train/a": 3, "train/b": 3})), "train", 32)

    message = pickle.dumps(images)

    assert len(message) < 1000
    numbers = np.arange(4)
    assert all(map(np.array_equal, pickle.loads(message)(numbers), images(numbers)))


@pytest.mark.parametrize("name", ["pixels.bin", "shapes.npy"])
@pytest.mark.parametrize("num_bytes", [None, 0, 100, -1])
def test_truncated_cache_is_refused(make_folder: MakeFolder, own_cache: Path, name: str, num_bytes: int | None) -> None:
    dataset = image_folder(make_folder({"train/a": 3, "train/b": 3}))
    open_images(dataset, "train", 32)
    (file,) = own_cache.rglob(name)
    content = file.read_bytes()
    file.unlink()
    if num_bytes is not None:
        file.write_bytes(content[:num_bytes])

    with pytest.raises(ConfigError, match=f"{file.parent} is damaged; delete it, and the images are decoded again"):
        open_images(dataset, "train", 32)
