"""Costs equal golden numbers, the counts of torch on a real forward pass, and the published tables."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from trainers.config import SHAPE_FIELDS, TrainConfig
from trainers.errors import ConfigError
from trainers.models.cost import Cost, cost, count
from trainers.models.registry import MODELS, build_model

GOLDENS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cost_goldens.json").read_text())
"""Networks and their costs, written by `counted_by_torch`."""
TF_SLIM_V2 = {
    (1.4, 224): 582, (1.3, 224): 509,
    (1.0, 224): 300, (1.0, 192): 221, (1.0, 160): 154, (1.0, 128): 99, (1.0, 96): 56,
    (0.75, 224): 209, (0.75, 192): 153, (0.75, 160): 107, (0.75, 128): 69, (0.75, 96): 39,
    (0.5, 224): 97, (0.5, 192): 71, (0.5, 160): 50, (0.5, 128): 32, (0.5, 96): 18,
    (0.35, 224): 59, (0.35, 192): 43, (0.35, 160): 30, (0.35, 128): 20, (0.35, 96): 11,
}  # fmt: skip
"""Millions of multiply-adds as slim/nets/mobilenet/README.md prints them, rounded down."""


class CountOutputs(TorchDispatchMode):
    """A mode that adds up the output elements of convolutions and matrix products."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten.convolution.default, torch.ops.aten.addmm.default):
            self.total += output.numel()
        return output


class CollectOutputs(TorchDispatchMode):
    """A mode that collects every tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.tensors += [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
        return output


def counted_by_torch(model: nn.Module, resolution: int) -> Cost:
    """Return the cost that torch counts in a real forward pass on the CPU, where biases are no operations."""
    image = torch.zeros(1, 3, resolution, resolution)
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        model(image)
    with torch.no_grad(), CountOutputs() as outputs:
        model(image)
    num_params = sum(p.numel() for p in model.parameters())
    return Cost(macs=flops.get_total_flops() // 2, num_params=num_params, activations=outputs.total)


def cell_id(golden: dict[str, Any]) -> str:
    return "-".join(str(value) for value in golden["network"].values())


@pytest.mark.parametrize("golden", GOLDENS, ids=cell_id)
def test_cost_of_a_network_equals_its_golden(golden: dict[str, Any]) -> None:
    assert cost(TrainConfig(**golden["network"])) == Cost(**golden["cost"])


@pytest.mark.parametrize("golden", GOLDENS, ids=cell_id)
def test_golden_equals_the_count_of_torch(golden: dict[str, Any]) -> None:
    config = TrainConfig(**golden["network"])

    assert counted_by_torch(build_model(config), config.resolution) == Cost(**golden["cost"])


def test_goldens_cover_every_model() -> None:
    assert {golden["network"]["model"] for golden in GOLDENS} == set(MODELS)


@pytest.mark.parametrize(("cell", "millions"), TF_SLIM_V2.items(), ids=str)
def test_v2_has_its_published_macs(cell: tuple[float, int], millions: int) -> None:
    width, resolution = cell

    assert cost(TrainConfig(width_mult=width, resolution=resolution, num_classes=1000)).macs // 10**6 == millions


@pytest.mark.parametrize(
    ("width", "millions"), [(1.4, 6.06), (1.3, 5.34), (1.0, 3.47), (0.75, 2.61), (0.5, 1.95), (0.35, 1.66)]
)
def test_v2_has_its_published_parameters(width: float, millions: float) -> None:
    """The published table, TensorFlow's, leaves out the parameters of batch normalisation."""
    config = TrainConfig(width_mult=width, num_classes=1000)
    with torch.device("meta"):
        norms = [m for m in build_model(config).modules() if isinstance(m, nn.BatchNorm2d)]

    assert round((cost(config).num_params - 2 * sum(m.num_features for m in norms)) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("layer", "size", "macs", "num_params", "activations"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 10, 10 * 10 * 8 * 3 * 9, 3 * 8 * 9 + 8, 10 * 10 * 8),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), 9, 5 * 5 * 8 * 3 * 9, 3 * 8 * 9, 5 * 5 * 8),
        (nn.Conv2d(3, 6, (5, 1), groups=3), 8, 4 * 8 * 6 * 5, 6 * 5 + 6, 4 * 8 * 6),
        (nn.Linear(8, 4), 8, 3 * 8 * 8 * 4, 8 * 4 + 4, 3 * 8 * 4),
        (nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2)), 4, 16 * 6, 6 + 4, 32),
    ],
)
def test_cost_of_a_layer_equals_its_closed_form(
    layer: nn.Module, size: int, macs: int, num_params: int, activations: int
) -> None:
    assert count(layer, size) == Cost(macs=macs, num_params=num_params, activations=activations)


def test_layer_used_twice_costs_two_passes_but_one_set_of_parameters() -> None:
    conv = nn.Conv2d(3, 3, 1, bias=False)

    assert count(nn.Sequential(conv, nn.ReLU(), conv), 4) == Cost(macs=2 * 16 * 9, num_params=9, activations=2 * 48)


def test_frozen_parameters_are_not_counted() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 5, 1, bias=False))
    model[0].requires_grad_(False)

    assert count(model, 2).num_params == 20


@pytest.mark.parametrize("model", MODELS)
def test_count_on_meta_tensors_equals_count_on_cpu_and_leaves_the_model_unchanged(model: str) -> None:
    config = TrainConfig(model=model, width_mult=0.25, resolution=64, num_classes=10)
    with torch.device("meta"):
        network = build_model(config)

    on_meta = count(network, 64)

    assert network.training
    assert all(p.is_meta for p in [*network.parameters(), *network.buffers()])
    assert not any(m._forward_hooks for m in network.modules())
    assert on_meta == cost(config) == count(build_model(config), 64)


@pytest.mark.parametrize("model", MODELS)
def test_cost_allocates_no_tensor(model: str) -> None:
    outputs = CollectOutputs()
    with outputs:
        cost(TrainConfig(model=model, width_mult=0.15, resolution=24, num_classes=3))

    assert len(outputs.tensors) > 100
    assert all(tensor.is_meta for tensor in outputs.tensors)


def test_cost_leaves_the_random_state_unchanged() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)

    cost(TrainConfig(width_mult=0.2, resolution=40, num_classes=3))

    assert torch.equal(torch.rand(3), expected)


class Scaled(nn.Module):
    """A layer of one operation that multiplies and adds, on the first channel of the first image."""

    def __init__(self, operation: Any) -> None:
        super().__init__()
        self.operation = operation
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.operation(images[0, 0], self.weight)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (torch.mv, "aten.mv"),
        (lambda matrix, vector: torch.dot(matrix[0], vector), "aten.dot"),
        (lambda matrix, _: matrix.cumsum(0), "aten.cumsum"),
        (lambda matrix, _: torch.fft.fft(matrix), "aten._fft_r2c"),
    ],
)
def test_error_names_an_operation_that_cannot_be_counted(operation: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"cannot count the operation {name}\.\w+; teach trainers/models/cost.py"):
        count(Scaled(operation), 8)


class Functional(nn.Module):
    """A network of a functional convolution, an attention module and functional attention."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(16, 3, 3, 3))
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.norm(nn.functional.conv2d(images, self.kernel, stride=2).flatten(2).transpose(1, 2))
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean(1)


def test_functional_convolution_and_attention_are_counted() -> None:
    with torch.device("meta"):
        model = Functional()
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            model(torch.empty(1, 3, 16, 16))

    model_cost = count(model, 16)

    tokens = 7 * 7
    convolution, projections, products = tokens * 16 * 27, 4 * tokens * 16 * 16, 2 * 2 * tokens * tokens * 16
    assert model_cost.macs == convolution + projections + products == flops.get_total_flops() // 2
    # outputs of the convolution, of the projections to q, k, v and out, of q k (4 heads, then 1), of both sums over v
    assert model_cost.activations == tokens * (16 + 4 * 16 + (4 + 1) * tokens + 2 * 16)
    assert model_cost.num_params == 16 * 27 + 2 * 16 + 4 * 16 * 16 + 4 * 16


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.ConvTranspose2d(3, 5, 2, bias=False), 8 * 8 * 3 * 5 * 4),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU(), nn.PReLU(), nn.MaxPool2d(2)), 8 * 8 * 9),
        (
            nn.Sequential(nn.Conv2d(3, 3, 1), nn.AvgPool2d(2), nn.GroupNorm(3, 3), nn.Upsample(scale_factor=2)),
            8 * 8 * 9,
        ),
    ],
)
def test_other_layers_cost_their_convolutions_only(layer: nn.Module, macs: int) -> None:
    assert count(layer, 8).macs == macs


def test_unknown_model_lists_the_models() -> None:
    with pytest.raises(ConfigError, match="unknown model 'resnet50'; choose from mobilenet_v1, mobilenet_v2"):
        cost(TrainConfig(model="resnet50", num_classes=10))


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({"dropout": 0.5}, True),
        ({"lr": 0.5, "epochs": 3, "seed": 4}, True),
        ({"width_mult": 0.3}, False),
        ({"resolution": 48}, False),
        ({"num_classes": 11}, False),
        ({"round_nearest": 4}, False),
        ({"total_stride": 8}, False),
        ({"model": "mobilenet_v1"}, False),
    ],
)
def test_cost_follows_the_shape_of_the_network_only(changes: dict[str, Any], equal: bool) -> None:
    base: dict[str, Any] = {"width_mult": 0.2, "resolution": 40, "num_classes": 10}

    assert (cost(TrainConfig(**(base | changes))) == cost(TrainConfig(**base))) is equal
    assert equal is not bool(changes.keys() & set(SHAPE_FIELDS))
