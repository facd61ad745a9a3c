"""The optimiser of a training and the parameters that decay."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.hardware.depthwise import is_depthwise
from trainers.training.rmsprop_tf import RMSpropTF

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)

SPARED: Mapping[str, Callable[[nn.Module, nn.Parameter], bool]] = MappingProxyType(
    {
        "all": lambda module, parameter: False,
        "not_norm": lambda module, parameter: isinstance(module, NORMS),
        "weights": lambda module, parameter: parameter.ndim <= 1,
        "not_depthwise": lambda module, parameter: parameter.ndim <= 1 or is_depthwise(module),
    }
)
"""Whether a parameter of a module does not decay, by `TrainConfig.decay`. Vectors are biases and normalisation."""


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser of `config` for all parameters of `model`; training sets its learning rate at every step."""
    groups = _decay_groups(model, config)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(
                groups, lr=config.lr, alpha=0.9, eps=config.rmsprop_eps, momentum=config.momentum
            )
        case "rmsprop_tf":
            return RMSpropTF(groups, lr=config.lr, alpha=0.9, eps=config.rmsprop_eps, momentum=config.momentum)
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, betas=(config.momentum, 0.999), fused=True)


def _decay_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return parameter groups with and without weight decay, each in the order of the parameters of `model`."""
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            (spared if SPARED[config.decay](module, parameter) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
