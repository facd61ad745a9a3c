"""State dicts with torchvision's names of tensors, which our networks use too: reading, recognising, copying.

This module knows the wrappers and prefixes of a file, and recognises the network by the shapes of its tensors.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from trainers.config import UNKNOWN_DATA, TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import MODELS, build_model

Tensors = dict[str, torch.Tensor]
WRAPPERS = ("model_ema", "state_dict_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model", "net")
"""Keys of the weights in a file that holds several mappings of tensors, in the order of choice."""
AVERAGED = "n_averaged"
"""Name of the counter that PyTorch's AveragedModel adds."""
PUBLISHED_WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 1.4, 1.3)
WIDTHS = (*PUBLISHED_WIDTHS, *(step / 20 for step in range(1, 41) if step / 20 not in PUBLISHED_WIDTHS))
"""Width multipliers in the order of their trial: several can round to one network, and the published width wins."""
COUNTER = "num_batches_tracked"
"""Name of a tensor that old files lack, and that has no effect in evaluation."""


def tensors_of(state: Any, name: str) -> Tensors:
    """Return the tensors in the loaded file `state`, by their names without wrappers and common prefixes.

    A file may hold the tensors themselves, or one mapping of tensors under any key. Where it holds several, the moving
    average of the weights is taken before the weights, with a warning.

    Raises:
        ConfigError: the file has no tensors, several mappings of unknown meaning, or a value that is not finite.
    """
    tensors = _with_head(_without_common_prefix(_weights(state, name)))
    bad = [key for key, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise ConfigError(f"{name} holds weights that are not finite: {_few(bad)}; its training diverged")
    return tensors


def _weights(state: Any, name: str) -> Tensors:
    """Return the tensors of the network among all that a file holds."""
    wrapped = {str(key): inner for key, value in _items(state) if (inner := _tensors_in(value))}
    if len(wrapped) == 1:
        return next(iter(wrapped.values()))
    chosen = next((key for key in WRAPPERS if key in wrapped), None)
    if chosen is not None:
        others = ", ".join(key for key in wrapped if key != chosen)
        warnings.warn(f"{name} holds {others} too; its {chosen} is used", stacklevel=2)
        return wrapped[chosen]
    if wrapped:
        raise ConfigError(f"{name} holds several sets of weights ({', '.join(wrapped)}); save one state dict alone")
    if own := _tensors_in(state):  # last, as a wrapper may hold a metric as a tensor
        return own
    raise ConfigError(f"{name} holds no weights; give a checkpoint of a sweep, or a state dict")


def _tensors_in(state: Any) -> Tensors:
    """Return the tensors that are values of a mapping, without the counter of an average."""
    return {str(key): value for key, value in _items(state) if isinstance(value, torch.Tensor) and key != AVERAGED}


def _items(state: Any) -> Iterable[tuple[Any, Any]]:
    return state.items() if isinstance(state, Mapping) else ()


def _without_common_prefix(tensors: Tensors) -> Tensors:
    """Return the tensors without the prefixes of wrappers, such as `module._orig_mod.`, which all names share."""
    while _share_prefix(tensors):
        tensors = {key.partition(".")[2]: tensor for key, tensor in tensors.items()}
    return tensors


def _share_prefix(tensors: Tensors) -> bool:
    """Whether all names begin with one prefix that is no part of a network."""
    prefixes = {key.partition(".")[0] for key in tensors}
    return len(prefixes) == 1 and "features" not in prefixes and all(key.count(".") > 1 for key in tensors)


def _with_head(tensors: Tensors) -> Tensors:
    """Return the tensors with torchvision's name of the last layer of a MobileNetV2, even if it is a bare Linear."""
    if not any(key.startswith("features.18.") for key in tensors):
        return tensors
    return {re.sub(r"^classifier\.(weight|bias)$", r"classifier.1.\1", key): tensor for key, tensor in tensors.items()}


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


def shapes_of_family() -> Iterator[Mapping[str, torch.Size]]:
    """Yield the shapes of the tensors of each family by name, without counters, in the order of the layers."""
    for model in MODELS:
        yield _shapes(TrainConfig(model=model, num_classes=2))


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
