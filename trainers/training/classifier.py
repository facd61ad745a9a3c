"""The trainer of independent points: it trains one network for each point, and can resume after every epoch.

The seed and the epoch decide every random choice of an epoch, so a run that resumes from a checkpoint gives the result
of an uninterrupted run, bit for bit on one machine.
"""

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from trainers.datasets.batches.batches import Batches, batches, normalise
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.registry import check_dataset, load_dataset
from trainers.errors import DIVERGED, ConfigError, OtherImagesError, TrainingDivergedError
from trainers.hardware.device import Device, free_memory, is_out_of_memory
from trainers.hardware.workers import Workers
from trainers.models.registry import build_model
from trainers.training.ema import Ema
from trainers.training.evaluate import Scores, evaluate
from trainers.training.loss import build_criterion, build_mix
from trainers.training.optim import build_optimizer
from trainers.training.parts import MOST_HALVINGS, in_smaller_parts, number_of_parts
from trainers.training.schedules import learning_rate
from trainers.trial import Measurement, Point, Trial
from trainers.weights import checkpoint

CHECK_LOSS_EVERY = 50
"""Number of steps between two checks of the losses; each check waits for the GPU."""


def train(trial: Trial) -> Iterator[Measurement]:
    """Train the points of a trial one after another, on the GPU of this process or on its CPU; see `Train`."""
    for point in trial.points:
        for measurement in train_point(point):
            yield measurement
            if point.is_stopped:
                break


def train_point(point: Point) -> Iterator[Measurement]:
    """Train one point, from its last finished epoch on.

    If the memory does not suffice, the training resumes from its last epoch with every batch in twice as many parts.
    One worker of a group cannot do this by itself, so its error is raised.
    """
    for halvings in range(MOST_HALVINGS + 1):
        try:
            yield from Training(point).run()
            return
        except RuntimeError as error:
            if Workers.current().count > 1 or halvings == MOST_HALVINGS or not is_out_of_memory(error):
                raise
            smaller = in_smaller_parts(point)
            if smaller is None:
                raise
        point = smaller
        free_memory()


class Training:
    """The state of the training of one point: network, optimiser, history."""

    def __init__(self, point: Point) -> None:
        self.point, config = point, point.config
        self.config = config
        self.device, self.workers = Device.of(config), Workers.current()
        self.dataset = self._checked_dataset()
        torch.backends.cudnn.deterministic = True
        torch.manual_seed(config.seed)
        self.model = self.device.prepare(self._initial_model())
        if config.sync_bn and self.workers.count > 1:
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.trained = self.workers.wrap(self.model)
        self.ema = None if config.ema_decay is None else Ema(self.model, config.ema_decay)
        self.criterion, self.mix = build_criterion(config), build_mix(config)
        self.optimizer = build_optimizer(self.model, config)
        self.scaler = torch.amp.GradScaler(self.device.place.type, enabled=self.device.precision == "fp16")
        self.history: list[Measurement] = []

    def _checked_dataset(self) -> Dataset:
        """Return the dataset, checked on this node, which may not be the node that planned the point."""
        point = self.point
        if point.fingerprint not in (None, load_dataset(self.config.data).fingerprint):
            raise OtherImagesError(
                f"{self.config.data} on {platform.node()} does not hold the images that {point.id} was planned for: "
                "they have changed since, or this machine has others; restore them, or start a sweep of the new images"
            )
        dataset = check_dataset(self.config.data)
        damaged = [[image.index for image in split.damaged] for split in dataset.splits.values()]
        if any(other != damaged for other in self.workers.all_of(damaged)):
            raise ConfigError(
                f"the machines that train {point.id} together find different images of {dataset.name} damaged; "
                "replace the damaged images, or give all machines equal copies of the dataset"
            )
        return dataset

    def _initial_model(self) -> nn.Module:
        model = build_model(self.config)
        if self.config.init == "published" and not self._can_resume:
            from trainers.training.start import load_published_start  # few trainings need the published weights

            load_published_start(model, self.config)
        return model

    def run(self) -> Iterator[Measurement]:
        """Yield the measurements of the finished epochs, then train and measure the remaining epochs."""
        self._resume()
        yield from self.history
        if len(self.history) == self.config.epochs:
            return
        train, val = self._batches("train"), self._batches("val")
        for epoch in range(len(self.history) + 1, self.config.epochs + 1):
            start = time.monotonic()
            train_loss = self._train_epoch(train, epoch)
            images_per_second = len(train) * train.images_per_step / (time.monotonic() - start)
            scores = evaluate(self.scored, val, self.device.autocast)
            raw = evaluate(self.model, val, self.device.autocast) if self.ema else None
            is_best = scores.top1 > max((m.top1 for m in self.history), default=-1.0)
            test = self._test_best(at_hand=is_best) if epoch == self.config.epochs else None
            before = self.history[-1].train_seconds if self.history else 0.0
            self.history.append(
                Measurement(
                    point=self.point.id,
                    epoch=epoch,
                    lr=self.optimizer.param_groups[0]["lr"],
                    train_loss=train_loss,
                    val_loss=scores.loss,
                    top1=scores.top1,
                    top5=scores.top5,
                    images_per_second=images_per_second,
                    train_seconds=before + time.monotonic() - start,
                    measured_at=time.time(),
                    device=f"{self.workers.count} x {self.device}" if self.workers.count > 1 else str(self.device),
                    parts=self.config.accumulate,
                    raw_top1=raw and raw.top1,
                    test_top1=test and test.top1,
                    test_top5=test and test.top5,
                    test_loss=test and test.loss,
                )
            )
            self._save(scores if is_best else None)
            yield self.history[-1]

    @property
    def scored(self) -> nn.Module:
        """The network that is evaluated and saved as the best: the moving average if there is one, else the model."""
        return self.ema.model if self.ema else self.model

    def _batches(self, split: SplitName) -> Batches:
        num_workers = torch.get_num_threads() if self.device.place.type == "cuda" else 0
        return batches(self.dataset, split, self.config, num_workers=num_workers)

    def _train_epoch(self, train: Batches, epoch: int) -> float:
        """Train one epoch and return the mean loss of its steps."""
        rank = () if self.workers.first else (self.workers.rank,)
        torch.manual_seed(hash((self.config.seed, epoch, *rank)))  # decides dropout and mixing
        train.set_epoch(epoch)
        losses = torch.zeros(len(train), device=self.device.place)
        self.model.train()
        for i, (images, labels) in enumerate(train):
            lr = learning_rate(self.config, (epoch - 1) * len(train) + i, len(train))
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            losses[i] = self._step(
                images.to(self.device.place, non_blocking=True),
                labels.to(self.device.place, non_blocking=True),
                images_per_step=train.images_per_step,
            )
            if (i + 1) % CHECK_LOSS_EVERY == 0 or i + 1 == len(train):
                checked = slice(i // CHECK_LOSS_EVERY * CHECK_LOSS_EVERY, i + 1)
                self.workers.sum(losses[checked])  # so that all workers raise together
                _raise_if_diverged(losses, checked, epoch)
        models = [self.model, self.ema.model] if self.ema else [self.model]
        self.workers.agree(tensor for model in models for tensor in model.buffers())
        return losses.mean().item() / self.workers.count

    def _step(self, images: torch.Tensor, labels: torch.Tensor, *, images_per_step: int) -> torch.Tensor:
        """Make one optimiser step with this worker's images of a batch, in `accumulate` parts.

        `images_per_step` counts the images of all workers. Returns a loss whose mean over the workers is the mean loss
        of the batch.
        """
        weight = self.workers.count / images_per_step  # per image, because the gradients are averaged over the workers
        total = torch.zeros((), device=self.device.place)
        self.optimizer.zero_grad(set_to_none=True)
        num_parts = number_of_parts(self.config, images_per_step, self.workers.count)
        parts = zip(images.tensor_split(num_parts), labels.tensor_split(num_parts), strict=True)
        for i, (part, part_labels) in enumerate(parts, 1):
            inputs, targets = normalise(part), part_labels
            if self.mix:
                inputs, targets = self.mix(inputs, targets)
            with self.workers.averaging(self.trained, now=i == num_parts):
                with self.device.autocast:
                    loss = self.criterion(self.trained(inputs), targets) * (len(part) * weight)
                self.scaler.scale(loss).backward()
            total += loss.detach()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema:
            self.ema.update(self.model)
        return total

    def _test_best(self, *, at_hand: bool) -> Scores | None:
        """Return the test scores of the best network: the current one (`at_hand`) or its checkpoint; None: no split."""
        if "test" not in self.dataset.splits:
            return None
        return evaluate(self.scored if at_hand else self._load_best(), self._batches("test"), self.device.autocast)

    def _load_best(self) -> nn.Module:
        best = checkpoint.load(self.point.folder / checkpoint.BEST, self.device.place)
        assert best is not None
        model = self.device.prepare(build_model(self.config))
        model.load_state_dict(best["model"])
        return model

    def _save(self, best: Scores | None) -> None:
        """Write the checkpoint of the last epoch, and the best checkpoint if `best` are the scores of a best epoch."""
        if not self.workers.first:
            return
        folder, epoch = self.point.folder, len(self.history)
        if best is not None:
            state = {"model": self.scored.state_dict(), "epoch": epoch, "scores": asdict(best), **self._identity()}
            checkpoint.save(state, folder / checkpoint.NEXT_BEST)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": self.ema and {"model": self.ema.model.state_dict(), "num_updates": self.ema.num_updates},
            "history": [asdict(m) for m in self.history],
            **self._identity(),
        }
        checkpoint.save(state, folder / checkpoint.LAST)
        if best is not None:
            (folder / checkpoint.NEXT_BEST).replace(folder / checkpoint.BEST)

    def _identity(self) -> dict[str, Any]:
        """Return what makes a checkpoint usable without the log of its sweep."""
        return {
            "point": self.point.id,
            "config": asdict(self.config),
            "classes": list(self.dataset.classes),
            "fingerprint": self.dataset.fingerprint,
        }

    @property
    def _can_resume(self) -> bool:
        """Whether the folder holds a last checkpoint and the best one, without which training could not end whole."""
        has_best = any((self.point.folder / name).is_file() for name in (checkpoint.BEST, checkpoint.NEXT_BEST))
        return has_best and (self.point.folder / checkpoint.LAST).is_file()

    def _resume(self) -> None:
        state = checkpoint.load(self.point.folder / checkpoint.LAST, self.device.place) if self._can_resume else None
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            if self.ema:
                self.ema.model.load_state_dict(state["ema"]["model"])
                self.ema.num_updates = state["ema"]["num_updates"]
            self.history = [Measurement(**m) for m in state["history"]]
        next_best = self.point.folder / checkpoint.NEXT_BEST  # left by a process that was killed
        if self.workers.first and (best := checkpoint.load(next_best)):
            if best["epoch"] == len(self.history):
                next_best.replace(self.point.folder / checkpoint.BEST)
            else:
                next_best.unlink()


def _raise_if_diverged(losses: torch.Tensor, checked: slice, epoch: int) -> None:
    bad = (~losses[checked].isfinite()).nonzero()
    if len(bad):
        step = checked.start + int(bad[0])
        raise TrainingDivergedError(f"{DIVERGED} at epoch {epoch}, step {step + 1}, loss {losses[step].item()}")
