"""Network: a trained or published model with everything that its use needs."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainers.config import TrainConfig, field_names, network_name
from trainers.errors import ConfigError, one_line, printable
from trainers.models.registry import build_model
from trainers.values import parse_field
from trainers.weights import checkpoint, dli14, timm_names
from trainers.weights.state_dicts import Tensors, fill, infer_shape, tensors_of


@dataclass(frozen=True)
class Network:
    """A model in evaluation mode, with the settings of its training and the names of its outputs."""

    model: nn.Module
    """A module from normalised images (B, 3, R, R) to logits (B, num_classes)."""
    config: TrainConfig
    """Settings of the network; `num_classes` is set, and resolution and crop fields decide how images are prepared."""
    classes: tuple[str, ...]
    """Name of each output. For a file without names: the classes of ImageNet if there are 1000, else `output 0`, ..."""

    @property
    def name(self) -> str:
        """Name of the cell, such as `mobilenet_v2_0.35_96`."""
        return network_name(self.config.model, self.config.width_mult, self.config.resolution)

    def at(self, resolution: int | None) -> "Network":
        """Return this network for images of another resolution; None keeps the resolution."""
        return self if resolution is None else replace(self, config=replace(self.config, resolution=resolution))


def load_network(path: Path, *, config: TrainConfig | None = None, classes: tuple[str, ...] | None = None) -> Network:
    """Return the network in a file: a `best.pt` or `last.pt`, or a state dict with torchvision's, d-li14's or timm's
    names, perhaps in a wrapper or as safetensors.

    Args:
        path: the file; reading it runs no code.
        config: the network of a state dict; unset: the shapes decide family, width and number of classes, and the
            resolution is 224 px.
        classes: the names of the outputs of a state dict.

    Raises:
        ConfigError: the file is missing or damaged, or does not fit the network.
    """
    state: Any = checkpoint.load(path, remedy="copy or download it again")
    if state is None:
        raise ConfigError(f"no checkpoint at {path}")
    if isinstance(state, Mapping) and {"model", "config", "classes"} <= state.keys():
        return _network_of_point(state, path)
    return network_of(tensors_of(state, str(path)), str(path), config=config, classes=classes)


def network_of(
    tensors: Tensors, name: str, *, config: TrainConfig | None = None, classes: tuple[str, ...] | None = None
) -> Network:
    """Return the network of a state dict that messages call `name`; see `load_network`."""
    is_dli14_v3, is_timm_v3 = dli14.is_dli14_v3(tensors), timm_names.is_timm_v3(tensors)
    tensors = timm_names.renamed(dli14.renamed(tensors))
    if config is None:
        config = infer_shape(tensors, name)
        config = replace(config, bn_eps=dli14.V3_BN_EPS) if is_dli14_v3 else config
        config = replace(config, bn_eps=timm_names.V3_BN_EPS) if is_timm_v3 else config
    model = build_model(config)
    if is_dli14_v3:
        dli14.squeeze_before_activation(model)
    start_from(model, tensors, name)
    return _ready(model, config, class_names(config) if classes is None else classes)


def start_from(model: nn.Module, tensors: Tensors, name: str) -> None:
    """Copy `tensors` with torchvision's names into `model`; warn if the last layer has other classes and stays."""
    fresh = fill(model, tensors, name)
    if fresh:
        warnings.warn(f"{name} has other classes: {', '.join(fresh)} keep their fresh weights", stacklevel=2)


def untrained(config: TrainConfig) -> Network:
    """Return the network of `config` with random weights, for measurements that do not depend on the weights."""
    return _ready(build_model(config), config, class_names(config))


def class_names(config: TrainConfig) -> tuple[str, ...]:
    """Return names for the outputs of a network whose file has no names."""
    assert config.num_classes is not None
    return imagenet_classes() if config.num_classes == 1000 else unnamed(0, config.num_classes)


def unnamed(start: int, stop: int) -> tuple[str, ...]:
    """Return the names of the outputs from `start` to below `stop` that no class has."""
    return tuple(f"output {i}" for i in range(start, stop))


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of the 1000 classes of ImageNet, in the order of their WordNet ids."""
    from torchvision.models import MobileNet_V2_Weights

    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def _network_of_point(state: Mapping[str, Any], path: Path) -> Network:
    """Return the network of a checkpoint: the moving average of the weights in `last.pt` if it has one."""
    try:
        config, named = _settings(state["config"], str(path)), tuple(map(printable, state["classes"]))
        weights = state["ema"]["model"] if state.get("ema") else state["model"]
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged: {one_line(error)}; copy or download it again") from error
    model = build_model(config)
    fill(model, tensors_of(weights, str(path)), str(path))
    num_classes = config.num_classes
    if num_classes is None or len(named) > num_classes:
        raise ConfigError(f"{path} is damaged: it has {len(named)} classes for {num_classes} outputs")
    return _ready(model, config, named + unnamed(len(named), num_classes))


def _settings(saved: Mapping[str, Any], name: str) -> TrainConfig:
    """Return the settings in a checkpoint, checked against the types of their fields."""
    unknown = sorted(set(saved) - set(field_names(TrainConfig)))
    if unknown:
        raise ConfigError(f"{name} is of another version: it has the settings {', '.join(unknown[:3])}")
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in saved.items()}
    try:
        typed: dict[str, Any] = {
            key: None if value is None else parse_field(TrainConfig, key, value) for key, value in values.items()
        }
        return TrainConfig(**typed)
    except ConfigError as error:
        raise ConfigError(f"{name} is damaged: {error}") from error


def _ready(model: nn.Module, config: TrainConfig, classes: tuple[str, ...]) -> Network:
    if len(classes) != config.num_classes:
        raise ConfigError(f"{len(classes)} class names were given for {config.num_classes} outputs")
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(model.eval(), config, classes)
