"""Every registered trainer keeps the contract of trainers, on real small networks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.trainers.conftest import trial_of
from trainers.datasets.registry import load_dataset
from trainers.errors import OtherImagesError
from trainers.registry import TRAINERS
from trainers.trial import Measurement, Point
from trainers.weights import checkpoint

MakePoint = Callable[..., Point]
MakeFolder = Callable[[Mapping[str, int]], Path]


def assert_is_history(history: list[Measurement], point: Point, has_test: bool) -> None:
    assert [m.epoch for m in history] == list(range(1, point.config.epochs + 1))
    for m in history:
        assert 0 <= m.top1 <= m.top5 <= 100
        assert m.val_loss > 0
        assert m.train_loss > 0
        assert m.images_per_second > 0
        assert m.lr > 0
        assert m.device
        assert (m.test_top1 is not None) == (has_test and m.epoch == point.config.epochs)
    for earlier, later in pairwise(history):
        assert earlier.train_seconds < later.train_seconds
        assert earlier.measured_at < later.measured_at


@pytest.mark.parametrize("name", TRAINERS)
def test_trainer_keeps_its_contract(name: str, make_point: MakePoint) -> None:
    points = [make_point("a", epochs=2), make_point("b", epochs=1, model="mobilenet_v3_small")]
    running = TRAINERS[name].train(trial_of(points))
    first = next(running)
    history = list(TRAINERS[name].train(trial_of(points)))

    assert first in history
    for point in points:
        assert_is_history([m for m in history if m.point == point.id], point, has_test=True)
        assert (point.folder / checkpoint.BEST).is_file()
    assert list(TRAINERS[name].train(trial_of(points))) == history


@pytest.mark.parametrize("name", TRAINERS)
def test_trainer_takes_an_image_folder_without_test_split(
    name: str, make_point: MakePoint, make_folder: MakeFolder
) -> None:
    folder = make_folder({"train/a": 6, "train/b": 5, "val/a": 2, "val/b": 3})
    point = make_point(data=str(folder), num_classes=2, batch_size=4, epochs=2)

    history = list(TRAINERS[name].train(trial_of([point])))

    assert_is_history(history, point, has_test=False)
    assert all(m.top1 in (0, 20, 40, 60, 80, 100) and m.top5 == 100 for m in history)


@pytest.mark.parametrize("name", TRAINERS)
def test_trainer_refuses_images_with_another_fingerprint(name: str, make_point: MakePoint) -> None:
    point = replace(make_point(epochs=1), fingerprint="another")

    with pytest.raises(OtherImagesError, match=r"^digits on .* does not hold the images that p was planned for"):
        list(TRAINERS[name].train(trial_of([point])))

    assert not point.folder.exists()
    assert list(TRAINERS[name].train(trial_of([replace(point, fingerprint=load_dataset("digits").fingerprint)])))


@pytest.mark.parametrize("name", TRAINERS)
def test_trainer_ends_a_stopped_point_and_trains_the_others(name: str, make_point: MakePoint) -> None:
    stopped, other = make_point("a", epochs=3), make_point("b", epochs=2)
    stopped.stop()

    history = list(TRAINERS[name].train(trial_of([stopped, other])))

    assert [m.epoch for m in history if m.point == other.id] == [1, 2]
    assert len([m for m in history if m.point == stopped.id]) <= 1
