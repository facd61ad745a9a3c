"""Published networks have the stated properties, and download from a local web server in their authors' layouts."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.trainers.weights.layouts import like_dli14, like_timm, randomised
from tests.trainers.weights.weights_server import Served, serving
from trainers.datasets.batches.crops import eval_resize
from trainers.errors import ConfigError
from trainers.models.cost import cost
from trainers.models.registry import build_model
from trainers.weights.network import imagenet_classes
from trainers.weights.published import PUBLISHED, TIMM, fetch_weights, published_network


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "served") as served:
        yield served


def serve(server: Served, monkeypatch: pytest.MonkeyPatch, name: str, state: Any, *, spoil: bool = False) -> None:
    """Serve `state` as the weights of the published network `name`."""
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], url=server.add(state, spoil=spoil)))


def cached_weights(own_cache: Path) -> list[str]:
    """Return the names of the files in the cache of weights, without locks."""
    return [path.name for path in (own_cache / "weights").iterdir() if path.suffix != ".lock"]


MILLIONS = {
    "dli14:1.0_224": 3.504, "dli14:0.75_224": 2.636, "dli14:0.5_224": 1.968, "dli14:0.35_224": 1.677,
    "dli14:0.25_224": 1.519, "dli14:0.1_224": 1.356, "dli14:v3_large_1.0": 5.483, "dli14:v3_large_0.75": 3.994,
    "dli14:v3_small_1.0": 2.543, "dli14:v3_small_0.75": 2.042, "torchvision:mobilenet_v3_large": 5.483,
}  # fmt: skip
"""Parameters that the sources print, some rounded and some truncated."""


@pytest.mark.parametrize("name", MILLIONS)
def test_published_network_has_the_stated_number_of_parameters(name: str) -> None:
    assert cost(PUBLISHED[name].config).num_params / 1e6 == pytest.approx(MILLIONS[name], abs=0.001)


@pytest.mark.parametrize(("name", "resize"), [("torchvision:mobilenet_v2", 232), ("torchvision:mobilenet_v2_v1", 256),
                                              ("dli14:1.0_192", 219)])  # fmt: skip
def test_images_are_resized_as_the_source_resizes_them(name: str, resize: int) -> None:
    assert eval_resize(PUBLISHED[name].config) == resize


@pytest.mark.parametrize(
    "name", ["dli14:1.0_96", "dli14:0.1_224", "dli14:v3_small_0.75", "torchvision:mobilenet_v3_large"]
)
def test_published_network_is_downloaded_once_with_the_weights_of_its_author(
    server: Served, monkeypatch: pytest.MonkeyPatch, own_cache: Path, name: str
) -> None:
    torch.manual_seed(0)
    theirs = randomised(build_model(PUBLISHED[name].config))
    serve(server, monkeypatch, name, like_dli14(theirs) if name.startswith("dli14") else theirs.state_dict())

    networks = [published_network(name) for _ in range(2)]

    assert len(server.requested) == len(cached_weights(own_cache)) == 1
    for network in networks:
        assert (network.config, network.classes) == (PUBLISHED[name].config, imagenet_classes())
        loaded = network.model.state_dict()
        assert all(torch.equal(loaded[key], tensor) for key, tensor in theirs.state_dict().items())
        norms = [module for module in network.model.modules() if isinstance(module, nn.BatchNorm2d)]
        assert {norm.eps for norm in norms} == {1e-3 if name == "torchvision:mobilenet_v3_large" else 1e-5}


def test_download_with_another_hash_is_refused_and_deleted(
    server: Served, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    model = build_model(PUBLISHED["dli14:0.1_224"].config)
    serve(server, monkeypatch, "dli14:0.1_224", like_dli14(model), spoil=True)

    with pytest.raises(ConfigError, match=r"cannot download http://.* \(invalid hash value .*; nothing was kept"):
        published_network("dli14:0.1_224")

    assert cached_weights(own_cache) == []
    serve(server, monkeypatch, "dli14:0.1_224", like_dli14(model))  # the server was mended
    assert published_network("dli14:0.1_224").config.width_mult == 0.1


def test_missing_file_on_the_server_is_a_clear_error(server: Served, own_cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot download .*/gone-01234567.pth \(HTTP Error 404: File not found\)"):
        fetch_weights(f"{server.url}/gone-01234567.pth")
    with pytest.raises(ConfigError, match=r"cannot download .* \(.*refused.*\)"):
        fetch_weights("http://127.0.0.1:1/gone-01234567.pth")
    assert cached_weights(own_cache) == []


def test_unwritable_cache_is_a_clear_error(server: Served, own_cache: Path) -> None:
    own_cache.write_text("a file")

    with pytest.raises(ConfigError, match="cannot download "):
        fetch_weights(server.add({}))


def test_concurrent_requests_download_a_file_once(server: Served) -> None:
    url = server.add({"weight": torch.ones(1000)})
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(fetch_weights, [url] * 8))

    assert len(paths) == len(server.requested) == 1


def test_unknown_network_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown published network 'dli14:0.36_224'; did you mean dli14:0.35_224"):
        published_network("dli14:0.36_224")


@pytest.mark.parametrize("name", PUBLISHED)
def test_name_of_every_published_file_includes_its_hash(name: str) -> None:
    """`fetch_weights` asserts that the name includes a hash before it connects to the server."""
    with pytest.raises(ConfigError, match="cannot download"):
        fetch_weights(f"http://127.0.0.1:1/{PUBLISHED[name].url.rpartition('/')[2]}")


def test_timm_network_without_timm_names_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)

    with pytest.raises(ConfigError, match=r"needs timm; run it as `uv run --with timm run_sweep"):
        published_network("timm:mobilenetv2_100")


@pytest.mark.parametrize("name", TIMM)
def test_tensors_of_timm_are_loaded_by_their_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    theirs = randomised(build_model(replace(PUBLISHED["dli14:1.0_224"].config, width_mult=TIMM[name])))
    model = SimpleNamespace(state_dict=lambda: like_timm(theirs))
    created = {name.removeprefix("timm:"): model}
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda name, pretrained: created[name]))

    loaded = published_network(name).model.state_dict()

    assert all(torch.equal(loaded[key], tensor) for key, tensor in theirs.state_dict().items())


def test_tensors_of_timm_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = like_timm(build_model(PUBLISHED["dli14:1.0_224"].config))
    del state["blocks.1.0.conv_pw.weight"]
    model = SimpleNamespace(state_dict=lambda: state)
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda name, pretrained: model))

    with pytest.raises(ConfigError, match=r"timm:mobilenetv2_100 does not fit its network: "):
        published_network("timm:mobilenetv2_100")
