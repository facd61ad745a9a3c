"""What `TrainConfig.init` starts a training from: published weights of the same channels, by the nearest resolution.

d-li14's MobileNetV3 is not among them: its network squeezes before the activation, and ours does not.
"""

from torch import nn

from trainers.config import TrainConfig, names_of, values_of
from trainers.errors import ConfigError
from trainers.weights.dli14 import renamed
from trainers.weights.network import start_from
from trainers.weights.published import PUBLISHED, published_tensors

STARTS = (
    *(
        name
        for name in PUBLISHED
        if name.startswith("dli14:") and not name.startswith("dli14:v3") and name[-4:] != "best"
    ),
    "torchvision:mobilenet_v3_large",
    "torchvision:mobilenet_v3_small",
)
"""One author for all widths of a family, so that a sweep compares networks and not recipes."""


def published_start(config: TrainConfig) -> str:
    """The name in PUBLISHED of the weights that `config` starts from: its channels, the nearest resolution.

    Weights fit any resolution and stride; of two resolutions as near the higher one is taken. Downloads nothing.

    Raises:
        ConfigError: no such network was published; the message names those that were.
    """
    fitting = [name for name in STARTS if _channels(PUBLISHED[name].config) == _channels(config)]
    if not fitting:
        there = ", ".join(dict.fromkeys(_said(PUBLISHED[name].config) for name in STARTS))
        raise ConfigError(
            f"no published weights of {_said(config)} for init=published; there are some of {there}; "
            "choose from these, or init=random"
        )
    resolutions = {name: PUBLISHED[name].config.resolution for name in fitting}
    return min(fitting, key=lambda name: (abs(resolutions[name] - config.resolution), -resolutions[name]))


def load_published_start(model: nn.Module, config: TrainConfig) -> None:
    """Copy the published weights of `config` into `model`, downloaded if need be; another head stays fresh."""
    name = published_start(config)
    start_from(model, renamed(published_tensors(name)), name)


def _channels(config: TrainConfig) -> tuple[object, ...]:
    """Values of the network fields that decide the shapes of the tensors, but for the head's."""
    free = ("resolution", "num_classes", "total_stride")
    return values_of(config, [name for name in names_of(type(config), "network") if name not in free])


def _said(config: TrainConfig) -> str:
    rounded = "" if config.round_nearest == 8 else f" (round_nearest {config.round_nearest})"
    return f"{config.model} {config.width_mult:g}{rounded}"
