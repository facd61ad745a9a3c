"""timm's names of the tensors of MobileNetV2 and MobileNetV3, which has torchvision's layers in torchvision's order.

Source of the names: `DepthwiseSeparableConv`, `InvertedResidual` and `ConvBnAct` of timm's `_efficientnet_blocks.py`.
"""

from collections.abc import Mapping, Sequence

import torch

from trainers.weights.state_dicts import Tensors, shapes_of_family

ENDS = ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "classifier")
"""Parts of a network, in the order of its layers."""
EXPANDING = ("conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3")
"""Layers of an inverted residual, in their order."""
SEPARABLE = ("conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2")
"""Layers of the first block, which does not expand, in their order."""
LAST = ("conv", "bn1")
"""Layers of MobileNetV3's last block, in their order."""
LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
V3_BN_EPS = 1e-5
"""Batch normalisation's epsilon of timm's MobileNetV3, but for the `tf_` ones; torchvision's has 1e-3."""


def is_timm(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the tensors have timm's names."""
    return "conv_stem.weight" in tensors


def is_timm_v3(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the tensors are of timm's MobileNetV3, whose head has a bias in place of batch normalisation."""
    return is_timm(tensors) and "conv_head.bias" in tensors


def renamed(tensors: Tensors) -> Tensors:
    """Return the tensors under torchvision's names, if they have timm's and are those of a known family; else as is."""
    if not is_timm(tensors):
        return tensors
    theirs = sorted(tensors, key=lambda key: _place(key, tensors))
    known = [key for key in theirs if not key.endswith(LEAVES[-1])]
    for shapes in shapes_of_family():
        if [key.rpartition(".")[2] for key in shapes] == [key.rpartition(".")[2] for key in known]:
            pairs = zip(shapes.items(), known, strict=True)
            return {our_key: _like(tensors[key], len(shape)) for (our_key, shape), key in pairs}
    return tensors


def _like(tensor: torch.Tensor, num_dims: int) -> torch.Tensor:
    """Return a 1 x 1 convolution as the matrix of a linear layer where the other network has one."""
    return tensor[:, :, 0, 0] if tensor.dim() == 4 and num_dims == 2 else tensor


def _place(key: str, tensors: Tensors) -> list[int]:
    """Return the place of a tensor among the layers of its network."""
    layer, _, leaf = key.rpartition(".")
    part, *inner = layer.split(".")
    place = [_index(ENDS, part)]
    if part == "blocks" and len(inner) > 2:
        stage, block, *names = inner
        prefix = f"blocks.{stage}.{block}."
        layers = EXPANDING if f"{prefix}conv_pwl.weight" in tensors else SEPARABLE
        layers = LAST if f"{prefix}conv.weight" in tensors else layers
        place += [int(stage), int(block), _index(layers, ".".join(names))]
    return [*place, _index(LEAVES, leaf)]


def _index(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)
