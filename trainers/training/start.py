"""Published weights as the start of a training: equal channels, nearest resolution (`TrainConfig.init`).

No training starts from d-li14's MobileNetV3, because that network squeezes before the activation and ours after it.
"""

from torch import nn

from trainers.config import TrainConfig, names_of, values_of
from trainers.errors import ConfigError
from trainers.weights.dli14 import renamed
from trainers.weights.network import start_from
from trainers.weights.published import PUBLISHED, fetch_weights, published_tensors

STARTS = (
    *(
        name
        for name in PUBLISHED
        if name.startswith("dli14:") and not name.startswith("dli14:v3") and name[-4:] != "best"
    ),
    "torchvision:mobilenet_v3_large",
    "torchvision:mobilenet_v3_small",
)
"""Names in PUBLISHED, of one author for all widths of a family, so that a sweep compares networks and not recipes."""


def published_start(config: TrainConfig) -> str:
    """Return the name in PUBLISHED of the weights with the channels of `config` at the nearest resolution.

    Weights fit any resolution and stride; of two equally near resolutions, the higher one wins. Downloads nothing.

    Raises:
        ConfigError: no network with these channels was published; the message names the published ones.
    """
    fitting = [name for name in STARTS if _channels(PUBLISHED[name].config) == _channels(config)]
    if not fitting:
        choices = ", ".join(dict.fromkeys(_description(PUBLISHED[name].config) for name in STARTS))
        raise ConfigError(
            f"no published weights of {_description(config)} for init=published; there are weights of {choices}; "
            "choose from these, or init=random"
        )
    resolutions = {name: PUBLISHED[name].config.resolution for name in fitting}
    return min(fitting, key=lambda name: (abs(resolutions[name] - config.resolution), -resolutions[name]))


def fetch_published_start(config: TrainConfig) -> None:
    """Download the published weights for `config`, unless this node has them.

    Raises:
        ConfigError: no such weights were published, or the download failed.
    """
    fetch_weights(PUBLISHED[published_start(config)].url)


def load_published_start(model: nn.Module, config: TrainConfig) -> None:
    """Copy the published weights for `config` into `model`; a last layer of another size keeps its random weights."""
    name = published_start(config)
    start_from(model, renamed(published_tensors(name)), name)


def _channels(config: TrainConfig) -> tuple[object, ...]:
    """Return the values of the network fields that decide the shapes of all tensors but those of the last layer."""
    shapeless = ("resolution", "num_classes", "total_stride")
    return values_of(config, [name for name in names_of(type(config), "network") if name not in shapeless])


def _description(config: TrainConfig) -> str:
    rounded = "" if config.round_nearest == 8 else f" (round_nearest {config.round_nearest})"
    return f"{config.model} {config.width_mult:g}{rounded}"
