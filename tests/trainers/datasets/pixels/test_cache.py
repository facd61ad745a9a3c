"""A split is decoded once for all processes. This file imports no torch, so that its processes start quickly."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from trainers.datasets.dataset import Dataset, Pixels, Split
from trainers.datasets.pixels import cache
from trainers.datasets.pixels.cache import cache_folder, open_images
from trainers.errors import ConfigError

NUM_IMAGES, NUM_PROCESSES = 300, 3
ALL = np.arange(NUM_IMAGES)


@dataclass(frozen=True)
class LoggingDecoder:
    """A decoder that returns a constant image for each number, and logs a line for every decoded image."""

    log: Path

    def __call__(self, i: int, short_side: int) -> Pixels:
        with open(self.log, "a") as file:
            file.write(f"{i} {os.getpid()}\n")
        return np.full((short_side, short_side + i % 3, 3), i % 256, dtype=np.uint8)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def logged_dataset(decode: Callable[[int, int], Pixels]) -> Dataset:
    split = Split(labels=np.zeros(NUM_IMAGES, dtype=np.int64), decode=decode, in_memory=False)
    return Dataset(name="logged", classes=("a",), splits={"train": split}, fingerprint="logged", note="")


def open_with_other_processes(log: Path, barrier: Barrier) -> None:
    barrier.wait(timeout=60)
    images = open_images(logged_dataset(LoggingDecoder(log)), "train", 8)
    assert all((image == i % 256).all() for i, image in enumerate(images(ALL)))


def test_split_is_decoded_once_when_processes_open_it_concurrently(tmp_path: Path, own_cache: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(NUM_PROCESSES)
    processes = [
        spawn.Process(target=open_with_other_processes, args=(tmp_path / "log", barrier)) for _ in range(NUM_PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    lines = LoggingDecoder(tmp_path / "log").lines
    assert [process.exitcode for process in processes] == [0] * NUM_PROCESSES
    assert len({line.split()[1] for line in lines}) == 1
    assert len(lines) == NUM_IMAGES + cache.SAMPLED
    assert [path.name for path in own_cache.iterdir() if path.is_dir()] == ["logged-train-8-v3"]


def test_second_opening_decodes_no_image(tmp_path: Path) -> None:
    decoder = LoggingDecoder(tmp_path / "log")
    first = open_images(logged_dataset(decoder), "train", 8)
    num_decoded = len(decoder.lines)
    second = open_images(logged_dataset(decoder), "train", 8)

    assert all(map(np.array_equal, first(ALL), second(ALL)))
    assert len(decoder.lines) == num_decoded


def test_split_of_several_blocks_keeps_its_order(tmp_path: Path) -> None:
    images = open_images(logged_dataset(LoggingDecoder(tmp_path / "log")), "train", 4)

    assert NUM_IMAGES > cache.BLOCK
    assert [image[0, 0, 0] for image in images(ALL)] == [i % 256 for i in range(NUM_IMAGES)]


@pytest.mark.parametrize(("mean_bytes", "fits"), [(10, True), (10**12, False)])
def test_split_too_large_for_the_machine_is_not_cached(tmp_path: Path, mean_bytes: int, fits: bool) -> None:
    image = np.broadcast_to(np.uint8(0), (1, mean_bytes, 1))  # occupies one byte, whatever its size
    split = Split(labels=np.zeros(1000, dtype=np.int64), decode=lambda i, short_side: image, in_memory=False)

    assert cache._fits(cache._decoded_bytes(split, 8), tmp_path) is fits
    dataset = Dataset(name="d", classes=("a",), splits={"train": split}, fingerprint="f", note="")
    assert cache.kept_bytes(dataset, "train", 8) == (1000 * mean_bytes if fits else 0)
    in_memory = replace(dataset, splits={"train": replace(split, in_memory=True)})
    assert cache.kept_bytes(in_memory, "train", 8) == 0


@pytest.mark.parametrize("failing", [5, 299])
def test_failed_build_of_a_cache_leaves_no_folder_and_the_next_build_succeeds(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    decode = LoggingDecoder(tmp_path / "log")

    def failing_decode(i: int, short_side: int) -> Pixels:
        if i == failing:
            raise ConfigError("cannot read the image")
        return decode(i, short_side)

    monkeypatch.setattr(cache, "SAMPLED", 1)
    with pytest.raises(ConfigError, match="cannot read the image"):
        open_images(logged_dataset(failing_decode), "train", 8)

    assert not [path for path in own_cache.iterdir() if path.is_dir()]
    (image,) = open_images(logged_dataset(decode), "train", 8)(np.array([failing]))
    assert image[0, 0, 0] == failing % 256


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MOBILENET_SWEEP_CACHE": "/fast/disk", "XDG_CACHE_HOME": "/x"}, "/fast/disk"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/mobilenet-sweep"),
        ({"HOME": "/home/me"}, "/home/me/.cache/mobilenet-sweep"),
    ],
)
def test_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("MOBILENET_SWEEP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert cache_folder() == Path(expected)
