"""Networks equal torchvision's, and every registered model keeps the contract of models."""

import pytest
import torch
from torch import nn
from torchvision import models as published

from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.blocks import make_divisible, reduce_early_strides
from trainers.models.registry import MODELS, build_model

TORCHVISION_V3 = {
    "mobilenet_v3_large": published.mobilenet_v3_large,
    "mobilenet_v3_small": published.mobilenet_v3_small,
}


def config(model: str, **settings: float) -> TrainConfig:
    return TrainConfig(**({"model": model, "num_classes": 10, "resolution": 32} | settings))  # type: ignore[arg-type]


def shapes(model: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def num_params(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def assert_equal_networks(ours: nn.Module, theirs: nn.Module) -> None:
    assert shapes(ours) == shapes(theirs)
    for module in theirs.modules():  # every BN and bias now affects the output
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.eval()(images)
        assert expected.std() > 1e-6
        assert torch.equal(ours.eval()(images), expected)


@pytest.mark.parametrize("width", [1.4, 1.3, 1.0, 0.75, 0.5, 0.35, 0.25, 0.1])
def test_v2_equals_torchvision_at_every_published_width(width: float) -> None:
    ours = build_model(config("mobilenet_v2", width_mult=width))

    assert_equal_networks(ours, published.MobileNetV2(num_classes=10, width_mult=width))


def test_v2_with_round_nearest_four_equals_torchvision() -> None:
    ours = build_model(config("mobilenet_v2", width_mult=0.1, round_nearest=4))

    assert_equal_networks(ours, published.MobileNetV2(num_classes=10, width_mult=0.1, round_nearest=4))


@pytest.mark.parametrize("model", TORCHVISION_V3)
def test_v3_equals_torchvision_at_width_one(model: str) -> None:
    assert_equal_networks(build_model(config(model)), TORCHVISION_V3[model](weights=None, num_classes=10))


@pytest.mark.parametrize(
    ("model", "published_params"), [("mobilenet_v3_large", 3_993_528), ("mobilenet_v3_small", 2_041_872)]
)
def test_v3_at_width_three_quarters_has_the_published_number_of_parameters(model: str, published_params: int) -> None:
    with torch.device("meta"):
        ours = build_model(config(model, width_mult=0.75, num_classes=1000))
        theirs = TORCHVISION_V3[model](weights=None, width_mult=0.75)

    assert num_params(ours) == published_params
    assert num_params(theirs) < published_params


@pytest.mark.parametrize(
    ("model", "width", "first", "last"),
    [
        ("mobilenet_v1", 1.0, 32, 1024),
        ("mobilenet_v1", 0.75, 24, 768),
        ("mobilenet_v1", 0.1, 8, 102),
        ("mobilenet_v2", 0.35, 16, 1280),
        ("mobilenet_v2", 1.4, 48, 1792),
        ("mobilenet_v3_large", 0.75, 16, 1280),
        ("mobilenet_v3_large", 1.25, 24, 1600),
        ("mobilenet_v3_small", 0.5, 8, 1024),
    ],
)
def test_width_scales_the_first_and_the_last_layer(model: str, width: float, first: int, last: int) -> None:
    with torch.device("meta"):
        modules = list(build_model(config(model, width_mult=width)).modules())
    stem = next(module for module in modules if isinstance(module, nn.Conv2d))
    head = modules[-1]

    assert stem.out_channels == first
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (last, 10)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("width", [0.1, 0.33, 1.0, 1.4])
@pytest.mark.parametrize(("resolution", "num_classes"), [(8, 2), (33, 7)])
def test_every_model_takes_any_width_and_resolution(
    model: str, width: float, resolution: int, num_classes: int
) -> None:
    network = build_model(config(model, width_mult=width, resolution=resolution, num_classes=num_classes)).eval()

    with torch.no_grad():
        logits = network(torch.randn(2, 3, resolution, resolution))

    assert logits.shape == (2, num_classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("total_stride", [4, 8, 16, 32])
def test_total_stride_sets_the_size_of_the_last_feature_map(model: str, total_stride: int) -> None:
    network = build_model(config(model, width_mult=0.1, total_stride=total_stride)).eval()

    with torch.no_grad():
        features = network.get_submodule("features")(torch.zeros(1, 3, 64, 64))

    assert features.shape[2:] == (64 // total_stride, 64 // total_stride)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("total_stride", [4, 8, 16])
def test_total_stride_changes_no_weight(model: str, total_stride: int) -> None:
    def state(stride: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        return build_model(config(model, width_mult=0.1, total_stride=stride)).state_dict()

    reduced, published_state = state(total_stride), state(32)

    assert reduced.keys() == published_state.keys()
    assert all(torch.equal(reduced[name], published_state[name]) for name in reduced)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dropout", [0.0, 0.35])
def test_dropout_comes_only_before_the_last_layer(model: str, dropout: float) -> None:
    leaves = [
        m for m in build_model(config(model, width_mult=0.1, dropout=dropout)).modules() if not list(m.children())
    ]
    dropouts = [(i, m.p) for i, m in enumerate(leaves) if isinstance(m, nn.Dropout)]

    assert dropouts == [(len(leaves) - 2, dropout)]


@pytest.mark.parametrize("model", MODELS)
def test_initial_weights_follow_the_global_seed(model: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in build_model(config(model, width_mult=0.1)).parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_unknown_model_lists_the_models() -> None:
    with pytest.raises(ConfigError) as caught:
        build_model(config("mobilenet_v4"))

    assert str(caught.value).startswith("unknown model 'mobilenet_v4'; ")
    assert str(caught.value).endswith(f"choose from {', '.join(sorted(MODELS))}")


@pytest.mark.parametrize("divisor", [4, 8])
def test_channels_round_to_the_nearest_multiple_never_ten_percent_down(divisor: int) -> None:
    for halves in range(1, 1000):
        channels = halves / 2
        allowed = [multiple for multiple in range(divisor, 600, divisor) if multiple >= 0.9 * channels]
        nearest = min(allowed, key=lambda multiple: (abs(multiple - channels), -multiple))

        assert make_divisible(channels, divisor) == nearest, channels


@pytest.mark.parametrize(
    ("strides", "total", "expected"),
    [
        ((2, 2, 2, 2, 2), 32, [2, 2, 2, 2, 2]),
        ((2, 2, 2, 2, 2), 8, [1, 1, 2, 2, 2]),
        ((2, 1, 2, 1, 2), 4, [1, 1, 2, 1, 2]),
        ((2, 1, 2), 8, [2, 1, 2]),
        ((2, 2), 1, [1, 1]),
        ((), 4, []),
    ],
)
def test_earliest_strides_are_reduced_first(strides: tuple[int, ...], total: int, expected: list[int]) -> None:
    assert reduce_early_strides(strides, total) == expected
