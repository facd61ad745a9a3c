"""MODELS: the networks by name. A model turns a TrainConfig into a module; images (B, 3, R, R) to logits."""

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
    """The network of `config`, whose `num_classes` must be set, with fresh weights from torch's global generator."""
    if config.model not in MODELS:
        raise unknown_choice("model", config.model, MODELS)
    return MODELS[config.model](config)
