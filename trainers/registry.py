"""TRAINERS: the trainers by name, each with what a plan must know of it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from trainers.config import TrainConfig
from trainers.training import classifier
from trainers.trial import Train


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


TRAINERS: dict[str, Trainer] = {
    "classifier": Trainer(
        doc="Trains each point by itself, from its own weights, resumable at every epoch.", train=classifier.train
    ),
}
