"""An exported network computes PyTorch's outputs for any batch size, and its metadata describe the input."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torchvision.models import mobilenet_v2

from tests.trainers.weights.layouts import like_dli14, randomised
from trainers.config import TrainConfig
from trainers.datasets.dataset import Split
from trainers.datasets.sources.digits import digits
from trainers.errors import ConfigError
from trainers.models.registry import build_model
from trainers.use import export as export_module
from trainers.use.export import Format, export, real_images
from trainers.weights.network import Network, load_network, network_of

MakeNetwork = Callable[..., Network]


@pytest.fixture
def make_network() -> MakeNetwork:
    """A function that builds a network of seven classes with random weights."""

    def make(model: str = "mobilenet_v2", **settings: Any) -> Network:
        config = TrainConfig(
            model=model, num_classes=7, resolution=24, total_stride=8, **({"width_mult": 0.25} | settings)
        )
        torch.manual_seed(0)
        return Network(randomised(build_model(config)), config, tuple("abcdefg"))

    return make


def run_onnx(path: Path, images: torch.Tensor) -> torch.Tensor:
    [logits] = onnxruntime.InferenceSession(str(path)).run(None, {"images": images.contiguous().numpy()})
    return torch.from_numpy(np.asarray(logits))


def run_torchscript(path: Path, images: torch.Tensor) -> torch.Tensor:
    return torch.jit.load(str(path))(images)


def run_state_dict(path: Path, images: torch.Tensor) -> torch.Tensor:
    network = load_network(path, config=TrainConfig(width_mult=0.25, num_classes=7, total_stride=8))
    return network.model(images)


RUNNERS: dict[Format, Callable[[Path, torch.Tensor], torch.Tensor]] = {
    "onnx": run_onnx, "torchscript": run_torchscript, "state_dict": run_state_dict,
}  # fmt: skip


def onnx_metadata(path: Path) -> str:
    return onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map["metadata"]


def torchscript_metadata(path: Path) -> str:
    extra = {"metadata.json": ""}
    torch.jit.load(str(path), _extra_files=extra)
    return extra["metadata.json"]


METADATA: dict[Format, Callable[[Path], str]] = {"onnx": onnx_metadata, "torchscript": torchscript_metadata}


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
@pytest.mark.parametrize("format", RUNNERS)
def test_export_computes_the_outputs_of_pytorch_for_any_batch_size(
    make_network: MakeNetwork, tmp_path: Path, format: Format
) -> None:
    network = make_network(eval_margin=5)

    exported = export(network, format, tmp_path / "out")

    assert exported.path == tmp_path / "out"
    assert 0 <= exported.max_difference < 1e-4
    for batch_size in (1, 3):
        images = torch.randn(batch_size, 3, 24, 24)
        with torch.no_grad():
            expected = network.model(images)
            torch.testing.assert_close(RUNNERS[format](tmp_path / "out", images), expected, rtol=1e-3, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    if format in METADATA:
        assert json.loads(METADATA[format](tmp_path / "out")) == {
            "classes": list("abcdefg"), "resolution": 24, "resize_shorter_side": 29,
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        }  # fmt: skip


def test_exported_state_dict_loads_into_torchvision(tmp_path: Path) -> None:
    config = TrainConfig(num_classes=7, resolution=32)
    network = Network(randomised(build_model(config)), config, tuple("abcdefg"))

    export(network, "state_dict", tmp_path / "n.pth")

    theirs = mobilenet_v2(num_classes=7).eval()
    theirs.load_state_dict(torch.load(tmp_path / "n.pth", weights_only=True))
    with torch.no_grad():
        assert torch.equal(theirs(torch.ones(1, 3, 32, 32)), network.model(torch.ones(1, 3, 32, 32)))


def test_export_without_a_path_is_named_after_the_network(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert export(make_network(), "state_dict").path == Path("mobilenet_v2_0.25_24.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["mobilenet_v2_0.25_24.pth"]


def test_network_of_dli14_is_not_exported_under_torchvisions_names(make_network: MakeNetwork, tmp_path: Path) -> None:
    ours = make_network("mobilenet_v3_small", width_mult=0.75)
    dli14 = network_of(like_dli14(ours.model), "file", config=ours.config, classes=ours.classes)

    with pytest.raises(ConfigError, match="squeezes before the activation"):
        export(dli14, "state_dict", tmp_path / "n.pth")
    assert list(tmp_path.iterdir()) == []
    assert export(dli14, "torchscript", tmp_path / "n.pt").max_difference < 1e-3


def test_export_with_other_outputs_is_refused_and_deleted(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()

    def wrong(network: Network, path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
        path.write_text("wrong")
        return lambda images: network.model(images) * 1.01

    monkeypatch.setitem(export_module.WRITERS, "torchscript", wrong)
    with pytest.raises(ConfigError, match=r"the torchscript export differs by .*; nothing written"):
        export(network, "torchscript", tmp_path / "n.pt")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_onnx_export_without_a_library_names_the_command_to_install_it(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigError, match=rf"{missing} is not installed; run it as `uv run --extra export run_sweep"):
        export(make_network(), "onnx", tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []


def test_export_is_checked_on_real_images(make_network: MakeNetwork) -> None:
    """The brightness of the images correlates with the brightness of the digits that they enlarge."""
    images = real_images(make_network())

    split: Split = digits().splits["val"]
    brightness = torch.tensor([split.decode(i, 8).mean() for i in range(len(images))])
    correlation = torch.corrcoef(torch.stack([images.mean(dim=(1, 2, 3)), brightness]))[0, 1]
    assert images.shape == (8, 3, 24, 24)
    assert correlation > 0.8
