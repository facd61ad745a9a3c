"""The loss of a training: cross-entropy with label smoothing, and the mixing of images and labels."""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.transforms import v2

from trainers.config import TrainConfig

Mix = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""A function from images (B, 3, R, R) and labels (B,) to mixed images and class probabilities (B, num_classes)."""


def build_criterion(config: TrainConfig) -> nn.CrossEntropyLoss:
    """Return the cross-entropy with the smoothing of `config`, whose `num_classes` must be set.

    PyTorch spreads the mass eps over all K classes. A mass of eps * K / (K - 1) in PyTorch equals a mass of eps that is
    spread over the other K - 1 classes, as MindSpore spreads it.
    """
    assert config.num_classes is not None
    mass = config.label_smoothing
    if config.smoothing_over == "others":
        mass *= config.num_classes / (config.num_classes - 1)
    return nn.CrossEntropyLoss(label_smoothing=mass)


def build_mix(config: TrainConfig) -> Mix | None:
    """Return MixUp (arXiv:1710.09412), CutMix (arXiv:1905.04899) or a random choice per batch; None if both are off."""
    mixes: list[nn.Module] = []
    if config.mixup:
        mixes.append(v2.MixUp(alpha=config.mixup, num_classes=config.num_classes))
    if config.cutmix:
        mixes.append(v2.CutMix(alpha=config.cutmix, num_classes=config.num_classes))
    return v2.RandomChoice(mixes) if mixes else None
