"""State dicts under torchvision's names, which our networks share: reading, recognising, copying.

This file knows the wrappers and prefixes of a file, and tells from the shapes of the tensors which network they are of.
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
"""What DataParallel puts before every name."""
PUBLISHED_WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 1.4, 1.3)
WIDTHS = (*PUBLISHED_WIDTHS, *(step / 20 for step in range(1, 41) if step / 20 not in PUBLISHED_WIDTHS))
"""Tried in this order: several widths can round to the same network, and then the published one is meant."""
COUNTER = "num_batches_tracked"
"""Left out of old files, and without effect in evaluation."""


def tensors_of(state: Any, name: str) -> Tensors:
    """The tensors of a file, by their names without wrappers and prefixes.

    Raises:
        ConfigError: there are none.
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
    """The family, width and number of classes of `tensors` under torchvision's names; its resolution is unknowable.

    Raises:
        ConfigError: they are of no network that is known.
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
            classes = tensors.get(head[-1])
            return TrainConfig(
                data=UNKNOWN_DATA,
                model=model,
                width_mult=config.width_mult,
                round_nearest=config.round_nearest,
                num_classes=1000 if classes is None else len(classes),
                precision="fp32",  # that others measured it in
            )
    raise ConfigError(f"{name} is a {model} of no width that is known; give its width_mult")


def head_keys(names: Mapping[str, Any]) -> list[str]:
    """The names of the last layer's weight and bias, which depend on the number of classes."""
    return list(names)[-2:]


def _likeness(tensors: Tensors, config: TrainConfig) -> float:
    """The share of names in common, 0 to 1."""
    ours, theirs = set(_shapes(config)), {key for key in tensors if not key.endswith(COUNTER)}
    return len(ours & theirs) / len(ours | theirs)


@cache
def _shapes(config: TrainConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        state: Mapping[str, torch.Tensor] = build_model(config).state_dict()
    return {key: tensor.shape for key, tensor in state.items() if not key.endswith(COUNTER)}


def fill(model: nn.Module, tensors: Tensors, name: str) -> list[str]:
    """Copy `tensors` into `model`; the names of the last layer's, if they stay as they are for their other classes.

    Raises:
        ConfigError: names that are missing or unexpected, or another shape; nothing has been copied then.
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
