"""MobileNetV1 (arXiv:1704.04861, table 1), with the channel rule of TensorFlow's slim/nets/mobilenet_v1.py."""

import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.models.blocks import reduce_early_strides

STEM_CHANNELS = 32
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""(output channels, stride) of each depthwise-separable block."""


class MobileNetV1(nn.Module):
    """A stem and 13 depthwise-separable blocks, from images (B, 3, R, R) to logits (B, num_classes)."""

    def __init__(self, width_mult: float, num_classes: int, dropout: float, total_stride: int) -> None:
        super().__init__()
        stem_stride, *strides = reduce_early_strides([2, *(stride for _, stride in BLOCKS)], total_stride)
        channels = _scaled(STEM_CHANNELS, width_mult)
        layers = [_conv_bn(3, channels, kernel=3, stride=stem_stride)]
        for (out, _), stride in zip(BLOCKS, strides, strict=True):
            out = _scaled(out, width_mult)
            layers.append(_conv_bn(channels, channels, kernel=3, stride=stride, groups=channels))
            layers.append(_conv_bn(channels, out, kernel=1))
            channels = out
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        features = self.avgpool(self.features(images_BCHW))
        return self.classifier(torch.flatten(features, 1))


def mobilenet_v1(config: TrainConfig) -> nn.Module:
    """Return MobileNetV1 at any width; scaled channels are cut to whole numbers of at least 8, and not rounded."""
    assert config.num_classes is not None
    return MobileNetV1(config.width_mult, config.num_classes, config.dropout, config.total_stride)


def _scaled(channels: int, width_mult: float) -> int:
    return max(int(channels * width_mult), 8)


def _conv_bn(in_channels: int, out: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    )
