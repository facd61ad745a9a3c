"""A trial trains one or more points and yields their measurements. Standard library only."""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from trainers.config import TrainConfig
from trainers.errors import DIVERGED, TrainingDivergedError

STOP = "stop"
"""Name of the file in a point's folder that ends the training of the point after the epoch at hand."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """All settings of one training, with the id and the folder of its checkpoints."""

    id: str
    config: TrainConfig
    folder: Path
    fingerprint: str | None = None
    """Fingerprint of the dataset that the point was planned for; unset: any dataset at `config.data`."""

    @property
    def is_stopped(self) -> bool:
        """Whether the driver of the sweep wants no further epoch of this point."""
        return (self.folder / STOP).exists()

    def stop(self) -> None:
        """Ask the trial for no further epoch of this point."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / STOP).touch()

    def go_on(self) -> None:
        """Withdraw an earlier `stop`."""
        (self.folder / STOP).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The points that one process, or one group of processes, trains."""

    id: str
    """The id of the point where the trial has one point alone."""
    points: tuple[Point, ...]
    """One or more."""
    folder: Path
    """Folder for what the points share, such as one set of weights; the point's own where there is one point alone."""

    @classmethod
    def alone(cls, point: Point) -> Self:
        """The trial of one point."""
        return cls(id=point.id, points=(point,), folder=point.folder)

    def of(self, points: tuple[Point, ...]) -> Self:
        """This trial with some of its points."""
        return replace(self, points=points)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one point showed at the end of one epoch. Accuracies in percent, over every image of the split."""

    point: str
    """The id of the point."""
    epoch: int
    """Epochs trained so far, from 1."""
    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float
    """Mean loss over the epoch's training images, with label smoothing where it is on."""
    val_loss: float
    """Mean cross-entropy over the validation split, without label smoothing."""
    top1: float
    top5: float
    images_per_second: float
    """Training images per second of this epoch, evaluation excluded."""
    train_seconds: float
    """Seconds spent on training and evaluation since the first epoch, over all resumptions."""
    measured_at: float
    """Seconds since 1970, for logs; durations come from a monotonic clock."""
    device: str
    """Where it ran and in which arithmetic, such as `cpu fp32`."""
    parts: int = 1
    """In which each batch was computed: `accumulate`, or more where the memory did not suffice."""
    raw_top1: float | None = None
    """`top1` of the weights as the optimiser left them, where `top1` and the rest are of their moving average."""
    test_top1: float | None = None
    """The best checkpoint's accuracy on the test split; only on the last epoch, and only where a test split exists."""
    test_top5: float | None = None
    test_loss: float | None = None

    def __post_init__(self) -> None:
        """Refuse a figure that is no result.

        Raises:
            TrainingDivergedError: a value is NaN or infinite.
        """
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainingDivergedError(f"{DIVERGED} at epoch {self.epoch}, {name} {value}")


class Train(Protocol):
    """Trains the points of a trial and yields a Measurement of each point, in the order of its epochs.

    A point may be measured at every epoch, or at its last epoch alone. A point is complete with the measurement of its
    last epoch. Where the folder of the trial or of a point holds a checkpoint, training goes on from there, and the
    measurements of finished epochs are yielded again first, so that the listener misses none. A point that
    `Point.is_stopped` tells of needs no further epoch.
    """

    def __call__(self, trial: Trial) -> Iterator[Measurement]: ...


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A way to train the points of a trial."""

    doc: str
    """One line for `run_sweep.py list`."""
    train: Train
    together: Callable[[TrainConfig], Hashable | None] = lambda config: None
    """Key of the points that are trained in one trial; None: the point has a trial of its own."""
    shares_weights: bool = False
    """Whether the result of a point depends on the other points of its trial."""
    step_share: Callable[[Sequence[TrainConfig]], float] = lambda configs: 1.0
    """Time of a training step of a trial with these points, relative to a step of each point in a trial of its own."""
