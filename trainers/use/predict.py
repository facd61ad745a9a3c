"""Classes that a network predicts for single image files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import normalise
from trainers.datasets.batches.crops import centre_crop, eval_resize
from trainers.datasets.pixels.decode import Ranges, decode
from trainers.datasets.pixels.ranges import ranges_of_files
from trainers.errors import ConfigError, printable
from trainers.hardware.device import Device
from trainers.weights.network import Network

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Prediction:
    """Likeliest classes of one image."""

    image: Path
    guesses: tuple[tuple[str, float], ...]
    """Printable names of classes and their probabilities, the likeliest class first."""


def predict(network: Network, images: Sequence[Path], *, top: int = 5) -> list[Prediction]:
    """Return the `top` likeliest classes of each image, or all classes if there are fewer.

    Raises:
        ConfigError: Pillow cannot read a file as an image; the message names the file.
    """
    predictions: list[Prediction] = []
    for logits in outputs(network, images):
        probabilities, places = logits.softmax(dim=1).topk(min(top, logits.shape[1]), dim=1)
        for chances, numbers in zip(probabilities.tolist(), places.tolist(), strict=True):
            names = [printable(network.classes[i]) for i in numbers]
            predictions.append(Prediction(images[len(predictions)], tuple(zip(names, chances, strict=True))))
    return predictions


def read_images(paths: Sequence[Path], config: TrainConfig, ranges: Ranges) -> torch.Tensor:
    """Return centre crops (N, 3, R, R) uint8 of image files, prepared as for an evaluation."""
    images = (decode(str(path), eval_resize(config), name=printable(str(path)), ranges=ranges) for path in paths)
    return torch.stack([centre_crop(image, config) for image in images])


def outputs(network: Network, images: Sequence[Path]) -> Iterator[torch.Tensor]:
    """Yield logits (B, num_classes) on the CPU for one batch after another of at most IMAGES_AT_ONCE images.

    Images with more than 8 bits are scaled by the range of all `images`, as those of a dataset.

    Raises:
        ConfigError: there are no images, or an image cannot be read.
    """
    if not images:
        raise ConfigError("no images were given")
    device = Device.of(network.config)
    model = network.model.to(device.place)
    ranges = ranges_of_files([str(path) for path in images])
    for start in range(0, len(images), IMAGES_AT_ONCE):
        batch = read_images(images[start : start + IMAGES_AT_ONCE], network.config, ranges).to(device.place)
        with torch.inference_mode(), device.autocast:
            logits = model(normalise(batch))
        yield logits.float().cpu()
