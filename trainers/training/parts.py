"""Batches in parts: how many parts a step has, and more of them where the memory does not suffice."""

from dataclasses import replace

from trainers.config import TrainConfig
from trainers.datasets.registry import load_dataset
from trainers.trial import Point

MOST_HALVINGS = 4
"""Number of times that the parts of a batch are halved for a memory that does not suffice."""


def number_of_parts(config: TrainConfig, images_per_step: int, num_workers: int) -> int:
    """Number of parts of a step's batch: the same on all workers, with two images or more in each part.

    Batch normalisation needs two images. `images_per_step` counts the images of all workers, whose shares differ by one
    image at most.
    """
    return min(config.accumulate, max(1, images_per_step // num_workers // 2))


def in_smaller_parts(point: Point, num_workers: int = 1) -> Point | None:
    """`point` with every batch in twice as many parts; None where a worker's part would have fewer than two images.

    Raises:
        ConfigError: the dataset of the point is not here.
    """
    config = point.config
    images_per_step = min(config.batch_size, len(load_dataset(config.data).splits["train"]))
    twice = 2 * config.accumulate
    if 2 * twice * num_workers > images_per_step:
        return None
    return replace(point, config=replace(config, accumulate=twice))
