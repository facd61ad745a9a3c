"""Features of image files: the input of a network's classifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainers.errors import ConfigError
from trainers.files import whole_file
from trainers.use.predict import outputs
from trainers.weights.network import Network


def features(network: Network, images: Sequence[Path]) -> NDArray[np.float32]:
    """Return the pooled features of each image (N, C): the input of the classifier.

    Raises:
        ConfigError: an image cannot be read, or the network has no module `classifier`.
    """
    classifier = getattr(network.model, "classifier", None)
    if not isinstance(classifier, nn.Module):
        raise ConfigError(f"{network.config.model} has no module `classifier`, before which its features would be")
    pooled: list[torch.Tensor] = []

    def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        pooled.append(inputs[0].float().cpu())

    hook = classifier.register_forward_pre_hook(keep)
    try:
        list(outputs(network, images))
    finally:
        hook.remove()
    return torch.cat(pooled).numpy()


def write_features(path: Path, features: NDArray[np.float32], images: Sequence[Path]) -> None:
    """Write arrays `features` (N, C) and `files` (N,) for `numpy.load`."""
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, features=features, files=np.array([str(image) for image in images]))
