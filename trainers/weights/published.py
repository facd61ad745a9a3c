"""PUBLISHED: published ImageNet weights by name, with their URLs and networks, and their download."""

import re
import sys
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torchvision.models import MobileNet_V2_Weights, MobileNet_V3_Large_Weights, MobileNet_V3_Small_Weights

from trainers.config import UNKNOWN_DATA, TrainConfig
from trainers.datasets.pixels.cache import cache_folder
from trainers.errors import ConfigError, one_line, unknown_choice
from trainers.weights import checkpoint, dli14
from trainers.weights.network import Network, network_of
from trainers.weights.state_dicts import Tensors, tensors_of
from trainers.weights.stated_accuracy import STATED_TOP1, TIMM

SOURCES = ("dli14", "torchvision", "timm")
"""Prefixes of the names."""
IMAGENET = TrainConfig(data=UNKNOWN_DATA, num_classes=1000, batch_size=64, precision="fp32")
"""Settings of a published network: 224 px cropped from 256. Only the user knows the path of ImageNet."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One file of weights."""

    url: str
    """URL of the file, whose name ends in the first 8 hex digits of its SHA-256."""
    config: TrainConfig
    """The network, and the preparation of images in the evaluation of its source."""
    top1: float
    """ImageNet accuracy that the source states, percent."""


def _dli14_v2(file: str, **settings: Any) -> tuple[str, TrainConfig]:
    url = f"https://github.com/d-li14/mobilenetv2.pytorch/raw/master/pretrained/mobilenetv2{file}.pth"
    return url, replace(IMAGENET, **settings)


def _dli14_v3(file: str, model: str, width_mult: float) -> tuple[str, TrainConfig]:
    url = f"https://github.com/d-li14/mobilenetv3.pytorch/raw/master/pretrained/mobilenetv3-{file}.pth"
    return url, replace(IMAGENET, model=f"mobilenet_v3_{model}", width_mult=width_mult, bn_eps=dli14.V3_BN_EPS)


def _torchvision(weights: Any, model: str, **settings: Any) -> tuple[str, TrainConfig]:
    return weights.url, replace(IMAGENET, model=model, **settings)


RESIZED_232 = {"eval_margin": 8}
"""Evaluation of the second weights of torchvision: 224 px cropped from 232."""
_FILES: dict[str, tuple[str, TrainConfig]] = {
    "dli14:1.0_224": _dli14_v2("_1.0-0c6065bc"),
    "dli14:1.0_224_best": _dli14_v2("-c5e733a8"),
    "dli14:1.0_192": _dli14_v2("_192x192-e423d99e", resolution=192),
    "dli14:1.0_160": _dli14_v2("_160x160-64dc7fa1", resolution=160),
    "dli14:1.0_128": _dli14_v2("_128x128-fd66a69d", resolution=128),
    "dli14:1.0_96": _dli14_v2("_96x96-ff0e83d8", resolution=96),
    "dli14:0.75_224": _dli14_v2("_0.75-dace9791", width_mult=0.75),
    "dli14:0.5_224": _dli14_v2("_0.5-eaa6f9ad", width_mult=0.5),
    "dli14:0.35_224": _dli14_v2("_0.35-b2e15951", width_mult=0.35),
    "dli14:0.25_224": _dli14_v2("_0.25-b61d2159", width_mult=0.25),
    "dli14:0.1_224": _dli14_v2("_0.1-7d1d638a", width_mult=0.1, round_nearest=4),
    "dli14:v3_large_1.0": _dli14_v3("large-1cd25616", "large", 1.0),
    "dli14:v3_large_0.75": _dli14_v3("large-0.75-9632d2a8", "large", 0.75),
    "dli14:v3_small_1.0": _dli14_v3("small-55df8e1f", "small", 1.0),
    "dli14:v3_small_0.75": _dli14_v3("small-0.75-86c972c3", "small", 0.75),
    "torchvision:mobilenet_v2": _torchvision(MobileNet_V2_Weights.IMAGENET1K_V2, "mobilenet_v2", **RESIZED_232),
    "torchvision:mobilenet_v2_v1": _torchvision(MobileNet_V2_Weights.IMAGENET1K_V1, "mobilenet_v2"),
    "torchvision:mobilenet_v3_large": _torchvision(
        MobileNet_V3_Large_Weights.IMAGENET1K_V2, "mobilenet_v3_large", **RESIZED_232
    ),
    "torchvision:mobilenet_v3_large_v1": _torchvision(MobileNet_V3_Large_Weights.IMAGENET1K_V1, "mobilenet_v3_large"),
    "torchvision:mobilenet_v3_small": _torchvision(MobileNet_V3_Small_Weights.IMAGENET1K_V1, "mobilenet_v3_small"),
}
"""The URL and the network of each file."""
PUBLISHED: dict[str, Published] = {
    name: Published(url=url, config=config, top1=STATED_TOP1[name]) for name, (url, config) in _FILES.items()
}
"""Published weights by name, with the sources that STATED_TOP1 names."""


def published_network(name: str) -> Network:
    """Return the network called `name`, a key of PUBLISHED or TIMM; each node downloads the weights once.

    Raises:
        ConfigError: the name is unknown, or the download failed.
    """
    if name in TIMM:
        return _timm_network(name)
    if name not in PUBLISHED:
        raise unknown_choice("published network", name, [*PUBLISHED, *TIMM])
    return network_of(published_tensors(name), name, config=PUBLISHED[name].config)


def best_weights(*, model: str, width_mult: float, resolution: int, round_nearest: int) -> str | None:
    """Return the name in PUBLISHED of the most accurate weights of a network; None if no weights are published."""
    network = (model, width_mult, resolution, round_nearest)
    configs = {name: published.config for name, published in PUBLISHED.items()}
    fitting = [name for name, c in configs.items() if network == (c.model, c.width_mult, c.resolution, c.round_nearest)]
    return max(fitting, key=lambda name: PUBLISHED[name].top1, default=None)


def published_tensors(name: str) -> Tensors:
    """Return the tensors of the entry `name` of PUBLISHED, under the names that its author gave them."""
    path = fetch_weights(PUBLISHED[name].url)
    state = checkpoint.load(path, remedy="delete it, and it is downloaded again")
    return tensors_of(state, name)


def fetch_weights(url: str) -> Path:
    """Return the path of the file at `url` in the cache folder; one process of the node downloads it, others wait.

    Raises:
        ConfigError: the download failed, or the hash is not the one in the name; no file is left then.
    """
    name = url.rpartition("/")[2]
    digits = re.search(r"-([0-9a-f]{8})\.pth$", name)
    assert digits, f"{url} names no hash"
    path = cache_folder() / "weights" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                progress = sys.stderr.isatty()
                torch.hub.download_url_to_file(url, str(path), hash_prefix=digits[1], progress=progress)
    except (OSError, RuntimeError, HTTPException) as error:
        raise ConfigError(
            f"cannot download {url} ({one_line(error)}); nothing was kept; try again, or put {name} into {path.parent}"
        ) from error
    return path


def _timm_network(name: str) -> Network:
    """Return a network of timm.

    Images are resized bilinearly here, and bicubically in timm.
    """
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            f"{name} needs timm; run it as `uv run --with timm run_sweep.py ...`, or choose from {', '.join(PUBLISHED)}"
        ) from error
    try:
        model: Any = timm.create_model(name.removeprefix("timm:"), pretrained=True)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"timm cannot download {name} ({one_line(error)}); try again") from error
    config = replace(IMAGENET, width_mult=TIMM[name])
    return network_of(model.state_dict(), name, config=config)
