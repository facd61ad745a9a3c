"""Batches of a split: images, order and crops. The seed and the epoch decide every random choice."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from trainers.config import TrainConfig
from trainers.datasets.batches.crops import MEAN, STD, CentreCrop, TrainCrop, eval_resize, train_resolution
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.pixels.cache import Images, MappedImages, open_images
from trainers.hardware.workers import Workers

DECODED_PX = 256
"""Shorter side of decoded images, px, or more for a high resolution; the papers resize to this size."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (B, 3, R, R) uint8 and labels (B,)."""


@dataclass(frozen=True, eq=False)
class BatchKey:
    """Images and seed of the crops of one batch, or of the share of this worker in one batch."""

    indices: NDArray[np.int64]
    seed: int


def batches(
    dataset: Dataset, split: SplitName, config: TrainConfig, *, num_workers: int, centred: bool = False
) -> "Batches":
    """Return the batches of `split`: shuffled and cropped at random for `train`, else in order and centred.

    With `centred`, `train` is also in order and centred, for an evaluation. Each of several workers gets its share of
    every batch.
    """
    train = split == "train" and not centred
    images = open_images(dataset, split, decoded_px(config) if train else eval_resize(config))
    labels = torch.from_numpy(dataset.splits[split].labels)
    if not dataset.splits[split].in_memory and not isinstance(images, MappedImages):
        num_workers = max(num_workers, torch.get_num_threads())  # decoding files takes longer than training
    return Batches(images, labels, config, train=train, num_workers=num_workers)


def decoded_px(config: TrainConfig) -> int:
    """Return the shorter side of decoded training images, px: large enough for every crop, and fast to read.

    The side is four times the resolution, so that the smallest crops, with 8 % of the area and 28 % of the side, are
    not enlarged, and a power of two, so that resolutions share a cache. Evaluation images are decoded to `eval_resize`
    instead, so that they are resized once, as in the published evaluations.
    """
    largest = max(config.resolution, train_resolution(config))
    enough = 2 ** math.ceil(math.log2(4 * largest))
    return max(min(DECODED_PX, enough), eval_resize(config), largest)


class Batches:
    """Iterable over the batches of an epoch, which `set_epoch` chooses."""

    def __init__(
        self, images: Images, labels: torch.Tensor, config: TrainConfig, *, train: bool, num_workers: int
    ) -> None:
        self.num_images = len(labels)
        """Images of the split, over all workers."""
        self.images_per_step = min(config.batch_size, len(labels))
        """Images in a training step, over all workers."""
        self._keys = _EpochKeys(len(labels), config, train=train)
        crop = TrainCrop(config) if train else CentreCrop(config)
        self._loader: DataLoader[Batch] = DataLoader(
            _Reader(images, labels, crop),
            sampler=self._keys,  # type: ignore[arg-type] # an iterable with a length is all it needs
            batch_size=None,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its own: the draws of mixing and dropout do not depend on the loader's
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
        self._workers = Workers.current()
        # an evaluation batch needs no more memory than a part of a training batch
        part = max(self._workers.count, config.batch_size // config.accumulate)
        self._batch_size = config.batch_size if train else part
        self._repeats = config.repeats
        self._seed = config.seed
        self._train = train

    def __len__(self) -> int:
        if self._train:
            return max(1, self._num_images // self._batch_size)
        return math.ceil(self._num_images / self._batch_size)

    def __iter__(self) -> Iterator[BatchKey]:
        generator = np.random.default_rng((self._seed, self.epoch))
        order = generator.permutation(self._num_images) if self._train else np.arange(self._num_images)
        order = np.repeat(order, self._repeats if self._train else 1)[: self._num_images]
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            batch = order[start : start + self._batch_size]
            share = batch[self._workers.share_of(len(batch))]
            seed = int(generator.integers(2**63)) ^ self._workers.rank
            if len(share):  # the last batch of an evaluation may have fewer images than there are workers
                yield BatchKey(share, seed)


class _Reader(TorchDataset[Batch]):
    """Reads one batch and crops its images."""

    def __init__(self, images: Images, labels: torch.Tensor, crop: TrainCrop | CentreCrop) -> None:
        self._images = images
        self._labels = labels
        self._crop = crop

    def __getitem__(self, key: BatchKey) -> Batch:  # type: ignore[override]
        crops = self._crop(self._images(key.indices), np.random.default_rng(key.seed))
        return crops, self._labels[torch.from_numpy(key.indices)]


def normalise(images_uint8: torch.Tensor) -> torch.Tensor:
    """Return uint8 images (B, 3, R, R) as channels-last fp32, normalised by the channel means of ImageNet."""
    mean, std = _mean_and_std(images_uint8.device)
    return images_uint8.to(torch.float32, memory_format=torch.channels_last).sub_(mean).div_(std)


@cache
def _mean_and_std(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return channel means and deviations of pixels in 0..255, cached because a copy waits for the GPU."""
    mean, std = (torch.tensor(values, device=device).mul(255).view(1, 3, 1, 1) for values in (MEAN, STD))
    return mean, std
