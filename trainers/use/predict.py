"""What a network sees in single image files: its guesses, and the features before its classifier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import normalise
from trainers.datasets.batches.crops import centre_crop, eval_resize
from trainers.datasets.pixels.decode import decode
from trainers.errors import ConfigError, printable
from trainers.files import whole_file
from trainers.hardware.device import Device
from trainers.weights.network import Network

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Prediction:
    """What a network takes an image for."""

    image: Path
    guesses: tuple[tuple[str, float], ...]
    """Classes and their probabilities, the likeliest first."""


def predict(network: Network, images: Sequence[Path], *, top: int = 5) -> list[Prediction]:
    """The `top` likeliest classes of each image, or all where there are fewer; images of any kind that Pillow opens.

    Raises:
        ConfigError: a file that is no image, or a damaged one; the message names it.
    """
    found: list[Prediction] = []
    for logits in _outputs(network, images):
        probabilities, places = logits.softmax(dim=1).topk(min(top, logits.shape[1]), dim=1)
        for chances, outputs in zip(probabilities.tolist(), places.tolist(), strict=True):
            names = [network.classes[i] for i in outputs]
            found.append(Prediction(images[len(found)], tuple(zip(names, chances, strict=True))))
    return found


def features(network: Network, images: Sequence[Path]) -> NDArray[np.float32]:
    """The pooled features of each image (N, C): what the classifier is given.

    Raises:
        ConfigError: as `predict`, or the network's family keeps its classifier under another name.
    """
    classifier = getattr(network.model, "classifier", None)
    if not isinstance(classifier, nn.Module):
        raise ConfigError(f"{network.config.model} has no module `classifier`, before which its features would be")
    pooled: list[torch.Tensor] = []

    def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        pooled.append(inputs[0].float().cpu())

    hook = classifier.register_forward_pre_hook(keep)
    try:
        list(_outputs(network, images))
    finally:
        hook.remove()
    return torch.cat(pooled).numpy()


def write_features(path: Path, found: NDArray[np.float32], images: Sequence[Path]) -> None:
    """Write `features` (N, C) and `files` (N,) for `numpy.load`."""
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, features=found, files=np.array([str(image) for image in images]))


def read_images(paths: Sequence[Path], config: TrainConfig) -> torch.Tensor:
    """The centre crops (N, 3, R, R) uint8 of image files, as evaluation prepares them."""
    images = (decode(str(path), eval_resize(config), name=printable(str(path))) for path in paths)
    return torch.stack([centre_crop(image, config) for image in images])


def _outputs(network: Network, images: Sequence[Path]) -> Iterator[torch.Tensor]:
    """The logits (B, num_classes) of so many images at once."""
    if not images:
        raise ConfigError("no images were given")
    device = Device.of(network.config)
    model = network.model.to(device.place)
    for start in range(0, len(images), IMAGES_AT_ONCE):
        batch = read_images(images[start : start + IMAGES_AT_ONCE], network.config).to(device.place)
        with torch.inference_mode(), device.autocast:
            logits = model(normalise(batch))
        yield logits.float().cpu()
