"""What the MobileNet families share: rounding of channels, and strides for small images."""

from collections.abc import Sequence
from math import prod

from torch import nn


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least one and never more than 10 % below.

    Source: the rounding rule of TensorFlow's MobileNetV2 and V3, which every re-implementation follows.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def reduce_early_strides(strides: Sequence[int], total_stride: int) -> list[int]:
    """`strides`, the earliest set to 1 until their product is `total_stride`."""
    reduced = list(strides)
    for i, _ in enumerate(reduced):
        if prod(reduced) <= total_stride:
            break
        reduced[i] = 1
    return reduced


def set_stem_stride(stem: nn.Module, stride: int) -> None:
    """Change the stride of torchvision's first convolution, which its constructors fix at 2."""
    conv = next(module for module in stem.modules() if isinstance(module, nn.Conv2d))
    conv.stride = (stride, stride)
