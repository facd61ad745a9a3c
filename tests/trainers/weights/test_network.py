"""Networks are loaded from checkpoints of a training and from state dicts of several authors."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import mobilenet_v2

from tests.trainers.weights.layouts import Tensors, like_dli14, like_timm, randomised
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import build_model
from trainers.training.classifier import train_point
from trainers.trial import Point
from trainers.weights import checkpoint
from trainers.weights.network import imagenet_classes, load_network

MakePoint = Callable[..., Point]


def build_random(model: str = "mobilenet_v2", width_mult: float = 0.25, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return randomised(build_model(TrainConfig(model=model, width_mult=width_mult, **({"num_classes": 7} | settings))))


def assert_equal_outputs(loaded: nn.Module, expected: nn.Module) -> None:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), expected(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [checkpoint.BEST, checkpoint.LAST])
@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_checkpoint_of_a_training_loads_as_the_best_network(
    make_point: MakePoint, name: str, ema_decay: float | None
) -> None:
    point = make_point(epochs=1, ema_decay=ema_decay)
    list(train_point(point))

    network = load_network(point.folder / name)

    assert (network.config, network.classes) == (point.config, tuple("0123456789"))
    assert not network.model.training
    best = checkpoint.load(point.folder / checkpoint.BEST)
    assert best is not None
    assert all(torch.equal(tensor, best["model"][key]) for key, tensor in network.model.state_dict().items())


def test_outputs_beyond_the_classes_are_named_by_number(make_point: MakePoint) -> None:
    point = make_point(epochs=1, num_classes=12)
    list(train_point(point))

    assert load_network(point.folder / checkpoint.BEST).classes[8:] == ("8", "9", "output 10", "output 11")


@pytest.mark.parametrize(
    ("model", "width_mult", "settings"),
    [
        ("mobilenet_v1", 0.5, {}),
        ("mobilenet_v2", 1.0, {"num_classes": 1000}),
        ("mobilenet_v2", 0.1, {"round_nearest": 4}),
        ("mobilenet_v2", 0.1, {}),
        ("mobilenet_v3_large", 0.75, {}),
        ("mobilenet_v3_small", 1.0, {}),
    ],
)
@pytest.mark.parametrize("wrap", [dict, lambda s: {"epoch": 3, "state_dict": {f"module.{k}": t for k, t in s.items()}}])
def test_shapes_of_a_state_dict_tell_family_width_and_classes(
    tmp_path: Path, model: str, width_mult: float, settings: dict[str, int], wrap: Callable[[Any], Any]
) -> None:
    expected = build_random(model, width_mult, **settings)
    torch.save(wrap(expected.state_dict()), tmp_path / "weights.pth")

    network = load_network(tmp_path / "weights.pth")

    config = network.config
    assert (config.model, config.width_mult, config.num_classes) == (model, width_mult, settings.get("num_classes", 7))
    assert config.round_nearest == settings.get("round_nearest", 8)
    assert_equal_outputs(network.model, expected)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("width_mult", "round_nearest"), [(1.0, 8), (0.35, 8), (0.1, 4)])
def test_mobilenetv2_of_dli14_computes_the_outputs_of_torchvision(
    tmp_path: Path, width_mult: float, round_nearest: int, old: bool
) -> None:
    expected = build_random(width_mult=width_mult, round_nearest=round_nearest)
    state = like_dli14(expected)
    torch.save({k: t for k, t in state.items() if not (old and "tracked" in k)}, tmp_path / "weights.pth")

    network = load_network(tmp_path / "weights.pth")

    assert (network.config.width_mult, network.config.round_nearest) == (width_mult, round_nearest)
    assert_equal_outputs(network.model, expected)


class Dli14Block(nn.Module):
    """A MobileNetV3 block in d-li14's order: depthwise, normalisation, squeeze-excite, activation."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        expand, depthwise, squeeze, project = block.block
        self.layers = nn.Sequential(expand, depthwise[0], depthwise[1], squeeze, depthwise[2], project)
        self.shortcut = block.use_res_connect

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images) + images if self.shortcut else self.layers(images)


@pytest.mark.parametrize("width_mult", [1.0, 0.75])
@pytest.mark.parametrize("model", ["mobilenet_v3_small", "mobilenet_v3_large"])
def test_mobilenetv3_of_dli14_squeezes_before_the_activation(tmp_path: Path, model: str, width_mult: float) -> None:
    expected = build_random(model, width_mult, bn_eps=1e-5)
    torch.save(like_dli14(expected), tmp_path / "weights.pth")
    with torch.no_grad():
        paper = expected(torch.ones(1, 3, 64, 64))
    for i, block in enumerate(expected.features):  # type: ignore[arg-type]
        if len(getattr(block, "block", ())) == 4:
            expected.features[i] = Dli14Block(block)  # type: ignore[index, operator]

    network = load_network(tmp_path / "weights.pth")

    assert network.config.width_mult == width_mult
    assert_equal_outputs(network.model, expected)
    with torch.no_grad():
        assert not torch.allclose(network.model(torch.ones(1, 3, 64, 64)), paper, rtol=1e-2)


def test_thousand_outputs_have_the_class_names_of_imagenet(tmp_path: Path) -> None:
    torch.save(mobilenet_v2().state_dict(), tmp_path / "weights.pth")

    assert load_network(tmp_path / "weights.pth").classes[:2] == ("tench", "goldfish")
    assert len(imagenet_classes()) == 1000


def test_caller_may_state_the_settings_and_classes_of_a_state_dict(tmp_path: Path) -> None:
    config = TrainConfig(width_mult=0.26, resolution=96, num_classes=2, total_stride=16)
    torch.save(build_model(config).state_dict(), tmp_path / "weights.pth")

    network = load_network(tmp_path / "weights.pth", config=config, classes=("cat", "dog"))

    assert (network.config, network.classes) == (config, ("cat", "dog"))
    with pytest.raises(ConfigError, match="3 class names were given for 2 outputs"):
        load_network(tmp_path / "weights.pth", config=config, classes=("cat", "dog", "cow"))


def test_head_for_other_classes_stays_fresh_with_a_warning(tmp_path: Path) -> None:
    expected = build_random()
    torch.save(expected.state_dict(), tmp_path / "weights.pth")
    with pytest.warns(UserWarning, match=r"has other classes: classifier.1.weight, classifier.1.bias keep their fresh"):
        network = load_network(tmp_path / "weights.pth", config=TrainConfig(width_mult=0.25, num_classes=3))

    assert network.model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    loaded = network.model.state_dict()
    assert all(torch.equal(loaded[k], t) for k, t in expected.state_dict().items() if "classifier" not in k)


STATE = {key: tensor.clone() for key, tensor in build_random().state_dict().items()}
"""The weights that files of other programs hold."""
ZEROS = {key: torch.zeros_like(tensor) for key, tensor in STATE.items()}


def prefixed(prefix: str) -> Tensors:
    return {f"{prefix}{key}": tensor for key, tensor in STATE.items()}


@pytest.mark.parametrize(
    "state",
    [
        prefixed("_orig_mod."),
        {"state_dict": prefixed("module._orig_mod.")},
        {"model_state_dict": STATE, "epoch": 3, "loss": 0.1},
        {"net": prefixed("module."), "acc": 91.2},
        {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.4.0", "hyper_parameters": {"lr": 0.1}},
        {"weights_of_mine": STATE, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in STATE.items()},
        torch.optim.swa_utils.AveragedModel(build_random()).state_dict(),
        {"state_dict_ema": STATE, "epoch": 1, "best_acc1": torch.tensor(71.0)},
        {"model": STATE, "epoch": 1, "args": Namespace(lr=0.1, out=Path("x"))},
        {"state_dict": STATE, "best_acc1": np.float64(71.2), "curve": np.ones(3)},
        {key.replace("classifier.1.", "classifier."): tensor for key, tensor in STATE.items()},
        {"state_dict": like_timm(build_random()), "arch": "mobilenetv2_035", "metric": 0.5},
    ],
    ids=["compiled", "ddp compiled", "model_state_dict", "net", "lightning", "one mapping", "half", "averaged",
         "only average", "namespace", "numpy", "linear head", "timm"],
)  # fmt: skip
def test_weights_in_the_wrapper_of_another_program_are_found(tmp_path: Path, state: Any) -> None:
    torch.save(state, tmp_path / "weights.pth")

    loaded = load_network(tmp_path / "weights.pth").model.state_dict()

    names = [key for key in STATE if not key.endswith("num_batches_tracked")]
    assert all(torch.allclose(loaded[key], STATE[key], rtol=1e-3, atol=1e-3) for key in names)


def test_average_of_the_weights_is_used_before_the_weights_and_said(tmp_path: Path) -> None:
    average = prefixed("module.") | {"n_averaged": torch.tensor(3)}
    torch.save({"model": ZEROS, "model_ema": average, "epoch": 1}, tmp_path / "weights.pth")

    with pytest.warns(UserWarning, match="holds model too; its model_ema is used"):
        network = load_network(tmp_path / "weights.pth")

    assert torch.equal(network.model.state_dict()["features.0.0.weight"], STATE["features.0.0.weight"])


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")

    loaded = load_network(tmp_path / "model.safetensors").model.state_dict()

    assert torch.equal(loaded["features.0.0.weight"], STATE["features.0.0.weight"])
    with pytest.raises(ConfigError, match=r"bad.safetensors is damaged or no safetensors file"):
        load_network(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("model", ["mobilenet_v3_small", "mobilenet_v3_large"])
def test_mobilenetv3_of_timm_is_read_by_its_names(tmp_path: Path, model: str) -> None:
    expected = build_random(model, 1.0, bn_eps=1e-5)
    torch.save(like_timm(expected), tmp_path / "weights.pth")

    network = load_network(tmp_path / "weights.pth")

    assert network.config.bn_eps == 1e-5
    assert_equal_outputs(network.model, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": 5}, "is damaged"),
        ({"classes": 5}, "is damaged"),
        ({"config": {"resolution": "x"}}, "is damaged: resolution: 'x' is not a whole number"),
        ({"classes": ["a"] * 9}, "is damaged: it has 9 classes for 7 outputs"),
        ({"model": 5}, "holds no weights"),
    ],
)
def test_malformed_checkpoint_of_a_sweep_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    config = {"width_mult": 0.25, "num_classes": 7}
    torch.save({"model": STATE, "config": config, "classes": ["a", "b", "c"]} | changes, tmp_path / "best.pt")

    with pytest.raises(ConfigError, match=message):
        load_network(tmp_path / "best.pt")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    torch.save(STATE | {"features.0.0.weight": STATE["features.0.0.weight"] * torch.nan}, tmp_path / "weights.pth")

    with pytest.raises(ConfigError, match=r"holds weights that are not finite: features.0.0.weight; its training"):
        load_network(tmp_path / "weights.pth")


def state_with(drop: str = "-", **tensors: torch.Tensor) -> dict[str, Any]:
    """Return a state dict without the names that contain `drop`, and with `tensors` added or replaced."""
    state = {key: tensor for key, tensor in build_random().state_dict().items() if drop not in key}
    return state | {name.replace("__", "."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (state_with("features.3.conv.0.0.weight"), "it lacks features.3.conv.0.0.weight$"),
        (state_with(extra=torch.ones(1)), "it has unknown extra$"),
        (state_with(classifier__1__weight=torch.ones(7, 9)), r"classifier.1.weight is \(7, 9\), not \(7, 1280\)"),
        (state_with(features__9__conv__2__weight=torch.ones(3)), "is a mobilenet_v2 of an unknown width"),
        (state_with("classifier"), "it lacks classifier.1.weight, classifier.1.bias$"),
        ({"fc.weight": torch.ones(3, 4)}, r"holds none of mobilenet_v1, .*: it begins with fc.weight \(3, 4\)"),
        ({"epoch": 3}, "holds no weights"),
        (torch.ones(3), "holds no weights"),
        ({"model": {}, "config": {"depth": 3}, "classes": []}, "is of another version: it has the settings depth"),
    ],
)
def test_state_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, state: Any, message: str) -> None:
    torch.save(state, tmp_path / "weights.pth")

    with pytest.raises(ConfigError, match=message):
        load_network(tmp_path / "weights.pth")


def test_missing_tensor_of_a_dli14_file_has_its_torchvision_name(tmp_path: Path) -> None:
    state = like_dli14(build_random())
    del state["features.3.conv.6.weight"]
    torch.save(state, tmp_path / "weights.pth")

    with pytest.raises(ConfigError, match=r"it lacks features.3.conv.2.weight$"):
        load_network(tmp_path / "weights.pth")


def test_error_names_a_missing_or_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"<html>not found</html>")

    with pytest.raises(ConfigError, match=r"no checkpoint at .*missing.pth"):
        load_network(tmp_path / "missing.pth")
    with pytest.raises(ConfigError, match=r"bad.pth is damaged or no checkpoint .*; copy or download it again"):
        load_network(tmp_path / "bad.pth")
