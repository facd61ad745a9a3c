"""d-li14's files (mobilenetv2.pytorch, mobilenetv3.pytorch): their names of tensors, and their MobileNetV3.

Each block is one flat sequence of layers there (models/imagenet/mobilenetv2.py, mobilenetv3.py). The MobileNetV3
squeezes before the activation of a depthwise convolution, where the paper and torchvision squeeze after it.
"""

import re
from collections.abc import Iterator

import torch
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidual
from torchvision.ops.misc import SqueezeExcitation

from trainers.weights.state_dicts import Tensors

V3_BN_EPS = 1e-5
"""Batch normalisation's epsilon of d-li14's MobileNetV3; torchvision's has 1e-3."""


def is_dli14(tensors: Tensors) -> bool:
    """Whether the tensors have d-li14's names."""
    return "conv.0.weight" in tensors


def is_dli14_v3(tensors: Tensors) -> bool:
    """Whether the tensors are of d-li14's MobileNetV3, which differs from ours in more than its names."""
    return is_dli14(tensors) and any(".fc." in key for key in tensors)


def renamed(tensors: Tensors) -> Tensors:
    """The tensors under torchvision's names, if they have d-li14's; else `tensors`."""
    return dict(_renamed(tensors)) if is_dli14(tensors) else tensors


class SqueezeThenActivate(SqueezeExcitation):
    """Squeeze-excite followed by the activation that precedes it in the paper."""

    def __init__(self, squeeze: SqueezeExcitation, activation: nn.Module) -> None:
        super().__init__(squeeze.fc1.in_channels, squeeze.fc1.out_channels, scale_activation=nn.Hardsigmoid)
        self.after = activation

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.after(super().forward(input))


def squeeze_before_activation(model: nn.Module) -> None:
    """Turn a MobileNetV3 into d-li14's, in place: an expanding block squeezes before its activation. Names stay.

    Source: `InvertedResidual` of d-li14/mobilenetv3.pytorch, mobilenetv3.py.
    """
    for block in (module.block for module in model.modules() if isinstance(module, InvertedResidual)):
        if len(block) == 4:  # expansion, depthwise convolution, squeeze-excite, projection
            depthwise, squeeze = block[1], block[2]
            assert isinstance(depthwise, nn.Sequential)
            assert isinstance(squeeze, SqueezeExcitation)
            block[2] = SqueezeThenActivate(squeeze, depthwise[2])
            depthwise[2] = nn.Identity()


def _renamed(tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    v3 = is_dli14_v3(tensors)
    blocks = {key.split(".")[1] for key in tensors if key.startswith("features.")}
    tables = {number: (_v3_block if v3 else _v2_block)(tensors, f"features.{number}.conv.") for number in blocks}
    for key, tensor in tensors.items():
        layer, _, leaf = key.rpartition(".")
        in_block = re.fullmatch(r"features\.(\d+)\.conv\.(.+)", layer)
        if in_block:
            number, place = in_block.groups()
            layer = f"features.{number}.{'block' if v3 else 'conv'}.{tables[number].get(place, place)}"
            tensor = tensor[..., None, None] if ".fc" in layer and leaf == "weight" else tensor  # Linear there
        elif layer in ("conv.0", "conv.1"):
            layer = f"features.{len(blocks)}.{layer[-1]}"
        elif layer == "classifier":
            layer = "classifier.1"
        yield f"{layer}.{leaf}", tensor


def _v2_block(tensors: Tensors, block: str) -> dict[str, str]:
    if f"{block}7.weight" in tensors:
        return {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
    return {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}  # the first block, which does not expand


def _v3_block(tensors: Tensors, block: str) -> dict[str, str]:
    """Names of layers in a block with or without expansion and squeeze-excite, which moves the last layer by one."""
    if f"{block}8.weight" in tensors:
        last = "3" if f"{block}5.fc.0.weight" in tensors else "2"
        table = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "5.fc.0": "2.fc1", "5.fc.2": "2.fc2"}
        return {**table, "7": f"{last}.0", "8": f"{last}.1"}
    last = "2" if f"{block}3.fc.0.weight" in tensors else "1"
    return {"0": "0.0", "1": "0.1", "3.fc.0": "1.fc1", "3.fc.2": "1.fc2", "4": f"{last}.0", "5": f"{last}.1"}
