"""Two processes that train together over gloo measure what one process measures."""

import pickle
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

from tests.trainers.conftest import MakePoint, trial_of
from trainers.config import TrainConfig
from trainers.datasets.dataset import DamagedImage, Dataset
from trainers.datasets.sources.digits import digits
from trainers.errors import ConfigError
from trainers.hardware.workers import Workers
from trainers.models.registry import MODELS
from trainers.training import classifier
from trainers.training.classifier import train, train_point
from trainers.trial import Measurement, Point
from trainers.weights import checkpoint

PLAIN = {
    "precision": "fp32",
    "crop_scale": 1.0,
    "crop_share": 1.0,
    "hflip": 0.0,
    "dropout": 0.0,
    "batch_size": 64,
    "lr": 0.02,
}
"""Settings with a random order only, so that one process and two train on equal images."""


def linear(config: TrainConfig) -> nn.Module:
    """Return a network without batch normalisation, so that its gradients add up over the images of all workers."""
    assert config.num_classes is not None
    return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 8 * 8, config.num_classes))


def work(rank: int, count: int, port: int, points: Sequence[Point], out: Path) -> None:
    """Train `points` in one of `count` processes, write the results to `out`, and check that damage is agreed on."""
    MODELS["linear"] = linear
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    measurements = list(train(trial_of(points)))
    (out / f"{rank}.pkl").write_bytes(pickle.dumps(measurements))
    (out / f"{rank}.reductions").write_text(str(count_reductions(points[1])))
    classifier.check_dataset = lambda _: with_damaged(rank)
    with pytest.raises(ConfigError, match="find different images of digits damaged"):
        classifier.Training(points[0])
    distributed.destroy_process_group()


def count_reductions(point: Point) -> tuple[int, int]:
    """Return the number of steps of one epoch and the number of gradient reductions over the workers."""
    training = classifier.Training(point)
    reductions: list[int] = []

    def counted(_: object, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
        reductions.append(bucket.index())
        return default_hooks.allreduce_hook(distributed.group.WORLD, bucket)

    assert isinstance(training.trained, nn.parallel.DistributedDataParallel)
    training.trained.register_comm_hook(None, counted)
    batches = training._batches("train")
    training._train_epoch(batches, 1)
    return len(batches), reductions.count(0)


def with_damaged(i: int) -> Dataset:
    """Return the digits as a machine sees them that cannot read the validation image `i`."""
    dataset = digits()
    val = replace(dataset.splits["val"], damaged=(DamagedImage(index=i, image=f"{i}.png", reason="torn"),))
    return replace(dataset, splits={**dataset.splits, "val": val})


def train_together(points: Sequence[Point], out: Path) -> list[list[Measurement]]:
    """Train `points` in two processes, and return the measurements of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (2, port, points, out), nprocs=2)
    return [pickle.loads((out / f"{rank}.pkl").read_bytes()) for rank in (0, 1)]


def test_two_workers_measure_what_one_measures(
    make_point: MakePoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses agree to a millionth without batch normalisation, and to 15 % with it, as each worker normalises alone."""
    monkeypatch.setitem(MODELS, "linear", linear)
    settings: dict[str, dict[str, Any]] = {
        "linear": {"model": "linear"},
        "averaged": {"model": "linear", "ema_decay": 0.9, "accumulate": 4},
        "odd": {"model": "linear", "batch_size": 10_000, "accumulate": 300, "epochs": 2},
        "mobilenet_v2": {
            "ema_decay": 0.9,
            "optimizer": "adamw",
            "lr": 0.005,
            "width_mult": 0.25,
            "resolution": 16,
            "epochs": 2,
        },
    }
    alone = [make_point(f"{name}_alone", **(PLAIN | changes)) for name, changes in settings.items()]
    together = [make_point(f"{name}_together", **(PLAIN | changes)) for name, changes in settings.items()]
    expected = list(train(trial_of(alone)))

    first, second = train_together(together, tmp_path)

    for one, two, other in zip(expected, first, second, strict=True):
        assert (two.top1, two.val_loss, two.train_loss, two.test_top1) == (
            other.top1, other.val_loss, other.train_loss, other.test_top1)  # fmt: skip
        exact = one.point.startswith(("linear", "averaged", "odd"))
        assert two.train_loss == pytest.approx(one.train_loss, rel=1e-6 if exact else 0.15)
        if exact:
            assert two.val_loss == pytest.approx(one.val_loss, rel=1e-6)
            assert (two.top1, two.top5, two.raw_top1, two.test_top1) == (
                one.top1,
                one.top5,
                one.raw_top1,
                one.test_top1,
            )
        assert two.device == f"2 x {one.device}"
    assert [(tmp_path / f"{rank}.reductions").read_text() for rank in (0, 1)] == ["(16, 16)"] * 2  # not 64
    # one process can resume from the checkpoint of two
    (last,) = (m for m in first if m.point == together[0].id and m.epoch == together[0].config.epochs)
    assert list(train_point(together[0]))[-1] == last
    states = [checkpoint.load(p.folder / checkpoint.BEST) for p in (alone[1], together[1])]
    assert states[0] is not None
    assert states[1] is not None
    for name, value in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("num_images", [1, 2, 4, 7, 60])
def test_shares_of_the_workers_make_up_the_batch(num_images: int, count: int) -> None:
    images = list(range(num_images))

    shares = [images[Workers(rank, count).share_of(num_images)] for rank in range(count)]

    assert sorted(image for share in shares for image in share) == images
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_single_process_shares_no_images_and_sums_no_tensors() -> None:
    alone = Workers.current()
    values = torch.ones(2)
    model = nn.Linear(1, 1)

    assert (alone.rank, alone.count, alone.first) == (0, 1, True)
    assert alone.sum(values) is values
    assert alone.wrap(model) is model
    alone.agree([values])
    assert values.tolist() == [1, 1]
