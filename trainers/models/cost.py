"""What a network costs, exactly and before any training: counted on torch's meta device, which allocates nothing.

Convention: one MAC is one multiply-accumulate of Conv2d or Linear for one image, without bias, normalisation or
activation (two FLOPs); activations are the output elements of those layers; parameters are the trainable ones, batch
normalisation included.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from trainers.config import TrainConfig, names_of, values_of
from trainers.errors import ConfigError
from trainers.models.registry import build_model

FREE = (
    nn.BatchNorm2d,
    nn.ReLU,
    nn.ReLU6,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Dropout,
    nn.AdaptiveAvgPool2d,
    nn.Identity,
)
"""Layers without multiply-accumulates under the convention above."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one forward pass of one image, and the size of the network."""

    macs: int
    """Multiply-accumulates."""
    num_params: int
    """Trainable parameters."""
    activations: int
    """Output elements of all Conv2d and Linear layers; training time follows these, not the MACs."""


def cost(config: TrainConfig) -> Cost:
    """The cost of the network of `config`, whose `num_classes` must be set.

    Raises:
        ConfigError: the network has a layer that cannot be counted; the message names it.
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
    """Count `model` by one forward pass of an image (1, 3, resolution, resolution) on the model's own device."""
    layers = [
        (name, m) for name, m in model.named_modules() if not list(m.children()) or list(m.parameters(recurse=False))
    ]
    unknown = [f"{name} ({type(m).__name__})" for name, m in layers if not isinstance(m, (nn.Conv2d, nn.Linear, *FREE))]
    if unknown:
        raise ConfigError(f"cannot count the layers {', '.join(unknown)}; teach trainers/models/cost.py their cost")
    macs = activations = 0

    def add(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal macs, activations
        per_output = module.weight[0].numel()  # type: ignore[index, union-attr] # (out, in / groups, k, k) or (out, in)
        macs += output.numel() * per_output
        activations += output.numel()

    hooks = [m.register_forward_hook(add) for _, m in layers if isinstance(m, (nn.Conv2d, nn.Linear))]
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.empty(1, 3, resolution, resolution, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    num_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Cost(macs=macs, num_params=num_params, activations=activations)
