"""Small settings, small networks and real image folders for the tests of `trainers`."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from trainers.config import TrainConfig
from trainers.models.registry import MODELS
from trainers.trial import Point, Trial

MakeFolder = Callable[[Mapping[str, int]], Path]
MakePoint = Callable[..., Point]


def trial_of(points: Sequence[Point]) -> Trial:
    """A trial of these points, whose folder lies beside theirs."""
    return Trial(id="trial", points=tuple(points), folder=points[0].folder.with_name("trial"))


@pytest.fixture
def own_cache() -> Path:
    """Where decoded images go in a test."""
    return Path(os.environ["MOBILENET_SWEEP_CACHE"])


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Networks this small run fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes an image folder such as `{"train/cat": 3, "val/cat": 1}`: so many PNGs of noise, of differing sizes."""

    def make(counts: Mapping[str, int]) -> Path:
        random = np.random.default_rng(0)
        for folder, count in counts.items():
            (tmp_path / "images" / folder).mkdir(parents=True)
            for i in range(count):
                height, width = random.integers(9, 40, 2)
                pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / folder / f"{i:03}.png")
        return tmp_path / "images"

    return make


@pytest.fixture
def make_point(tmp_path: Path) -> MakePoint:
    """Builds a point on the digits; 4 steps an epoch, which take the smallest MobileNetV2 a fifth of a second."""

    def make(name: str = "p", **given: Any) -> Point:
        settings = {
            "num_classes": 10,
            "width_mult": 0.1,
            "resolution": 8,
            "total_stride": 8,
            "epochs": 3,
            "batch_size": 256,
            "crop_scale": 0.5,
        }
        return Point(id=name, config=TrainConfig(**(settings | given)), folder=tmp_path / name)

    return make


@pytest.fixture
def linear_model(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a registered linear classifier of 8 x 8 px: no normalisation, so its gradients add up over images."""

    def linear(config: TrainConfig) -> nn.Module:
        assert config.num_classes is not None
        return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 8 * 8, config.num_classes))

    monkeypatch.setitem(MODELS, "linear", linear)
    return "linear"
