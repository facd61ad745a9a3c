"""Training crops are random by their generator alone, and follow the settings."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import center_crop, resize

from trainers.config import TrainConfig
from trainers.datasets.batches.crops import AUGMENTS, MEAN, TrainCrop, centre_crop, eval_resize, train_resolution
from trainers.datasets.dataset import PackedImages, Pixels

IMAGE = (np.arange(40 * 50 * 3) % 251).astype(np.uint8).reshape(40, 50, 3)


def config(**settings: Any) -> TrainConfig:
    return TrainConfig(**({"resolution": 32} | settings))


def cropped(crop: TrainCrop, image: Pixels, seed: int, count: int) -> torch.Tensor:
    return crop(PackedImages.of([image] * count), np.random.default_rng(seed))


@pytest.mark.parametrize("augment", AUGMENTS)
@pytest.mark.parametrize("random_erase", [0.0, 0.5])
def test_crops_follow_their_generator_and_leave_the_global_one_unchanged(augment: str, random_erase: float) -> None:
    crop = TrainCrop(config(augment=augment, random_erase=random_erase))
    state = torch.get_rng_state()

    first = cropped(crop, IMAGE, seed=0, count=8)
    torch.rand(3)
    repeated, other = (cropped(crop, IMAGE, seed, count=8) for seed in (0, 1))

    assert torch.equal(first, repeated)
    assert first.shape == (8, 3, 32, 32)
    assert first.dtype == torch.uint8
    assert len({image.numpy().tobytes() for image in (*first, *other)}) == 16
    torch.set_rng_state(state)
    cropped(crop, IMAGE, seed=0, count=2)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("augment", [name for name in AUGMENTS if name != "none"])
def test_an_augmentation_changes_most_crops(augment: str) -> None:
    plain, augmented = (cropped(TrainCrop(config(augment=name)), IMAGE, 0, count=20) for name in ("none", augment))

    assert (plain != augmented).flatten(1).any(1).sum() >= 10


def test_rectangle_of_mean_colour_is_erased_with_probability_random_erase() -> None:
    mean = torch.tensor([round(255 * value) for value in MEAN], dtype=torch.uint8).view(3, 1, 1)
    black = np.zeros((40, 50, 3), dtype=np.uint8)
    erased = (cropped(TrainCrop(config(random_erase=0.25)), black, seed=0, count=400) == mean).all(1)
    shares = erased.float().mean((1, 2)).tolist()

    assert all(e.any(0).sum() * e.any(1).sum() == e.sum() for e in erased)  # a rectangle
    assert 0.15 < sum(share > 0 for share in shares) / 400 < 0.35
    assert 0.01 < min(share for share in shares if share) < max(shares) < 0.35


@pytest.mark.parametrize(
    ("resolution", "scale", "expected"), [(224, 176 / 224, 176), (96, 176 / 224, 75), (32, 1.0, 32)]
)
def test_size_of_training_crops_follows_train_scale(resolution: int, scale: float, expected: int) -> None:
    settings = config(resolution=resolution, train_scale=scale)

    assert train_resolution(settings) == expected
    for crop_scale in (0.08, 1.0):
        crop = TrainCrop(config(resolution=resolution, train_scale=scale, crop_scale=crop_scale))
        assert cropped(crop, IMAGE, seed=0, count=2).shape == (2, 3, expected, expected)


@pytest.mark.parametrize(
    ("settings", "resolution", "expected"),
    [
        ({}, 224, 256),
        ({}, 96, 109),
        ({"eval_margin": 32}, 224, 256),
        ({"eval_margin": 32}, 96, 128),
        ({"crop_share": 0.9655}, 224, 232),
        ({"crop_share": 1.0}, 224, 224),
    ],
)
def test_shorter_side_of_an_evaluated_image_follows_crop_share_or_eval_margin(
    settings: dict[str, Any], resolution: int, expected: int
) -> None:
    assert eval_resize(config(resolution=resolution, **settings)) == expected


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1), (3, 50_000)])
@pytest.mark.parametrize("crop_scale", [0.08, 1.0])
def test_image_of_extreme_aspect_is_cropped_in_little_memory(size: tuple[int, int], crop_scale: float) -> None:
    """The image is white in its middle, which an evaluation crops; resized whole, the image would take 4 GB."""
    image = np.zeros((*size, 3), dtype=np.uint8)
    height, width = size
    image[height // 3 : -(height // 3) or None, width // 3 : -(width // 3) or None] = 255
    settings = config(resolution=224, crop_scale=crop_scale)

    assert cropped(TrainCrop(settings), image, seed=0, count=2).shape == (2, 3, 224, 224)
    assert (centre_crop(image, settings)[:, 112, 112] > 250).all()


def test_image_of_moderate_aspect_is_resized_whole() -> None:
    settings = config(resolution=8)
    image = np.arange(6 * 192 * 3, dtype=np.uint16).astype(np.uint8).reshape(6, 192, 3)
    resized = resize(torch.from_numpy(image).permute(2, 0, 1), [eval_resize(settings)], antialias=True)

    assert torch.equal(centre_crop(image, settings), center_crop(resized, [8, 8]))
