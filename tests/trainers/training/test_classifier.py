"""A training is reproducible, resumes bit for bit, and keeps the checkpoint of its best epoch."""

import math
import pickle
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.trainers.conftest import trial_of
from trainers.config import TrainConfig
from trainers.datasets.batches.batches import batches
from trainers.datasets.registry import load_dataset
from trainers.errors import TrainingDivergedError
from trainers.hardware.device import Device
from trainers.models.registry import MODELS, build_model
from trainers.training import classifier
from trainers.training.classifier import train, train_point
from trainers.training.evaluate import Scores, evaluate
from trainers.trial import Measurement, Point
from trainers.weights import checkpoint

MakeFolder = Callable[[Mapping[str, int]], Path]
MakePoint = Callable[..., Point]
CLOCKS = {"images_per_second", "train_seconds", "measured_at"}
"""Fields of a measurement that differ between two equal runs."""


def results(measurements: list[Measurement]) -> list[dict[str, Any]]:
    """Return the fields of every measurement, without the clocks and the name of the point."""
    return [{k: v for k, v in asdict(m).items() if k not in CLOCKS | {"point"}} for m in measurements]


def load(point: Point, name: str) -> dict[str, Any]:
    state = checkpoint.load(point.folder / name)
    assert state is not None
    return state


def assert_equal_weights(point: Point, other: Point, name: str) -> None:
    ours, theirs = load(point, name)["model"], load(other, name)["model"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def scores_of_best(point: Point, split: Any) -> Scores:
    """Evaluate the best checkpoint of a point on a split."""
    device = Device.of(point.config)
    model = build_model(point.config).to(device.place)
    model.load_state_dict(load(point, checkpoint.BEST)["model"])
    return evaluate(model, batches(load_dataset("digits"), split, point.config, num_workers=0), device.autocast)


@pytest.mark.parametrize("model", ["mobilenet_v1", "mobilenet_v3_small"])
def test_two_runs_of_one_seed_are_equal(make_point: MakePoint, model: str) -> None:
    first, second = (make_point(name, model=model, dropout=0.5, epochs=2) for name in ("first", "second"))

    assert results(list(train_point(first))) == results(list(train_point(second)))
    assert_equal_weights(first, second, checkpoint.LAST)
    assert_equal_weights(first, second, checkpoint.BEST)


def test_seed_changes_the_run(make_point: MakePoint, linear_model: str) -> None:
    losses = {next(train_point(make_point(f"p{seed}", model=linear_model, seed=seed))).train_loss for seed in range(3)}

    assert len(losses) == 3


def test_image_order_and_dropout_follow_seed_and_epoch(make_point: MakePoint, monkeypatch: pytest.MonkeyPatch) -> None:
    records: dict[str, list[float]] = {"images": [], "random numbers": []}

    class Witness(nn.Linear):
        """A linear network that records the images and a random number of every training step."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                records["images"].append(images[0].sum().item())
                records["random numbers"].append(torch.rand(1).item())
            return super().forward(images.flatten(1))

    monkeypatch.setitem(MODELS, "witness", lambda config: Witness(3 * 8 * 8, 10))
    settings = {
        "model": "witness",
        "batch_size": 1078,
        "epochs": 3,
        "crop_scale": 1.0,
        "hflip": 0.0,
    }  # one step an epoch
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        list(train_point(make_point(name, seed=seed, **settings)))

    for record in records.values():
        assert len(record) == 9
        assert record[:3] == record[3:6]
        assert len(set(record)) == 6


ALL_AT_ONCE = {"optimizer": "rmsprop_tf", "ema_decay": 0.9, "mixup": 0.2, "cutmix": 1.0, "augment": "trivialaugment",
               "random_erase": 0.5, "repeats": 2, "train_scale": 1.5}  # fmt: skip


@pytest.mark.parametrize("finished", [1, 2])
@pytest.mark.parametrize(
    "settings", [{"optimizer": "sgd"}, {"optimizer": "rmsprop"}, {"optimizer": "adamw"}, ALL_AT_ONCE]
)
def test_resumed_run_equals_the_uninterrupted_one(
    make_point: MakePoint, settings: dict[str, Any], finished: int
) -> None:
    settings = settings | {"dropout": 0.3, "lr": 0.01, "warmup_epochs": 0.5, "label_smoothing": 0.1}
    whole, parted = make_point("whole", **settings), make_point("parted", **settings)
    expected = list(train_point(whole))
    interrupted = train_point(parted)
    before = [next(interrupted) for _ in range(finished)]
    interrupted.close()  # type: ignore[attr-defined] # a generator

    resumed = list(train_point(parted))

    assert resumed[:finished] == before
    assert results(resumed) == results(expected)
    assert_equal_weights(parted, whole, checkpoint.LAST)
    assert_equal_weights(parted, whole, checkpoint.BEST)
    assert all(later.train_seconds > earlier.train_seconds for earlier, later in pairwise(resumed))


@pytest.mark.parametrize(("has_last", "top1"), [(False, 60.0), (True, 90.0)])
def test_best_checkpoint_of_a_killed_process_counts_only_with_its_epoch(
    make_point: MakePoint, linear_model: str, has_last: bool, top1: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed before or after it writes last.pt; the resumed training gets other scores."""
    top1s = [60.0, 90.0, *([] if has_last else [50.0, 55.0]), 40.0]
    monkeypatch.setattr(classifier, "evaluate", lambda *_: Scores(loss=1.0, top1=top1s.pop(0), top5=95.0))
    point = make_point(model=linear_model, epochs=2)
    save = checkpoint.save

    def save_until_killed(state: dict[str, Any], path: Path) -> None:
        if path.name == checkpoint.NEXT_BEST and state["epoch"] == 2:
            save(state, path)
            if has_last:
                monkeypatch.setattr(Path, "replace", rename_until_killed)
            else:
                raise KeyboardInterrupt
        else:
            save(state, path)

    def rename_until_killed(path: Path, target: Path) -> Path:
        if path.name == checkpoint.NEXT_BEST:
            raise KeyboardInterrupt
        return rename(path, target)

    rename = Path.replace
    monkeypatch.setattr(checkpoint, "save", save_until_killed)
    with pytest.raises(KeyboardInterrupt):
        list(train_point(point))
    monkeypatch.setattr(checkpoint, "save", save)
    monkeypatch.setattr(Path, "replace", rename)

    history = list(train_point(point))

    assert max(m.top1 for m in history) == load(point, "best.pt")["scores"]["top1"] == top1
    assert not (point.folder / checkpoint.NEXT_BEST).exists()


def test_run_killed_between_its_two_checkpoints_equals_the_uninterrupted_one(make_point: MakePoint) -> None:
    """An earlier version could leave a best.pt of an epoch that last.pt did not include."""
    whole, killed = make_point("whole"), make_point("killed")
    expected = list(train_point(whole))
    running = train_point(killed)
    next(running)
    shutil.copy(killed.folder / checkpoint.LAST, killed.folder / "first.pt")
    next(running)
    shutil.move(killed.folder / "first.pt", killed.folder / checkpoint.LAST)

    assert results(list(train_point(killed))) == results(expected)
    assert_equal_weights(killed, whole, checkpoint.BEST)


def test_finished_point_yields_its_history_without_training(make_point: MakePoint, linear_model: str) -> None:
    point = make_point(model=linear_model)
    first = list(train_point(point))
    written = {path: path.stat().st_mtime_ns for path in point.folder.iterdir()}

    assert list(train_point(point)) == first  # the clocks too
    assert {path: path.stat().st_mtime_ns for path in point.folder.iterdir()} == written


def test_finished_point_without_its_best_checkpoint_is_trained_again(make_point: MakePoint, linear_model: str) -> None:
    point = make_point(model=linear_model, epochs=2)
    first = list(train_point(point))
    best = load(point, "best.pt")
    (point.folder / "best.pt").unlink()

    again = list(train_point(point))

    assert results(again) == results(first)
    assert again[0].measured_at > first[-1].measured_at
    assert load(point, "best.pt")["epoch"] == best["epoch"]


def test_interrupted_trial_goes_on_with_the_next_point(make_point: MakePoint, linear_model: str) -> None:
    points = [make_point(name, model=linear_model, epochs=2, lr=lr) for name, lr in (("a", 0.1), ("b", 0.2))]
    running = train(trial_of(points))
    before = [next(running) for _ in range(3)]

    after = list(train(trial_of(points)))

    assert after[:3] == before
    assert [(m.point, m.epoch) for m in after] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


@pytest.mark.parametrize("accumulate", [2, 3, 7, 50])
def test_accumulated_parts_add_up_to_the_whole_batch(make_point: MakePoint, linear_model: str, accumulate: int) -> None:
    """A network without normalisation has a loss that is a mean over images, so parts of any sizes add up."""
    settings = {"model": linear_model, "batch_size": 101, "epochs": 1, "lr": 0.5, "crop_scale": 1.0}
    settings["precision"] = "fp32"
    whole, parted = make_point("whole", **settings), make_point("parted", accumulate=accumulate, **settings)
    (expected,), (measurement,) = list(train_point(whole)), list(train_point(parted))
    initial = make_point("initial", **(settings | {"lr": 1e-12}))
    list(train_point(initial))

    weights, reference, start = (load(p, checkpoint.LAST)["model"]["2.weight"] for p in (parted, whole, initial))
    torch.testing.assert_close(weights, reference, rtol=1e-3, atol=1e-5)
    assert (reference - start).abs().max() > 0.01
    assert measurement.train_loss == pytest.approx(expected.train_loss, rel=1e-4)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(7, 3), (10, 4), (21, 10), (100, 50)])
def test_no_part_of_a_batch_is_too_small_for_batch_normalisation(
    make_point: MakePoint, make_folder: MakeFolder, batch_size: int, accumulate: int
) -> None:
    """Batch normalisation of a 1 x 1 px feature map finds no variance in a single image."""
    folder = make_folder({"train/a": 11, "train/b": 10, "val/a": 2, "val/b": 0})
    settings = {"data": str(folder), "num_classes": 2, "total_stride": 32, "epochs": 1, "lr": 1e-6}
    point = make_point(batch_size=batch_size, accumulate=accumulate, **settings)

    (measurement,) = train_point(point)

    assert math.isfinite(measurement.train_loss)


class Small(nn.Module):
    """A network that runs out of memory on more than eight images, in training and in evaluation."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.pool, self.layer = nn.AdaptiveAvgPool2d(2), nn.Linear(12, config.num_classes or 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.layer(self.pool(images).flatten(1))


def test_point_that_runs_out_of_memory_goes_on_with_smaller_parts(
    make_point: MakePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither 32 nor 16 images fit; the losses equal those of a point with four parts from the start."""
    monkeypatch.setitem(MODELS, "small", Small)

    point = make_point(model="small", batch_size=32, epochs=2)
    reference = make_point(model="small", batch_size=32, epochs=2, accumulate=4)
    history, expected = list(train_point(point)), list(train_point(reference))

    assert [(m.epoch, m.parts) for m in history] == [(1, 4), (2, 4)]
    assert [m.train_loss for m in history] == [m.train_loss for m in expected]


def test_point_that_never_fits_fails_with_the_message_of_the_device(
    make_point: MakePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "small", Small)

    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        list(train_point(make_point(model="small", batch_size=512, epochs=1)))


def test_the_best_checkpoint_is_not_of_an_attempt_that_ran_out_of_memory(
    make_point: MakePoint, linear_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt scores 90 % and runs out of memory on the test split; the second attempt scores 50 %."""
    top1s: list[float | None] = [60.0, 90.0, None, 50.0, 55.0]

    def evaluate(*_: object) -> Scores:
        top1 = top1s.pop(0)
        if top1 is None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return Scores(loss=1.0, top1=top1, top5=95.0)

    monkeypatch.setattr(classifier, "evaluate", evaluate)
    point = make_point(model=linear_model, epochs=2)

    *_, last = train_point(point)

    assert (last.top1, last.test_top1, last.parts) == (50.0, 55.0, 2)
    assert load(point, "best.pt")["scores"]["top1"] == 60.0


def test_durations_ignore_a_clock_that_is_set_back(
    make_point: MakePoint, linear_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time=lambda: next(days), monotonic=time.monotonic)
    days = count(1e9, -86400.0)
    monkeypatch.setattr(classifier, "time", clock)

    first, second = train_point(make_point(model=linear_model, epochs=2))

    assert second.measured_at < first.measured_at
    assert 0 < first.train_seconds < second.train_seconds < 3600
    assert second.images_per_second > 0


@pytest.mark.parametrize(
    ("batch_size", "warmup_epochs", "where"),
    [
        (269, 0, "step 2, loss"),
        (269, 0.25, "step 3, loss"),
        (10, 0.6, "step 3, loss"),
        (1078, 0, "val_loss"),  # the only step of the epoch: its damage shows in the evaluation
    ],
)
def test_diverging_training_names_the_first_bad_loss(
    make_point: MakePoint, linear_model: str, batch_size: int, warmup_epochs: float, where: str
) -> None:
    """The first step with a rate above 0 spoils the weights; the next loss is not finite."""
    point = make_point(model=linear_model, lr=1e38, batch_size=batch_size, warmup_epochs=warmup_epochs)

    with pytest.raises(TrainingDivergedError, match=rf"^diverged at epoch 1, {where} (nan|inf)$") as caught:
        list(train_point(point))

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_test_split_is_scored_once_with_the_best_checkpoint(make_point: MakePoint) -> None:
    point = make_point(lr=0.2)
    *earlier, last = train_point(point)
    expected = scores_of_best(point, "test")

    assert all((m.test_top1, m.test_top5, m.test_loss) == (None, None, None) for m in earlier)
    assert (last.test_top1, last.test_top5) == (expected.top1, expected.top5)
    assert last.test_loss == pytest.approx(expected.loss, rel=1e-5)
    assert expected.top1 != last.top1


@pytest.mark.parametrize("lr", [2.0, 0.05, 1e-12])
def test_best_checkpoint_is_of_the_first_epoch_with_the_highest_top1(
    make_point: MakePoint, linear_model: str, lr: float
) -> None:
    """A rate of almost 0 makes every epoch a tie."""
    point = make_point(model=linear_model, lr=lr, epochs=5, lr_schedule="constant")
    history = list(train_point(point))
    best = load(point, checkpoint.BEST)
    top1s = [m.top1 for m in history]

    assert best["epoch"] == top1s.index(max(top1s)) + 1
    assert best["scores"]["top1"] == max(top1s) == scores_of_best(point, "val").top1


def test_checkpoint_names_its_point_settings_and_dataset(make_point: MakePoint, linear_model: str) -> None:
    point = make_point(model=linear_model, epochs=1)
    list(train_point(point))

    for name in (checkpoint.BEST, checkpoint.LAST):
        state = load(point, name)
        assert state["point"] == "p"
        assert state["config"] == asdict(point.config)
        assert state["classes"] == list("0123456789")
        assert state["fingerprint"] == load_dataset("digits").fingerprint


def test_label_smoothing_raises_the_floor_of_the_training_loss(make_point: MakePoint, linear_model: str) -> None:
    """No prediction beats the entropy of the smoothed label."""
    settings = {"model": linear_model, "optimizer": "adamw", "lr": 0.02, "epochs": 6, "batch_size": 32}
    plain, smooth = (
        list(
            train_point(
                make_point(f"s{mass}", crop_scale=1.0, hflip=0.0, label_smoothing=mass, crop_share=1.0, **settings)
            )
        )
        for mass in (0.0, 0.3)
    )
    right, wrong = 0.7 + 0.3 / 10, 0.3 / 10
    floor = -right * math.log(right) - 9 * wrong * math.log(wrong)

    assert plain[-1].train_loss < 0.3 < floor
    assert floor < smooth[-1].train_loss < floor + 0.3
    assert smooth[-1].top1 > 90


def test_measurement_reports_the_rate_of_the_last_step(make_point: MakePoint, linear_model: str) -> None:
    point = make_point(model=linear_model, lr=0.8, lr_schedule="linear", epochs=2, batch_size=269)  # 4 steps an epoch

    assert [m.lr for m in train_point(point)] == pytest.approx([0.8 * (1 - 3 / 8), 0.8 * (1 - 7 / 8)])


def test_training_learns_the_digits(make_point: MakePoint) -> None:
    point = make_point(
        width_mult=0.25,
        resolution=20,
        optimizer="adamw",
        lr=0.005,
        batch_size=32,
        crop_scale=1.0,
        crop_share=1.0,
        hflip=0.0,
        epochs=3,
    )
    history = list(train_point(point))

    assert history[-1].top1 > 80
    assert history[-1].test_top1 is not None
    assert history[-1].test_top1 > 80
    assert history[-1].train_loss < history[0].train_loss


def test_averaged_and_raw_weights_are_both_scored_and_saved(make_point: MakePoint) -> None:
    point = make_point(epochs=1, ema_decay=0.5, lr=0.01)

    (measurement,) = train_point(point)

    last = load(point, checkpoint.LAST)
    assert_equal = torch.testing.assert_close
    assert_equal(load(point, checkpoint.BEST)["model"], last["ema"]["model"], rtol=0, atol=0)
    assert last["ema"]["num_updates"] == 4
    model = build_model(point.config)
    for weights, top1 in ((last["ema"]["model"], measurement.top1), (last["model"], measurement.raw_top1)):
        model.load_state_dict(weights)
        split = batches(load_dataset("digits"), "val", point.config, num_workers=0)
        assert evaluate(model, split, Device.of(point.config).autocast).top1 == top1


def test_raw_top1_is_none_without_an_average(make_point: MakePoint, linear_model: str) -> None:
    assert [m.raw_top1 for m in train_point(make_point(model=linear_model))] == [None] * 3
