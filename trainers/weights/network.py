"""Network: weights with everything that their use needs. What training leaves behind, and what others published."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainers.config import TrainConfig, field_names, network_name
from trainers.errors import ConfigError
from trainers.models.registry import build_model
from trainers.weights import checkpoint, dli14
from trainers.weights.state_dicts import Tensors, fill, infer_shape, tensors_of


@dataclass(frozen=True)
class Network:
    """A network in evaluation mode, the settings that it was trained with, and what its outputs mean."""

    model: nn.Module
    """Normalised images (B, 3, R, R) to logits (B, num_classes)."""
    config: TrainConfig
    """Its `num_classes` is set; resolution and crop say how images are prepared."""
    classes: tuple[str, ...]
    """The name of each output; where a file names none, ImageNet's for 1000 of them, else `output 0`, ..."""

    @property
    def name(self) -> str:
        """The cell, such as `mobilenet_v2_0.35_96`."""
        return network_name(self.config.model, self.config.width_mult, self.config.resolution)

    def at(self, resolution: int | None) -> "Network":
        """The same network for images of another resolution; None: of its own."""
        return self if resolution is None else replace(self, config=replace(self.config, resolution=resolution))


def load_network(path: Path, *, config: TrainConfig | None = None, classes: tuple[str, ...] | None = None) -> Network:
    """The network in a file: a point's `best.pt` or `last.pt`, or a state dict under torchvision's or d-li14's names.

    Args:
        path: the file; it is read without running code.
        config: what network a state dict is of; unset: its family, width and classes are told by its shapes, and it is
            taken to be for 224 px.
        classes: what its outputs mean.

    Raises:
        ConfigError: no file, a damaged one, or one that does not fit.
    """
    state: Any = checkpoint.load(path, remedy="copy or download it again")
    if state is None:
        raise ConfigError(f"no checkpoint at {path}")
    if isinstance(state, Mapping) and {"model", "config", "classes"} <= state.keys():
        return _of_training(state, path)
    return network_of(tensors_of(state, str(path)), str(path), config=config, classes=classes)


def network_of(
    tensors: Tensors, name: str, *, config: TrainConfig | None = None, classes: tuple[str, ...] | None = None
) -> Network:
    """The network of a state dict that messages call `name`; see `load_network`."""
    is_dli14_v3 = dli14.is_dli14_v3(tensors)
    tensors = dli14.renamed(tensors)
    if config is None:
        config = infer_shape(tensors, name)
        config = replace(config, bn_eps=dli14.V3_BN_EPS) if is_dli14_v3 else config
    model = build_model(config)
    if is_dli14_v3:
        dli14.squeeze_before_activation(model)
    start_from(model, tensors, name)
    return _ready(model, config, class_names(config) if classes is None else classes)


def start_from(model: nn.Module, tensors: Tensors, name: str) -> None:
    """Copy `tensors`, which have torchvision's names, into `model`; the last layer stays fresh for other classes."""
    fresh = fill(model, tensors, name)
    if fresh:
        warnings.warn(f"{name} has other classes: {', '.join(fresh)} keep their fresh weights", stacklevel=2)


def untrained(config: TrainConfig) -> Network:
    """The network of `config` with random weights, to measure what does not depend on them."""
    return _ready(build_model(config), config, class_names(config))


def class_names(config: TrainConfig) -> tuple[str, ...]:
    """Names for outputs that nothing else names."""
    assert config.num_classes is not None
    return imagenet_classes() if config.num_classes == 1000 else unnamed(0, config.num_classes)


def unnamed(start: int, stop: int) -> tuple[str, ...]:
    """What the outputs from `start` to below `stop` are called where nothing names them."""
    return tuple(f"output {i}" for i in range(start, stop))


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in the order of their WordNet ids."""
    from torchvision.models import MobileNet_V2_Weights

    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def _of_training(state: Mapping[str, Any], path: Path) -> Network:
    """The network that was scored: of `last.pt` the average of the weights, where there is one."""
    unknown = sorted(set(state["config"]) - set(field_names(TrainConfig)))
    if unknown:
        raise ConfigError(f"{path} is of another version: it has the settings {', '.join(unknown[:3])}")
    config = TrainConfig(**state["config"])
    model = build_model(config)
    weights = state["ema"]["model"] if state.get("ema") else state["model"]
    fill(model, weights, str(path))
    named, num_classes = tuple(state["classes"]), config.num_classes
    assert num_classes is not None
    return _ready(model, config, named + unnamed(len(named), num_classes))


def _ready(model: nn.Module, config: TrainConfig, classes: tuple[str, ...]) -> Network:
    if len(classes) != config.num_classes:
        raise ConfigError(f"{len(classes)} class names were given for {config.num_classes} outputs")
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(model.eval(), config, classes)
