"""A small trainer whose points share one set of weights: slices of one layer of a real network on real digits.

The hidden layer has as many units as the widest point; a point of width w uses the first w-th part of them. Each step
trains all points that have not been stopped (Yu and Huang, "Universally Slimmable Networks", arXiv:1903.05134).
"""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainers.config import TrainConfig
from trainers.datasets.dataset import Split
from trainers.datasets.registry import load_dataset
from trainers.registry import TRAINERS
from trainers.training.step_time import Line, Timing
from trainers.trial import Measurement, Point, Trainer, Trial
from trainers.weights import checkpoint

UNITS = 32
SHARED = "shared.pt"


class Slices(nn.Module):
    """A network from images (B, 64) to logits (B, 10) that uses the first units of one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(64, UNITS), nn.Linear(UNITS, 10)

    def forward(self, images: torch.Tensor, width_mult: float) -> torch.Tensor:
        units = round(UNITS * width_mult)
        hidden = functional.relu(functional.linear(images, self.hidden.weight[:units], self.hidden.bias[:units]))
        return functional.linear(hidden, self.last.weight[:, :units], self.last.bias)


def train(trial: Trial) -> Iterator[Measurement]:
    """Train the slices of all points together, and measure every point at every epoch."""
    config = trial.points[0].config
    torch.manual_seed(config.seed)
    splits = {name: _tensors(split) for name, split in load_dataset(config.data).splits.items()}
    model = Slices()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    history: list[Measurement] = []
    state = checkpoint.load(trial.folder / SHARED)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history = [Measurement(**values) for values in state["history"]]
    yield from history
    for epoch in range(max((m.epoch for m in history), default=0) + 1, config.epochs + 1):
        training = [point for point in trial.points if not point.is_stopped]
        start = time.monotonic()
        order = torch.randperm(len(splits["train"][1]), generator=torch.Generator().manual_seed(epoch))
        for images, labels in zip(*(tensor[order].split(64) for tensor in splits["train"]), strict=True):
            optimizer.zero_grad()
            for point in training:
                functional.cross_entropy(model(images, point.config.width_mult), labels).backward()
            optimizer.step()
        measured = [_measure(point, model, *splits["val"], epoch, time.monotonic() - start) for point in training]
        history += measured
        for point in training:
            state = {"model": model.state_dict(), "width_mult": point.config.width_mult}
            checkpoint.save(state, point.folder / checkpoint.BEST)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        checkpoint.save({**state, "history": [vars(m) for m in history]}, trial.folder / SHARED)
        yield from measured
        time.sleep(PAUSE_SECONDS)


PAUSE_SECONDS = 0.3
"""Seconds to sleep after an epoch, so that a test can kill the driver or stop a point between two epochs."""


def _tensors(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, 64) from 0 to 1, and labels (N,)."""
    images = [torch.from_numpy(split.decode(i, 8)[..., :1].copy()).flatten() for i in range(len(split))]
    return torch.stack(images).float() / 255, torch.as_tensor(split.labels)


@torch.no_grad()
def _measure(
    point: Point, model: Slices, images: torch.Tensor, labels: torch.Tensor, epoch: int, seconds: float
) -> Measurement:
    logits = model(images, point.config.width_mult)
    right = logits.topk(5).indices == labels[:, None]
    loss = functional.cross_entropy(logits, labels).item()
    figures: dict[str, Any] = {"train_loss": loss, "val_loss": loss, "lr": 0.01, "device": "cpu fp32"}
    return Measurement(
        point=point.id,
        epoch=epoch,
        top1=100 * right[:, 0].float().mean().item(),
        top5=min(100.0, 100 * right.any(dim=1).float().mean().item()),
        images_per_second=1000.0,
        train_seconds=seconds * epoch,
        measured_at=time.time(),
        **figures,
    )


def together(config: TrainConfig) -> tuple[object, ...]:
    """Return the key of a point; points that differ only in width have one key, as slices of one network."""
    return tuple(value for name, value in vars(config).items() if name != "width_mult")


SLICES = Trainer(doc="Trains slices of one network.", train=train, together=together, shares_weights=True)


def main(argv: list[str]) -> int:
    """Run the command line with this trainer, which is called `slices`."""
    import run_sweep
    from sweep.forecast import timings

    timing = Timing(train=Line(0.0, 0.001), memory=Line(1e8, 1e5), evaluate_seconds=0.0)
    timings.time_networks = lambda requests, slot: [timing] * len(requests)  # MobileNets are not what this one trains
    TRAINERS["slices"] = SLICES
    return run_sweep.main(argv)


if __name__ == "__main__":
    import sys

    from tests.sweep.run import shared_trainer  # under the name by which other processes import it

    sys.exit(shared_trainer.main(sys.argv[1:]))
