"""A training can start from published weights, which a web server of the test serves."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainers.weights.layouts import like_dli14, randomised
from tests.trainers.weights.weights_server import Served, serving
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import build_model
from trainers.training.classifier import train_point
from trainers.training.start import STARTS, published_start
from trainers.trial import Point
from trainers.weights import checkpoint
from trainers.weights.published import PUBLISHED

MakePoint = Callable[..., Point]
START = "dli14:0.25_224"
FROZEN = {"width_mult": 0.25, "init": "published", "epochs": 1, "lr": 1e-12, "weight_decay": 0.0}
"""Settings of a training that leaves the weights unchanged."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A web server with weights of 1000 classes in d-li14's layout."""
    torch.manual_seed(0)
    state = like_dli14(randomised(build_model(PUBLISHED[START].config)))
    with serving(tmp_path / "served") as served:
        monkeypatch.setitem(PUBLISHED, START, replace(PUBLISHED[START], url=served.add(state)))
        yield served


def weights(point: Point) -> dict[str, torch.Tensor]:
    state = checkpoint.load(point.folder / checkpoint.LAST)
    assert state is not None
    return state["model"]


@pytest.mark.filterwarnings("ignore:.*keep their fresh weights")
@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_a_training_starts_from_the_published_weights(
    make_point: MakePoint, server: Served, ema_decay: float | None
) -> None:
    torch.manual_seed(0)
    published = randomised(build_model(PUBLISHED[START].config)).state_dict()
    point = make_point(**FROZEN, ema_decay=ema_decay)
    list(train_point(point))

    state = checkpoint.load(point.folder / checkpoint.LAST)
    assert state is not None
    for trained in [state["model"], *([state["ema"]["model"]] if ema_decay else [])]:
        convs = [key for key in trained if trained[key].dim() == 4]
        assert len(convs) == 52
        for key in convs:
            torch.testing.assert_close(trained[key], published[key], rtol=0, atol=1e-6)
        assert trained["classifier.1.weight"].shape == (10, 1280)


def test_head_for_other_classes_starts_fresh_with_a_warning(make_point: MakePoint, server: Served) -> None:
    with pytest.warns(UserWarning, match="0.25_224 has other classes: classifier.1.weight, classifier.1.bias keep"):
        list(train_point(make_point("published", **FROZEN)))


@pytest.mark.filterwarnings("error:.*keep their fresh weights")
def test_head_for_imagenet_classes_starts_from_published_weights(make_point: MakePoint, server: Served) -> None:
    point = make_point(**FROZEN, num_classes=1000)
    list(train_point(point))

    torch.manual_seed(0)
    published = randomised(build_model(PUBLISHED[START].config)).state_dict()
    head = weights(point)["classifier.1.weight"]
    torch.testing.assert_close(head, published["classifier.1.weight"], rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*keep their fresh weights")
def test_resumed_training_does_not_download_published_weights(
    make_point: MakePoint, server: Served, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"width_mult": 0.25, "init": "published", "epochs": 2}
    whole, parted = make_point("whole", **settings), make_point("parted", **settings)
    expected = list(train_point(whole))
    interrupted = train_point(parted)
    next(interrupted)
    interrupted.close()  # type: ignore[attr-defined] # a generator
    monkeypatch.setitem(PUBLISHED, START, replace(PUBLISHED[START], url="http://127.0.0.1:1/gone-01234567.pth"))

    resumed = list(train_point(parted))

    assert [m.train_loss for m in resumed] == [m.train_loss for m in expected]
    assert all(torch.equal(weights(whole)[key], tensor) for key, tensor in weights(parted).items())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"width_mult": 1.0, "resolution": 160}, "dli14:1.0_160"),
        ({"width_mult": 1.0, "resolution": 176}, "dli14:1.0_192"),
        ({"width_mult": 1.0, "resolution": 32, "total_stride": 8}, "dli14:1.0_96"),
        ({"width_mult": 1.0, "resolution": 300}, "dli14:1.0_224"),
        ({"width_mult": 0.35, "resolution": 96}, "dli14:0.35_224"),
        ({"width_mult": 0.1, "round_nearest": 4}, "dli14:0.1_224"),
        ({"model": "mobilenet_v3_large"}, "torchvision:mobilenet_v3_large"),
    ],
)
def test_published_start_has_equal_channels_and_the_nearest_resolution(settings: dict[str, float], name: str) -> None:
    assert published_start(TrainConfig(**settings)) == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [{"width_mult": 0.1}, {"width_mult": 0.6}, {"model": "mobilenet_v3_large", "width_mult": 0.75}]
)
def test_unpublished_channels_are_refused_with_the_published_choices(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"there are weights of mobilenet_v2 1, mobilenet_v2 0.75, .*; choose from"):
        published_start(TrainConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STARTS)
def test_every_start_is_the_network_that_a_training_builds(name: str) -> None:
    """A training builds no network with d-li14's epsilon of MobileNetV3, so no start may need that epsilon."""
    config = PUBLISHED[name].config

    assert (config.bn_eps, config.total_stride) == (None, 32)
    assert published_start(config) == name
