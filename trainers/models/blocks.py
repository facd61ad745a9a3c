"""Parts of all MobileNet families: rounding of channels, and strides for small images."""

from collections.abc import Sequence
from math import prod

from torch import nn


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Return the multiple of `divisor` nearest to `channels`, at least `divisor` and never more than 10 % too low.

    Source: the rounding rule of TensorFlow's MobileNetV2 and V3, which every re-implementation follows.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def reduce_early_strides(strides: Sequence[int], total_stride: int) -> list[int]:
    """Return `strides` with the earliest ones set to 1, until the product is `total_stride`."""
    reduced = list(strides)
    for i, _ in enumerate(reduced):
        if prod(reduced) <= total_stride:
            break
        reduced[i] = 1
    return reduced


def set_stem_stride(stem: nn.Module, stride: int) -> None:
    """Change the stride of the first convolution, which torchvision's constructors fix at 2."""
    conv = next(module for module in stem.modules() if isinstance(module, nn.Conv2d))
    conv.stride = (stride, stride)
