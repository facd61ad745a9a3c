"""A batch is divided into equally many parts on every worker, each of two images or more."""

from dataclasses import replace
from pathlib import Path

import pytest

from trainers.config import TrainConfig
from trainers.hardware.workers import Workers
from trainers.training.parts import in_smaller_parts, number_of_parts
from trainers.trial import Point


@pytest.mark.parametrize("num_workers", [1, 2, 3])
@pytest.mark.parametrize("images", [2, 7, 8, 13, 64])
@pytest.mark.parametrize("accumulate", [1, 2, 5])
def test_every_part_on_every_worker_has_two_images(images: int, accumulate: int, num_workers: int) -> None:
    parts = number_of_parts(TrainConfig(accumulate=accumulate), images, num_workers)
    shares = [len(range(images)[Workers(rank, num_workers).share_of(images)]) for rank in range(num_workers)]

    assert 1 <= parts <= accumulate
    assert parts == 1 or min(shares) // parts >= 2


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "num_workers", "smaller"),
    [
        (64, 1, 1, 2),
        (64, 8, 1, 16),
        (64, 16, 1, 32),
        (64, 32, 1, None),
        (64, 16, 2, None),
        (7, 1, 2, None),
        (8, 1, 2, 2),
        (10_000, 256, 1, 512),
        (10_000, 512, 1, None),  # of 1078 images
        (10_000, 256, 2, None),
    ],
)
def test_parts_are_halved_down_to_two_images(
    batch_size: int, accumulate: int, num_workers: int, smaller: int | None
) -> None:
    config = TrainConfig(data="digits", batch_size=batch_size, accumulate=accumulate)
    point = Point(id="p", config=config, folder=Path("p"))

    smaller_point = in_smaller_parts(point, num_workers)

    assert smaller_point == (smaller and replace(point, config=replace(config, accumulate=smaller)))
