"""MobileNetV3 (arXiv:1905.02244, tables 1 and 2); below width 1 it is the network that TensorFlow published.

Below width 1, torchvision's constructors scale the last layers and round the expanded channels of the table; the
published networks keep the last layers at full width and expand by the *ratio* of the table. At width 1 both are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

from trainers.config import TrainConfig
from trainers.models.blocks import make_divisible, reduce_early_strides, set_stem_stride

STEM_CHANNELS = 16


@dataclass(frozen=True)
class Block:
    """One row of the paper's tables: kernel size, expanded and output channels, squeeze-excite, h-swish, stride."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    hswish: bool
    stride: int


LARGE = (
    Block(3, 16, 16, False, False, 1),
    Block(3, 64, 24, False, False, 2),
    Block(3, 72, 24, False, False, 1),
    Block(5, 72, 40, True, False, 2),
    Block(5, 120, 40, True, False, 1),
    Block(5, 120, 40, True, False, 1),
    Block(3, 240, 80, False, True, 2),
    Block(3, 200, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 480, 112, True, True, 1),
    Block(3, 672, 112, True, True, 1),
    Block(5, 672, 160, True, True, 2),
    Block(5, 960, 160, True, True, 1),
    Block(5, 960, 160, True, True, 1),
)
SMALL = (
    Block(3, 16, 16, True, False, 2),
    Block(3, 72, 24, False, False, 2),
    Block(3, 88, 24, False, False, 1),
    Block(5, 96, 40, True, True, 2),
    Block(5, 240, 40, True, True, 1),
    Block(5, 240, 40, True, True, 1),
    Block(5, 120, 48, True, True, 1),
    Block(5, 144, 48, True, True, 1),
    Block(5, 288, 96, True, True, 2),
    Block(5, 576, 96, True, True, 1),
    Block(5, 576, 96, True, True, 1),
)


def mobilenet_v3_large(config: TrainConfig) -> nn.Module:
    """Return MobileNetV3-Large at any width, from images (B, 3, R, R) to logits (B, num_classes)."""
    return _mobilenet_v3(LARGE, 1280, config)


def mobilenet_v3_small(config: TrainConfig) -> nn.Module:
    """Return MobileNetV3-Small at any width, from images (B, 3, R, R) to logits (B, num_classes)."""
    return _mobilenet_v3(SMALL, 1024, config)


def _mobilenet_v3(blocks: Sequence[Block], last_channels: int, config: TrainConfig) -> nn.Module:
    assert config.num_classes is not None
    stem_stride, *strides = reduce_early_strides([2, *(block.stride for block in blocks)], config.total_stride)
    model = MobileNetV3(
        _scaled(blocks, strides, config.width_mult),
        last_channel=make_divisible(last_channels * max(1.0, config.width_mult)),
        num_classes=config.num_classes,
        dropout=config.dropout,
    )
    set_stem_stride(model.features[0], stem_stride)
    return model


def _scaled(blocks: Sequence[Block], strides: Sequence[int], width_mult: float) -> list[InvertedResidualConfig]:
    table_in, channels = STEM_CHANNELS, make_divisible(STEM_CHANNELS * width_mult)
    configs: list[InvertedResidualConfig] = []
    for block, stride in zip(blocks, strides, strict=True):
        expanded = make_divisible(channels * block.expanded / table_in)
        out = make_divisible(block.out * width_mult)
        activation = "HS" if block.hswish else "RE"
        configs.append(
            InvertedResidualConfig(
                channels, block.kernel, expanded, out, block.squeeze, activation, stride, dilation=1, width_mult=1.0
            )
        )
        table_in, channels = block.out, out
    return configs
