"""The optimiser of a training: which algorithm, and which parameters decay."""

from typing import Any

import torch
from torch import nn

from trainers.config import TrainConfig


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser that `config` names over all parameters of `model`; its rate is set anew at every step."""
    groups = _decay_groups(model, config)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=config.lr, alpha=0.9, eps=1e-3, momentum=config.momentum)
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, betas=(config.momentum, 0.999), fused=True)


def _decay_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameter groups by weight decay: with `decay="weights"`, vectors (biases, normalisation) do not decay."""
    params = list(model.parameters())
    spared = [p for p in params if p.ndim <= 1] if config.decay == "weights" else []
    decayed = [p for p in params if not any(p is s for s in spared)]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
