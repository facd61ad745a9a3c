"""Batches of a split: which images, in which order, cropped how. All that is random follows from (seed, epoch)."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms.v2 import functional as transforms

from trainers.config import TrainConfig
from trainers.datasets.cache import Images, open_images
from trainers.datasets.dataset import Dataset, SplitName

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's channel means and deviations, for pixels in 0..1, as every published MobileNet recipe in PyTorch uses."""
DECODED_PX = 256
"""Shorter side that images are decoded to, or more where the resolution asks for it; the papers resize to this."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (B, 3, R, R) uint8 and labels (B,)."""


@dataclass(frozen=True)
class BatchKey:
    """One batch to read: its images, and the seed of its crops."""

    indices: tuple[int, ...]
    seed: int


def batches(dataset: Dataset, split: SplitName, config: TrainConfig, *, num_workers: int) -> "Batches":
    """The batches of `split` for `config`: shuffled and cropped at random for `train`, else in order and centred."""
    resized = eval_resize(config)
    images = open_images(dataset, split, max(DECODED_PX, resized))
    labels = torch.from_numpy(dataset.splits[split].labels)
    return Batches(images, labels, config, train=split == "train", num_workers=num_workers)


def eval_resize(config: TrainConfig) -> int:
    """Shorter side of an image before its centre crop, px: int(resolution / crop_share)."""
    return int(config.resolution / config.crop_share)


class Batches:
    """Iterable over the batches of one epoch after another; `set_epoch` chooses which."""

    def __init__(
        self, images: Images, labels: torch.Tensor, config: TrainConfig, *, train: bool, num_workers: int
    ) -> None:
        self.num_images = len(labels)
        self._keys = _EpochKeys(len(labels), config, train=train)
        self._loader: DataLoader[Batch] = DataLoader(
            _Reader(images, labels, config, train=train),
            sampler=self._keys,  # type: ignore[arg-type] # an iterable with a length is all it needs
            batch_size=None,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 1) whose order and crops the next iteration yields."""
        self._keys.epoch = epoch

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._loader)


class _EpochKeys:
    """The keys of one epoch's batches. Training leaves out the last, partial batch; evaluation leaves out nothing."""

    def __init__(self, num_images: int, config: TrainConfig, *, train: bool) -> None:
        self.epoch = 1
        self._num_images = num_images
        self._batch_size = config.batch_size
        self._seed = config.seed
        self._train = train

    def __len__(self) -> int:
        if self._train:
            return max(1, self._num_images // self._batch_size)
        return math.ceil(self._num_images / self._batch_size)

    def __iter__(self) -> Iterator[BatchKey]:
        generator = np.random.default_rng((self._seed, self.epoch))
        order = generator.permutation(self._num_images) if self._train else np.arange(self._num_images)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            indices = tuple(order[start : start + self._batch_size].tolist())
            yield BatchKey(indices, seed=int(generator.integers(2**63)))


class _Reader(TorchDataset[Batch]):
    """Reads one batch: crops each image and stacks them."""

    def __init__(self, images: Images, labels: torch.Tensor, config: TrainConfig, *, train: bool) -> None:
        self._images = images
        self._labels = labels
        self._config = config
        self._train = train

    def __getitem__(self, key: BatchKey) -> Batch:  # type: ignore[override]
        generator = random.Random(key.seed)
        crops = [self._crop(torch.from_numpy(np.array(self._images(i))), generator) for i in key.indices]
        return torch.stack(crops), self._labels[list(key.indices)]

    def _crop(self, image_HWC: torch.Tensor, generator: random.Random) -> torch.Tensor:
        image = image_HWC.permute(2, 0, 1)  # keeps the pixels in HWC order, for which torchvision resizes fastest
        if not self._train:
            return centre_crop(image, self._config)
        if self._config.crop_scale < 1:
            image = random_resized_crop(image, self._config, generator)
        else:
            image = centre_crop(image, self._config)
        return image.flip(-1) if generator.random() < self._config.hflip else image


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
            size = [config.resolution] * 2
            return transforms.resized_crop(image_CHW, top, left, crop_h, crop_w, size, antialias=True)
    crop_w, crop_h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))  # the largest of such aspects
    return transforms.resize(
        transforms.center_crop(image_CHW, [crop_h, crop_w]), [config.resolution] * 2, antialias=True
    )


def normalise(images_uint8: torch.Tensor) -> torch.Tensor:
    """uint8 images (B, 3, R, R) as fp32, each channel with ImageNet's mean and deviation, in channels-last order."""
    mean, std = _mean_and_std(images_uint8.device)
    return images_uint8.to(torch.float32, memory_format=torch.channels_last).sub_(mean).div_(std)


@cache
def _mean_and_std(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Channel means and deviations of pixels in 0..255; kept, as copying them to a GPU each step would wait for it."""
    mean, std = (torch.tensor(values, device=device).mul(255).view(1, 3, 1, 1) for values in (MEAN, STD))
    return mean, std
