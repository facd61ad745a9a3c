"""A new field with the role `network` needs no other edit: its cost, its key and its timing request follow."""

from dataclasses import dataclass, replace

import pytest
from torch import nn

from trainers.config import TrainConfig, setting
from trainers.models.cost import cost, network_key
from trainers.models.registry import MODELS
from trainers.training.step_time import Request


@dataclass(frozen=True, kw_only=True)
class DeepConfig(TrainConfig):
    """A configuration with two fields that no production code names."""

    depth_mult: int = setting("network", 1)
    """Number of hidden convolutions."""
    activation: str = setting("network", "relu")
    """A network field that changes no shape and no cost."""


def deep(config: TrainConfig) -> nn.Module:
    """Return a network of `depth_mult` convolutions of 3 channels."""
    assert isinstance(config, DeepConfig)
    assert config.num_classes is not None
    layers = [nn.Conv2d(3, 3, 1, bias=False) for _ in range(config.depth_mult)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, config.num_classes, 1))


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> DeepConfig:
    monkeypatch.setitem(MODELS, "deep", deep)
    return DeepConfig(model="deep", num_classes=10, resolution=8)


def test_cost_grows_with_the_new_field(base: DeepConfig) -> None:
    macs = [cost(replace(base, depth_mult=depth)).macs for depth in (1, 2, 5)]

    assert macs == [30 + depth * 8 * 8 * 9 for depth in (1, 2, 5)]


@pytest.mark.parametrize("changes", [{"depth_mult": 2}, {"activation": "gelu"}])
def test_network_key_differs_for_each_value_of_a_new_field(base: DeepConfig, changes: dict[str, object]) -> None:
    assert network_key(replace(base, **changes)) != network_key(base)  # type: ignore[arg-type]


def test_a_timing_request_keeps_the_new_field(base: DeepConfig) -> None:
    requested = Request.of(replace(base, depth_mult=3, lr=0.7), (8, 8)).config

    assert isinstance(requested, DeepConfig)
    assert (requested.depth_mult, requested.lr) == (3, base.lr)
