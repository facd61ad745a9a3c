"""What a trainer yields, and what a trainer is. Standard library only."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trainers.config import TrainConfig
from trainers.errors import DIVERGED, TrainingDivergedError


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training to do: its settings, its id and the folder that holds its checkpoints."""

    id: str
    config: TrainConfig
    folder: Path
    fingerprint: str | None = None
    """Of the dataset that it is to be trained on; unset: whatever lies there."""


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
        """Refuse what is no result.

        Raises:
            TrainingDivergedError: a value is NaN or infinite.
        """
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainingDivergedError(f"{DIVERGED} at epoch {self.epoch}, {name} {value}")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The time from normalised images to logits, of a whole batch."""

    runtime: str
    """The library and its version."""
    device: str
    """The processor's name and the arithmetic."""
    num_threads: int
    """CPU threads."""
    batch_size: int
    num_repeats: int
    median_ms: float
    p90_ms: float
    """Nine of ten runs took no longer."""


class Trainer(Protocol):
    """Trains points and yields one Measurement per point and epoch, in the order of epochs.

    A point whose folder holds a checkpoint goes on from it: the measurements of its finished epochs are yielded again
    first, so that whoever listens misses none. A point is complete with the measurement of its last epoch.
    """

    def __call__(self, points: Sequence[Point]) -> Iterator[Measurement]: ...
