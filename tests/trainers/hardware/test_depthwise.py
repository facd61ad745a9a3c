"""On a CPU, depthwise convolutions of a bf16 training run in fp32 where the bf16 gradient has no fast kernel."""

import copy

import pytest
import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.hardware.depthwise import Bf16DepthwiseConv2d, is_depthwise, use_fast_bf16_gradients
from trainers.hardware.device import Device
from trainers.models.registry import build_model


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "dtype"),
    [
        (3, 1, 8, torch.bfloat16),
        (3, 1, 3, torch.bfloat16),
        (3, 1, 2, torch.float32),
        (5, 1, 4, torch.float32),
        (3, 2, 8, torch.float32),
    ],
)
def test_only_gradients_without_a_bf16_kernel_are_computed_in_fp32(
    kernel: int, stride: int, size: int, dtype: torch.dtype
) -> None:
    conv = nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=4, bias=False)
    reference = copy.deepcopy(conv)
    model = nn.Sequential(conv)
    use_fast_bf16_gradients(model)
    images = torch.randn(2, 4, size, size)

    with torch.autocast("cpu", torch.bfloat16):
        output = model(images.bfloat16())
        with torch.inference_mode():
            inferred = model(images.bfloat16())
    output.float().sum().backward()
    expected = reference(images)
    expected.sum().backward()

    assert output.dtype == dtype
    assert inferred.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(conv.weight.grad, reference.weight.grad, rtol=0.02, atol=0.2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_prepared_network_has_equal_layers_shapes_and_outputs(precision: str) -> None:
    config = TrainConfig(
        model="mobilenet_v3_small", width_mult=0.35, resolution=32, num_classes=10, precision=precision
    )  # type: ignore[arg-type]
    model = build_model(config)
    prepared = Device(torch.device("cpu"), precision).prepare(copy.deepcopy(model))

    assert [name for name, m in prepared.named_modules() if is_depthwise(m)] == [
        name for name, m in model.named_modules() if is_depthwise(m)
    ]
    assert {k: v.shape for k, v in prepared.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(prepared.eval()(images), model.eval()(images), atol=1e-5)


class Doubled(nn.Conv2d):
    """A convolution of a user's own class."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def test_only_plain_depthwise_convolutions_are_replaced() -> None:
    depthwise, pointwise, doubled = nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1), Doubled(4, 4, 3, groups=4)
    model = nn.Sequential(depthwise, pointwise, nn.Sequential(doubled))
    images = torch.randn(2, 4, 8, 8)
    expected = model(images)

    use_fast_bf16_gradients(model)

    assert [type(module) for module in (model[0], model[1], model[2][0])] == [Bf16DepthwiseConv2d, nn.Conv2d, Doubled]
    assert model[2][0] is doubled
    assert torch.equal(model(images), expected)


def test_replaced_layer_keeps_its_names_parameters_and_hooks() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1, groups=4)
    model = nn.ModuleDict({"a": nn.Sequential(shared, nn.ReLU()), "b": shared, "c": nn.Conv2d(4, 4, 1)})
    calls: list[str] = []
    shared.register_forward_hook(lambda *_: calls.append("first"))
    shared.register_forward_hook(lambda *_: calls.append("second"))
    names, parameters, state = (
        [n for n, _ in model.named_modules()],
        list(model.parameters()),
        torch.random.get_rng_state(),
    )

    use_fast_bf16_gradients(model)

    assert isinstance(model["b"], Bf16DepthwiseConv2d)
    assert model["a"][0] is model["b"]
    assert [name for name, _ in model.named_modules()] == names
    assert all(ours is theirs for ours, theirs in zip(model.parameters(), parameters, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)
    model["b"](torch.ones(1, 4, 4, 4))
    assert calls == ["first", "second"]
