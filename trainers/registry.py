"""TRAINERS: the trainers by name."""

from trainers.training import classifier
from trainers.trial import Trainer

TRAINERS: dict[str, Trainer] = {
    "classifier": classifier.train,
}
