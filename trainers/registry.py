"""TRAINERS: the trainers by name."""

from trainers.training import classifier
from trainers.trial import Trainer

TRAINERS: dict[str, Trainer] = {
    "classifier": Trainer(
        doc="Trains each point by itself, from its own weights, resumable at every epoch.", train=classifier.train
    ),
}
