"""Scores of a trained network on a dataset, and its confusion matrix."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trainers.config import UNKNOWN_DATA
from trainers.datasets.batches.batches import batches
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.registry import check_split
from trainers.errors import ConfigError, spreadsheet_cell
from trainers.files import whole_file
from trainers.hardware.device import Device
from trainers.training.evaluate import Scores, evaluate
from trainers.use.matching import match_outputs
from trainers.weights.network import Network


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Result of a network on a split."""

    scores: Scores
    dataset: str
    num_images: int
    num_damaged: int
    """Images of the split that were left out because they cannot be decoded."""
    confusion: torch.Tensor
    """Numbers of images (K, K) by class (row) and first guess (column), for K outputs."""

    @property
    def recalls(self) -> torch.Tensor:
        """Share of each class whose first guess is right (K,), 0 to 1; NaN for a class without images."""
        return self.confusion.diagonal() / self.confusion.sum(dim=1)


def evaluate_network(
    network: Network,
    data: str | None = None,
    split: SplitName = "val",
    *,
    batch_size: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score `network` on every readable image of a split, prepared as in the evaluations of its training.

    Args:
        network: the network, which is moved to the GPU if there is one, and computes in the precision of its config.
        data: a dataset as in `TrainConfig.data`; unset: the dataset of the training.
        split: the name of the split; the `train` split is read without augmentation.
        batch_size: images in a batch, 2 or more; unset: the batch size of the training. The result is equal for all.
        announce: called with a message before all images of the split are checked, once on each machine, and with the
            note of the dataset, which says if the order of the classes is assumed.

    Raises:
        ConfigError: the dataset or split does not exist, or has a class that the network does not know.
    """
    config = network.config
    if data is None and config.data == UNKNOWN_DATA:
        raise ConfigError(f"{network.name} does not say what images it was trained on; name a dataset with --data")
    if batch_size is not None:
        config = replace(config, batch_size=batch_size, accumulate=1)
    dataset = check_split(data or config.data, split, announce)
    dataset, note = _relabelled(dataset, split, network.classes)
    if announce:
        announce("; ".join(filter(None, [f"{dataset.name}: {dataset.note}", note])))
    device = Device.of(config)
    num_workers = (os.cpu_count() or 1) if device.place.type == "cuda" else 0
    images = batches(dataset, split, config, num_workers=num_workers, centred=True)
    num_classes = len(network.classes)
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device.place)
    scores = evaluate(network.model.to(device.place), images, device.autocast, confusion=confusion)
    return Evaluation(
        scores=scores,
        dataset=dataset.name,
        num_images=images.num_images,
        num_damaged=len(dataset.splits[split].damaged),
        confusion=confusion.cpu(),
    )


def write_confusion(path: Path, evaluation: Evaluation, classes: Sequence[str]) -> None:
    """Write the confusion matrix as CSV: a row for each true class, a column for each first guess."""
    with whole_file(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file)
        names = list(map(spreadsheet_cell, classes))
        writer.writerow(["true class", *names])
        writer.writerows([name, *row] for name, row in zip(names, evaluation.confusion.tolist(), strict=True))


def _relabelled(dataset: Dataset, split: SplitName, classes: Sequence[str]) -> tuple[Dataset, str | None]:
    """Return `dataset` with labels in `split` that are places in `classes`, the names of the outputs; and a note on it.

    Raises:
        ConfigError: the dataset does not have the split, or has a class that is not in `classes`.
    """
    if split not in dataset.splits:
        raise ConfigError(f"{dataset.name} has no {split} split; it has {', '.join(dataset.splits)}")
    places, note = match_outputs(dataset.name, dataset.classes, classes)
    part = dataset.splits[split]
    return replace(dataset, splits={**dataset.splits, split: replace(part, labels=np.array(places)[part.labels])}), note
