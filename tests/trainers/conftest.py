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
    """Return a trial of `points` in a folder beside the folders of the points."""
    return Trial(id="trial", points=tuple(points), folder=points[0].folder.with_name("trial"))


@pytest.fixture
def own_cache() -> Path:
    """The cache folder of a test."""
    return Path(os.environ["MOBILENET_SWEEP_CACHE"])


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Run all tests on one thread, which is fastest for small networks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """A function that writes an image folder from counts such as `{"train/cat": 3}`: noise of different sizes."""

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
    """A function that builds a point on the digits: 4 steps an epoch, or 0.2 s for the smallest MobileNetV2."""

    def make(name: str = "p", **changes: Any) -> Point:
        settings = {
            "num_classes": 10,
            "width_mult": 0.1,
            "resolution": 8,
            "total_stride": 8,
            "epochs": 3,
            "batch_size": 256,
            "crop_scale": 0.5,
        }
        return Point(id=name, config=TrainConfig(**(settings | changes)), folder=tmp_path / name)

    return make


@pytest.fixture
def linear_model(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a registered linear classifier of 8 x 8 px, without batch normalisation, so gradients add over images."""

    def linear(config: TrainConfig) -> nn.Module:
        assert config.num_classes is not None
        return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 8 * 8, config.num_classes))

    monkeypatch.setitem(MODELS, "linear", linear)
    return "linear"
