"""Cost of a network, exact and before any training: counted on torch's meta device, which allocates nothing.

Convention: one MAC is one multiply-accumulate of a convolution or matrix product for one image, without bias,
normalisation or activation (two FLOPs). Activations are the output elements of these operations. Parameters are the
trainable ones, batch normalisation included. The operations are those that reach torch's dispatcher, so a functional
call counts as a layer does, and attention counts as its two matrix products.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from trainers.config import TrainConfig, names_of, values_of
from trainers.errors import ConfigError
from trainers.models.registry import build_model

FREE_TAGS = {torch.Tag.pointwise, torch.Tag.reduction, torch.Tag.inplace_view}
"""Tags of operations without multiply-accumulates: arithmetic of single elements, sums, views."""
FREE = {
    "native_batch_norm", "native_layer_norm", "native_group_norm", "_fused_rms_norm", "_softmax", "_safe_softmax",
    "_log_softmax", "hardswish", "hardswish_", "_prelu_kernel", "glu", "avg_pool2d", "_adaptive_avg_pool2d",
    "max_pool2d_with_indices", "adaptive_max_pool2d", "upsample_nearest2d", "upsample_bilinear2d", "empty",
    "empty_like", "new_empty", "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full",
    "full_like", "scalar_tensor", "arange", "_unsafe_view", "_to_copy", "copy_", "fill_", "cat", "stack", "repeat",
    "roll", "flip", "index", "index_select", "gather", "embedding", "constant_pad_nd", "reflection_pad2d", "im2col",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
}  # fmt: skip
"""Further operations without multiply-accumulates: normalisation, activations, pooling, new tensors, copies."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one forward pass of one image, and size of the network."""

    macs: int
    """Multiply-accumulates."""
    num_params: int
    """Trainable parameters."""
    activations: int
    """Output elements of all convolutions and matrix products; training time follows these, not the MACs."""


def cost(config: TrainConfig) -> Cost:
    """Cost of the network of `config`, whose `num_classes` must be set.

    Raises:
        ConfigError: the network has an operation that cannot be counted; the message names it.
    """
    return _built(*_network(config))[0]


def network_key(config: TrainConfig) -> tuple[object, ...]:
    """A key that two configurations share if they build one network: equal network fields and tensors of equal shapes.

    A `rounded` field may differ between the two, as different widths can have equal channels.
    """
    return _built(*_network(config))[1]


def _network(config: TrainConfig) -> tuple[type[TrainConfig], tuple[object, ...]]:
    """The class of `config` and the values of its network fields, which are hashed faster than the whole."""
    return type(config), values_of(config, names_of(type(config), "network"))


@cache
def _built(cls: type[TrainConfig], values: tuple[Any, ...]) -> tuple[Cost, tuple[object, ...]]:
    config = cls(**dict(zip(names_of(cls, "network"), values, strict=True)))
    with torch.device("meta"):
        model = build_model(config)
    shapes = tuple((name, tuple(tensor.shape)) for name, tensor in model.state_dict().items())
    exact = [name for name in names_of(cls, "network") if name not in names_of(cls, "rounded")]
    return count(model, config.resolution), (*values_of(config, exact), shapes)


def count(model: nn.Module, resolution: int) -> Cost:
    """Count `model` by one forward pass of an image (1, 3, resolution, resolution) on the model's own device.

    Raises:
        ConfigError: the model has an operation that cannot be counted; the message names it.
    """
    was_training = model.training
    device = next(model.parameters()).device
    counter = _Counter()
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model.eval()(torch.empty(1, 3, resolution, resolution, device=device))
    finally:
        model.train(was_training)
    num_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Cost(macs=counter.macs, num_params=num_params, activations=counter.activations)


class _Counter(TorchDispatchMode):
    """Adds up the operations that reach the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        flops = flop_registry.get(func.overloadpacket)
        if flops is not None:
            self.macs += flops(*args, **kwargs, out_val=output) // 2
            self.activations += output.numel()
        elif not _is_free(func):
            raise ConfigError(f"cannot count the operation {func}; teach trainers/models/cost.py its cost")
        return output


@cache
def _is_free(operation: Any) -> bool:
    free = operation.is_view or not FREE_TAGS.isdisjoint(operation.tags)
    namespace, _, name = operation.overloadpacket._qualified_op_name.partition("::")
    return namespace == "aten" and (free or name in FREE)
