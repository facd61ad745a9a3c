"""State dicts with torchvision's names of tensors, which our networks use too: reading, recognising, copying.

This module knows the wrappers and prefixes of a file, and recognises the network by the shapes of its tensors.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from trainers.config import UNKNOWN_DATA, TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import MODELS, build_model

Tensors = dict[str, torch.Tensor]
WRAPPERS = ("state_dict", "model")
PREFIX = "module."
"""Prefix that DataParallel adds to every name."""
PUBLISHED_WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 1.4, 1.3)
WIDTHS = (*PUBLISHED_WIDTHS, *(step / 20 for step in range(1, 41) if step / 20 not in PUBLISHED_WIDTHS))
"""Width multipliers in the order of their trial: several can round to one network, and the published width wins."""
COUNTER = "num_batches_tracked"
"""Name of a tensor that old files lack, and that has no effect in evaluation."""


def tensors_of(state: Any, name: str) -> Tensors:
    """Return the tensors in the loaded file `state`, by their names without wrappers and prefixes.

    Raises:
        ConfigError: the file has no tensors.
    """
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    items = state.items() if isinstance(state, Mapping) else ()
    tensors = {str(key).removeprefix(PREFIX): value for key, value in items if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ConfigError(f"{name} holds no weights; give a checkpoint of a sweep, or a state dict")
    return tensors


def infer_shape(tensors: Tensors, name: str) -> TrainConfig:
    """Return a config with the family, width and number of classes of `tensors`, whose names are torchvision's.

    No tensor tells the resolution, so the config has the default.

    Raises:
        ConfigError: the tensors are those of no known network.
    """
    likeness = {model: _likeness(tensors, TrainConfig(model=model, num_classes=2)) for model in MODELS}
    model = max(likeness, key=lambda model: likeness[model])
    if likeness[model] < 0.5:
        first = next(iter(tensors))
        raise ConfigError(
            f"{name} holds none of {', '.join(MODELS)}: it begins with {first} {tuple(tensors[first].shape)}"
        )
    candidates = [TrainConfig(model=model, width_mult=width, num_classes=2) for width in WIDTHS]
    candidates.append(TrainConfig(model=model, width_mult=0.1, round_nearest=4, num_classes=2))
    for config in candidates:
        shapes = _shapes(config)
        head = head_keys(shapes)
        if all(tensors[key].shape == shapes[key] for key in shapes if key in tensors and key not in head):
            bias = tensors.get(head[-1])
            return TrainConfig(
                data=UNKNOWN_DATA,
                model=model,
                width_mult=config.width_mult,
                round_nearest=config.round_nearest,
                num_classes=1000 if bias is None else len(bias),
                precision="fp32",  # in which published accuracies were measured
            )
    raise ConfigError(f"{name} is a {model} of an unknown width; give its width_mult")


def head_keys(names: Mapping[str, Any]) -> list[str]:
    """Return the names of the weight and bias of the last layer, whose shapes depend on the number of classes."""
    return list(names)[-2:]


def _likeness(tensors: Tensors, config: TrainConfig) -> float:
    """Return the share of names (0 to 1) that `tensors` and the network of `config` have in common."""
    ours, theirs = set(_shapes(config)), {key for key in tensors if not key.endswith(COUNTER)}
    return len(ours & theirs) / len(ours | theirs)


@cache
def _shapes(config: TrainConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        state: Mapping[str, torch.Tensor] = build_model(config).state_dict()
    return {key: tensor.shape for key, tensor in state.items() if not key.endswith(COUNTER)}


def fill(model: nn.Module, tensors: Tensors, name: str) -> list[str]:
    """Copy `tensors` into `model`, but for a last layer with another number of classes.

    Returns the names of the tensors of the last layer if they were not copied, else an empty list.

    Raises:
        ConfigError: names are missing or unexpected, or shapes differ; the model is unchanged then.
    """
    ours: Mapping[str, torch.Tensor] = model.state_dict()
    missing = [key for key in ours if key not in tensors and not key.endswith(COUNTER)]
    unexpected = [key for key in tensors if key not in ours]
    if missing or unexpected:
        parts = [f"{what} {_few(keys)}" for what, keys in (("lacks", missing), ("has unknown", unexpected)) if keys]
        raise ConfigError(f"{name} does not fit its network: it {' and '.join(parts)}")
    other = [key for key, tensor in tensors.items() if tensor.shape != ours[key].shape]
    head = head_keys(ours)
    for key in other:
        if key not in head or tensors[key].shape[1:] != ours[key].shape[1:]:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(ours[key].shape)}"
            raise ConfigError(f"{name} does not fit its network: {key} is {shapes}")
    fresh = head if other else []
    model.load_state_dict({key: tensor for key, tensor in tensors.items() if key not in fresh}, strict=False)
    return fresh


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
