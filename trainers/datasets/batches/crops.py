"""Crops of decoded images: the published training crops, augmentations and evaluation crops."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from torch import nn
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as transforms

from trainers.config import TrainConfig
from trainers.datasets.dataset import PackedImages, Pixels

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's channel means and deviations, for pixels in 0..1, of every published MobileNet recipe in PyTorch."""
MOST_ASPECT = 32
"""Largest ratio of the sides of a resized image; the ends of a longer image are cut off."""
AUGMENTS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "none": nn.Identity,
        "autoaugment": lambda: v2.AutoAugment(interpolation=InterpolationMode.BILINEAR),
        "trivialaugment": lambda: v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR),
    }
)
"""Augmentations by `TrainConfig.augment`, from uint8 images (3, R, R) to uint8 images of equal shape."""


def eval_resize(config: TrainConfig) -> int:
    """Return the shorter side of an image before its centre crop, px."""
    if config.eval_margin is not None:
        return config.resolution + config.eval_margin
    return int(config.resolution / config.crop_share)


def train_resolution(config: TrainConfig) -> int:
    """Return the height and width of a training crop, px."""
    return round(config.resolution * config.train_scale)


class CentreCrop:
    """Centre crops for an evaluation."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def __call__(self, images: PackedImages, generator: np.random.Generator) -> torch.Tensor:
        """Return the middle of each image (B, 3, R, R); the generator is not used."""
        return torch.stack([centre_crop(image, self._config) for image in images])


class TrainCrop:
    """Random, augmented crops for a training; every random choice comes from the generator."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = replace(config, resolution=train_resolution(config))
        self._random_crops: Callable[[PackedImages, TrainConfig, np.random.Generator], torch.Tensor] | None = None
        if config.crop_scale < 1:  # Numba starts in seconds: import it only if needed, before workers are forked
            from trainers.datasets.batches.random_crops import random_resized_crops

            self._random_crops = random_resized_crops
        erase = v2.RandomErasing(config.random_erase, value=[round(255 * mean) for mean in MEAN])  # type: ignore[arg-type]
        augmented = config.augment != "none" or config.random_erase > 0
        self._augment = nn.Sequential(AUGMENTS[config.augment](), erase) if augmented else None

    def __call__(self, images: PackedImages, generator: np.random.Generator) -> torch.Tensor:
        """Return a crop of each image (B, 3, R, R), mirrored at random, then augmented."""
        if self._random_crops:
            crops = self._random_crops(images, self._config, generator)
        else:
            crops = torch.stack([centre_crop(image, self._config) for image in images])
            mirrored = torch.from_numpy(generator.random(len(images)) < self._config.hflip)
            crops[mirrored] = crops[mirrored].flip(-1)
        if self._augment is None:
            return crops
        seeds = generator.integers(2**63, size=len(images)).tolist()
        return torch.stack([_seeded(self._augment, crop, seed) for crop, seed in zip(crops, seeds, strict=True)])


def _seeded(transform: nn.Module, image: torch.Tensor, seed: int) -> torch.Tensor:
    """Return `transform(image)` with random choices from `seed`; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return transform(image)


def centre_crop(image: Pixels, config: TrainConfig) -> torch.Tensor:
    """Resize the shorter side to `eval_resize` and return the centre (3, R, R)."""
    resized = transforms.resize(_channels_first(_middle(image)), [eval_resize(config)], antialias=True)
    return transforms.center_crop(resized, [config.resolution] * 2)


def _middle(image: Pixels) -> Pixels:
    """Cut off the ends of an image of extreme aspect: resizing one of 20,000 x 1 px would take gigabytes."""
    most = MOST_ASPECT * min(image.shape[:2])
    top, left = (max(0, side - most) // 2 for side in image.shape[:2])
    return image[top : top + most, left : left + most]


def _channels_first(image: Pixels) -> torch.Tensor:
    """Return the image (3, H, W) with its memory in HWC order, which PyTorch resizes fastest."""
    return torch.from_numpy(image).permute(2, 0, 1)
