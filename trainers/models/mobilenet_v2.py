"""MobileNetV2 (arXiv:1801.04381, table 2) as torchvision's module, so that torchvision's weights fit key by key."""

from torch import nn
from torchvision.models import MobileNetV2

from trainers.config import TrainConfig
from trainers.models.blocks import reduce_early_strides, set_stem_stride

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""(expansion, output channels, repeats, stride) of each stage."""


def mobilenet_v2(config: TrainConfig) -> nn.Module:
    """Return MobileNetV2 at any width, from images (B, 3, R, R) to logits (B, num_classes)."""
    assert config.num_classes is not None
    stem_stride, *strides = reduce_early_strides([2, *(stage[-1] for stage in STAGES)], config.total_stride)
    model = MobileNetV2(
        num_classes=config.num_classes,
        width_mult=config.width_mult,
        inverted_residual_setting=[[*stage[:-1], stride] for stage, stride in zip(STAGES, strides, strict=True)],
        round_nearest=config.round_nearest,
        dropout=config.dropout,
    )
    set_stem_stride(model.features[0], stem_stride)
    return model
