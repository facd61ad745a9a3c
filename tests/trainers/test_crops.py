"""Training crops: what is random comes from the generator alone, and each setting does what it says."""

import random
from typing import Any

import pytest
import torch

from trainers.config import TrainConfig
from trainers.datasets.crops import AUGMENTS, MEAN, TrainCrop, eval_resize, train_resolution

IMAGE = (torch.arange(3 * 40 * 50) % 251).to(torch.uint8).view(3, 40, 50)


def config(**given: Any) -> TrainConfig:
    return TrainConfig(**({"resolution": 32} | given))


@pytest.mark.parametrize("augment", AUGMENTS)
@pytest.mark.parametrize("random_erase", [0.0, 0.5])
def test_crops_follow_the_generator_and_leave_the_global_one_alone(augment: str, random_erase: float) -> None:
    crop = TrainCrop(config(augment=augment, random_erase=random_erase))
    state = torch.get_rng_state()

    first = [crop(IMAGE, random.Random(seed)) for seed in range(8)]
    torch.rand(3)
    again = [crop(IMAGE, random.Random(seed)) for seed in range(8)]

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(a.shape == (3, 32, 32) and a.dtype == torch.uint8 for a in first)
    assert len({a.numpy().tobytes() for a in first}) == 8
    torch.set_rng_state(state)
    crop(IMAGE, random.Random(0))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("augment", [name for name in AUGMENTS if name != "none"])
def test_an_augmentation_changes_most_crops(augment: str) -> None:
    plain, augmented = TrainCrop(config()), TrainCrop(config(augment=augment))

    changed = [not torch.equal(plain(IMAGE, random.Random(i)), augmented(IMAGE, random.Random(i))) for i in range(20)]

    assert sum(changed) >= 10


def test_a_rectangle_of_the_mean_colour_is_erased_as_often_as_asked() -> None:
    mean = torch.tensor([round(255 * value) for value in MEAN], dtype=torch.uint8).view(3, 1, 1)
    black = torch.zeros(3, 40, 50, dtype=torch.uint8)
    crop = TrainCrop(config(random_erase=0.25))
    shares = []
    for seed in range(400):
        erased = (crop(black, random.Random(seed)) == mean).all(0)
        shares.append(erased.float().mean().item())
        assert erased.any(0).sum() * erased.any(1).sum() == erased.sum()  # a rectangle

    assert 0.15 < sum(share > 0 for share in shares) / 400 < 0.35
    assert 0.01 < min(share for share in shares if share) < max(shares) < 0.35


@pytest.mark.parametrize(
    ("resolution", "scale", "expected"), [(224, 176 / 224, 176), (96, 176 / 224, 75), (32, 1.0, 32)]
)
def test_training_crops_have_a_size_of_their_own(resolution: int, scale: float, expected: int) -> None:
    settings = config(resolution=resolution, train_scale=scale)

    assert train_resolution(settings) == expected
    for crop_scale in (0.08, 1.0):
        crop = TrainCrop(config(resolution=resolution, train_scale=scale, crop_scale=crop_scale))
        assert crop(IMAGE, random.Random(0)).shape == (3, expected, expected)


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
def test_the_shorter_side_of_an_evaluated_image_follows_the_rule(
    settings: dict[str, Any], resolution: int, expected: int
) -> None:
    assert eval_resize(config(resolution=resolution, **settings)) == expected
