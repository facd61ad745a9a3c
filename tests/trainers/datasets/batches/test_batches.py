"""Batches have the right images in the right order, cropped as torchvision crops them."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info
from torchvision.models import MobileNet_V2_Weights
from torchvision.transforms import v2

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import (
    Batches,
    batches,
    normalise,
)
from trainers.datasets.batches.crops import centre_crop, eval_resize
from trainers.datasets.dataset import PackedImages, Pixels
from trainers.datasets.pixels import cache
from trainers.datasets.sources.digits import digits
from trainers.datasets.sources.folder import image_folder

MakeFolder = Callable[[Mapping[str, int]], Path]

PLAIN = {"crop_scale": 1.0, "crop_share": 1.0, "hflip": 0.0}


def config(**settings: Any) -> TrainConfig:
    return TrainConfig(**({"resolution": 8, "batch_size": 16} | settings))


def numbered(num_images: int, *, train: bool, num_workers: int = 0, **settings: Any) -> Batches:
    """Return batches of images whose pixels and label equal the number of the image."""

    def images(numbers: NDArray[np.int64]) -> PackedImages:
        return PackedImages.of([np.full((8, 8, 3), i, dtype=np.uint8) for i in numbers])

    return Batches(images, torch.arange(num_images), config(**(PLAIN | settings)), train=train, num_workers=num_workers)


def repeated(image: Pixels) -> cache.Images:
    return lambda numbers: PackedImages.of([image] * len(numbers))


def order(split: Batches, epoch: int = 1) -> list[list[int]]:
    """Return the image numbers of every batch, after a check that pixels and labels belong together."""
    split.set_epoch(epoch)
    numbers = []
    for images, labels in split:
        assert images.dtype == torch.uint8
        assert images.shape == (len(labels), 3, 8, 8)
        assert (images == labels.view(-1, 1, 1, 1)).all()
        numbers.append(labels.tolist())
    return numbers


def flat(batches_of_numbers: Sequence[Sequence[int]]) -> list[int]:
    return [i for batch in batches_of_numbers for i in batch]


@pytest.mark.parametrize("num_images", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("batch_size", [2, 16, 1000])
def test_evaluation_reads_every_image_once_in_order(num_images: int, batch_size: int) -> None:
    split = numbered(num_images, train=False, batch_size=batch_size)

    assert flat(order(split)) == list(range(num_images))
    assert len(split) == len(order(split)) == math.ceil(num_images / batch_size)


@pytest.mark.parametrize("num_images", [16, 17, 31, 100])
def test_training_leaves_out_the_last_partial_batch_only(num_images: int) -> None:
    split = numbered(num_images, train=True)
    numbers = order(split)

    assert [len(batch) for batch in numbers] == [16] * (num_images // 16)
    assert len(split) == len(numbers)
    assert len(set(flat(numbers))) == len(flat(numbers))
    assert set(flat(numbers)) <= set(range(num_images))


@pytest.mark.parametrize("num_images", [2, 15])
def test_split_smaller_than_a_batch_is_one_training_batch(num_images: int) -> None:
    split = numbered(num_images, train=True)

    assert len(split) == 1
    assert [sorted(batch) for batch in order(split)] == [list(range(num_images))]


def test_training_order_is_a_random_permutation() -> None:
    numbers = flat(order(numbered(96, train=True)))

    assert sorted(numbers) == list(range(96))
    assert numbers != sorted(numbers)


@pytest.mark.parametrize(("seed", "epoch", "equal"), [(0, 1, True), (0, 2, False), (1, 1, False), (1, 0, False)])
def test_training_order_follows_seed_and_epoch(seed: int, epoch: int, equal: bool) -> None:
    reference = order(numbered(96, train=True), epoch=1)

    assert (order(numbered(96, train=True, seed=seed), epoch) == reference) is equal


def test_training_leaves_out_other_images_in_every_epoch() -> None:
    split = numbered(17, train=True)

    assert len({(set(range(17)) - set(flat(order(split, epoch)))).pop() for epoch in range(1, 30)}) > 5


def test_every_position_of_an_image_is_equally_likely_in_training() -> None:
    split = numbered(32, train=True, batch_size=32)
    positions = [flat(order(split, epoch)).index(0) for epoch in range(1, 401)]

    assert np.mean(positions) == pytest.approx(15.5, abs=3 * 9.23 / 20)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("source", ["digits", "folder"])
def test_batches_are_equal_with_and_without_loader_workers(
    make_folder: MakeFolder, source: str, split: Literal["train", "val"]
) -> None:
    counts = {f"{name}/{label}": 20 for name in ("train", "val") for label in "ab"}
    dataset = digits() if source == "digits" else image_folder(make_folder(counts))
    settings = config(resolution=12, batch_size=8, crop_scale=0.2)
    expected, parallel = (batches(dataset, split, settings, num_workers=n) for n in (0, 2))
    for epoch in (1, 2):
        expected.set_epoch(epoch)
        parallel.set_epoch(epoch)
        for (images, labels), (expected_images, expected_labels) in zip(parallel, expected, strict=True):
            assert torch.equal(images, expected_images)
            assert torch.equal(labels, expected_labels)


def test_reading_batches_leaves_the_global_generator_unchanged() -> None:
    """A resumed training equals an uninterrupted one only if mixing and dropout draw the same numbers from torch."""
    for num_workers in (0, 1):
        split = numbered(32, train=True, num_workers=num_workers)
        state = torch.get_rng_state()
        order(split)
        assert torch.equal(torch.get_rng_state(), state)


def test_crops_follow_seed_epoch_and_batch() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)

    def crops(seed: int, epoch: int) -> list[torch.Tensor]:
        settings = config(crop_scale=0.2, seed=seed)
        split = Batches(repeated(picture), torch.arange(32), settings, train=True, num_workers=0)
        split.set_epoch(epoch)
        return [images for images, _ in split]

    reference = crops(0, 1)

    assert all(torch.equal(again, first) for again, first in zip(crops(0, 1), reference, strict=True))
    others = [reference[1], crops(0, 2)[0], crops(1, 1)[0]]
    assert not any(torch.equal(other, reference[0]) for other in others)
    assert len({image.numpy().tobytes() for batch in reference for image in batch}) == 32


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_plain_batches_are_the_centre_crops_of_the_images(split: Literal["train", "val", "test"]) -> None:
    settings = config(resolution=20, **PLAIN)
    dataset = digits()
    crops = batches(dataset, split, settings, num_workers=0)
    images = [dataset.splits[split].decode(i, 256) for i in range(len(dataset.splits[split]))]
    expected = {centre_crop(image, settings).numpy().tobytes() for image in images}
    contents = [image.numpy().tobytes() for batch, _ in crops for image in batch]

    assert set(contents) <= expected
    assert len(contents) == (len(images) // 16 * 16 if split == "train" else len(images))


@pytest.mark.parametrize("crop_scale", [0.9, 1.0])
@pytest.mark.parametrize("hflip", [0.0, 0.3, 1.0])
def test_training_images_are_mirrored_with_probability_hflip(hflip: float, crop_scale: float) -> None:
    images = repeated(np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (8, 1, 3)))
    settings = config(**(PLAIN | {"hflip": hflip, "crop_scale": crop_scale, "batch_size": 1000}))
    train = Batches(images, torch.zeros(1000), settings, train=True, num_workers=0)
    val = Batches(images, torch.zeros(1000), settings, train=False, num_workers=0)
    (crops, _), (unmirrored, _) = next(iter(train)), next(iter(val))
    mirrored = crops[:, 0, 0, 0] > crops[:, 0, 0, -1]
    turned = torch.where(mirrored.view(-1, 1, 1, 1), crops.flip(-1), crops)

    assert mirrored.float().mean().item() == pytest.approx(hflip, abs=0.05)
    assert (turned.int().diff(dim=-1) >= 0).all()
    assert torch.equal(turned, unmirrored) == (crop_scale == 1.0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 60), (61, 33), (300, 200)])
@pytest.mark.parametrize(("resolution", "crop_share"), [(32, 0.875), (33, 0.9), (64, 1.0), (20, 0.5)])
def test_centre_crop_equals_resize_and_crop_of_torchvision(
    height: int, width: int, resolution: int, crop_share: float
) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    reference = v2.Compose([v2.Resize(int(resolution / crop_share), antialias=True), v2.CenterCrop(resolution)])

    crop = centre_crop(image.permute(1, 2, 0).numpy(), config(resolution=resolution, crop_share=crop_share))

    assert crop.shape == (3, resolution, resolution)
    assert torch.equal(crop, reference(image))


@pytest.mark.parametrize(
    ("resolution", "crop_share", "expected"),
    [(224, 0.875, 256), (192, 0.875, 219), (160, 0.875, 182), (128, 0.875, 146), (96, 0.875, 109), (28, 1.0, 28)],
)
def test_evaluation_resizes_to_the_published_shorter_side(resolution: int, crop_share: float, expected: int) -> None:
    assert eval_resize(config(resolution=resolution, crop_share=crop_share)) == expected


def test_normalise_equals_torchvision() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16).repeat(2, 1, 1, 1)
    published = MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    reference = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(published.mean, published.std)])

    normal = normalise(images)

    torch.testing.assert_close(normal, reference(images), rtol=1e-5, atol=1e-6)
    assert normal.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("settings", "to_train", "to_evaluate"),
    [
        ({"resolution": 16}, 64, 18),
        ({"resolution": 32}, 128, 36),
        ({"resolution": 33}, 256, 37),
        ({"resolution": 224}, 256, 256),
        ({"resolution": 224, "eval_margin": 8}, 256, 232),
        ({"resolution": 300, "crop_share": 1.0}, 300, 300),
        ({"resolution": 300, "crop_share": 0.5}, 600, 600),
        ({"resolution": 16, "crop_share": 0.1}, 160, 160),
        ({"resolution": 32, "train_scale": 2.0}, 256, 36),
    ],
)
def test_images_are_decoded_large_enough_for_the_resolution(
    make_folder: MakeFolder, settings: dict[str, Any], to_train: int, to_evaluate: int
) -> None:
    dataset = image_folder(make_folder({"train/a": 2, "train/b": 2}))
    short_sides: list[int] = []
    images = dataset.splits["train"]

    def decode(i: int, short_side: int) -> Pixels:
        short_sides.append(short_side)
        return images.decode(i, short_side)

    recording = replace(dataset, splits={**dataset.splits, "train": replace(images, decode=decode)})
    for centred, expected in ((False, to_train), (True, to_evaluate)):
        short_sides.clear()
        shutil.rmtree(cache.cache_folder(), ignore_errors=True)
        batches(recording, "train", config(**settings), num_workers=0, centred=centred)

        assert set(short_sides) == {expected}


def test_uncached_images_are_decoded_by_loader_workers(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = image_folder(make_folder({"train/a": 2, "train/b": 2}))
    monkeypatch.setattr(cache, "_fits", lambda *_: False)

    def decode(i: int, short_side: int) -> Pixels:
        return np.full((8, 8, 3), 0 if get_worker_info() is None else 1, dtype=np.uint8)

    train = replace(dataset.splits["train"], decode=decode)
    ((images, _),) = batches(
        replace(dataset, splits={**dataset.splits, "train": train}), "train", config(**PLAIN), num_workers=0
    )

    assert (images == 1).all()
