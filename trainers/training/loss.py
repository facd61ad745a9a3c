"""What a training minimises: cross-entropy, its smoothing, and the mixing of images and labels."""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.transforms import v2

from trainers.config import TrainConfig

Mix = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Images (B, 3, R, R) and labels (B,) to mixed images and the probability of each class (B, num_classes)."""


def build_criterion(config: TrainConfig) -> nn.CrossEntropyLoss:
    """Cross-entropy against labels or probabilities, with the smoothing of `config`, whose `num_classes` must be set.

    PyTorch spreads the mass over all K classes; spread over the others (MindSpore's off-value eps / (K - 1)) the same
    target is PyTorch's with eps * K / (K - 1).
    """
    assert config.num_classes is not None
    mass = config.label_smoothing
    if config.smoothing_over == "others":
        mass *= config.num_classes / (config.num_classes - 1)
    return nn.CrossEntropyLoss(label_smoothing=mass)


def build_mix(config: TrainConfig) -> Mix | None:
    """MixUp, CutMix, or for each batch one of both (arXiv:1710.09412, arXiv:1905.04899); None where both are off."""
    mixes: list[nn.Module] = []
    if config.mixup:
        mixes.append(v2.MixUp(alpha=config.mixup, num_classes=config.num_classes))
    if config.cutmix:
        mixes.append(v2.CutMix(alpha=config.cutmix, num_classes=config.num_classes))
    return v2.RandomChoice(mixes) if mixes else None
