"""MODELS: the families by name, each a function from a TrainConfig to a module."""

from collections.abc import Callable

from torch import nn

from trainers.config import TrainConfig
from trainers.errors import unknown_choice
from trainers.models.mobilenet_v1 import mobilenet_v1
from trainers.models.mobilenet_v2 import mobilenet_v2
from trainers.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small

MODELS: dict[str, Callable[[TrainConfig], nn.Module]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_large": mobilenet_v3_large,
    "mobilenet_v3_small": mobilenet_v3_small,
}


def build_model(config: TrainConfig) -> nn.Module:
    """Return the network of `config`, whose `num_classes` must be set, with weights from torch's global generator."""
    if config.model not in MODELS:
        raise unknown_choice("model", config.model, MODELS)
    model = MODELS[config.model](config)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = config.bn_momentum or norm.momentum
        norm.eps = config.bn_eps or norm.eps
    return model
