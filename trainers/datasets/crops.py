"""From a decoded image to what the network sees: the published training crops, augmentations and evaluation rules."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as transforms

from trainers.config import TrainConfig

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's channel means and deviations, for pixels in 0..1, as every published MobileNet recipe in PyTorch uses."""
AUGMENTS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "none": nn.Identity,
        "autoaugment": lambda: v2.AutoAugment(interpolation=InterpolationMode.BILINEAR),
        "trivialaugment": lambda: v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR),
    }
)
"""What `TrainConfig.augment` names; uint8 images (3, R, R) to the same."""


def eval_resize(config: TrainConfig) -> int:
    """Shorter side of an image before its centre crop, px."""
    if config.eval_margin is not None:
        return config.resolution + config.eval_margin
    return int(config.resolution / config.crop_share)


def train_resolution(config: TrainConfig) -> int:
    """Height and width of a training crop, px."""
    return round(config.resolution * config.train_scale)


class CentreCrop:
    """The crop that is evaluated."""

    uses_global_generator = False

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def __call__(self, image_CHW: torch.Tensor, generator: random.Random) -> torch.Tensor:
        """The middle of the image (3, R, R); nothing is random."""
        return centre_crop(image_CHW, self._config)


class TrainCrop:
    """The crop that is trained on, augmented; all that is random comes from the generator."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = replace(config, resolution=train_resolution(config))
        erase = v2.RandomErasing(config.random_erase, value=[round(255 * mean) for mean in MEAN])  # type: ignore[arg-type]
        augmented = config.augment != "none" or config.random_erase > 0
        self._augment = nn.Sequential(AUGMENTS[config.augment](), erase) if augmented else None
        self.uses_global_generator = augmented
        """Whether PyTorch's global generator is borrowed, so that no other thread may use it meanwhile."""

    def __call__(self, image_CHW: torch.Tensor, generator: random.Random) -> torch.Tensor:
        """A part of the image (3, R, R), mirrored or not, then augmented."""
        if self._config.crop_scale < 1:
            crop = random_resized_crop(image_CHW, self._config, generator)
        else:
            crop = centre_crop(image_CHW, self._config)
        crop = crop.flip(-1) if generator.random() < self._config.hflip else crop
        return crop if self._augment is None else _seeded(self._augment, crop, generator.getrandbits(63))


def _seeded(transform: nn.Module, image: torch.Tensor, seed: int) -> torch.Tensor:
    """`transform(image)` with torchvision's random choices decided by `seed`; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return transform(image)


def centre_crop(image_CHW: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Resize the shorter side to `eval_resize`, then cut the centre (3, R, R)."""
    resized = transforms.resize(image_CHW, [eval_resize(config)], antialias=True)
    return transforms.center_crop(resized, [config.resolution] * 2)


def random_resized_crop(image_CHW: torch.Tensor, config: TrainConfig, generator: random.Random) -> torch.Tensor:
    """Cut a random part of `crop_scale` to 1 of the area and an aspect of 3/4 to 4/3, resized to (3, R, R).

    The distribution of torchvision's RandomResizedCrop, drawn from `generator` so that a batch needs no global state.
    """
    height, width = image_CHW.shape[1:]
    for _ in range(10):
        area = height * width * generator.uniform(config.crop_scale, 1.0)
        aspect = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
        crop_w, crop_h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_w <= width and 0 < crop_h <= height:
            top, left = generator.randint(0, height - crop_h), generator.randint(0, width - crop_w)
            break
    else:  # the largest of such aspects, in the middle
        crop_w, crop_h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        top, left = round((height - crop_h) / 2), round((width - crop_w) / 2)
    crop = image_CHW[None, :, top : top + crop_h, left : left + crop_w]
    # what torchvision's resize does to uint8, without the third of the time that its dispatch takes for small crops
    return interpolate(crop, [config.resolution] * 2, mode="bilinear", antialias=True)[0]
