"""TRAINERS: the trainers by name."""

from trainers import classifier
from trainers.measurement import Trainer

TRAINERS: dict[str, Trainer] = {
    "classifier": classifier.train,
}
