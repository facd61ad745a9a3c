"""Accuracy and loss of a network over every image of a split, and which classes it confuses."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from trainers.config import UNKNOWN_DATA
from trainers.datasets.batches import Batches, batches, normalise
from trainers.datasets.dataset import Dataset, SplitName, is_imagenet
from trainers.datasets.registry import load_dataset
from trainers.device import Device
from trainers.errors import ConfigError
from trainers.files import whole_file
from trainers.network import Network, imagenet_classes, unnamed
from trainers.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over a split; accuracies in percent."""

    loss: float
    """Cross-entropy without label smoothing."""
    top1: float
    top5: float
    """Share of images whose class is among the five highest logits; among all of them where there are fewer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a network does on a split."""

    scores: Scores
    dataset: str
    num_images: int
    confusion: torch.Tensor
    """Images (K, K) by their class (row) and by the first guess (column); K outputs."""


def evaluate(
    model: nn.Module, split: Batches, autocast: torch.autocast, *, confusion: torch.Tensor | None = None
) -> Scores:
    """Score `model` on every image of `split`, each counted once; leaves the model in evaluation mode.

    `confusion` (K, K), on the model's device, is added to where it is given. Workers that train together score a share
    each, and all return the scores of the whole split.
    """
    device = next(model.parameters()).device
    totals = torch.zeros(3, dtype=torch.float64, device=device)
    model.eval()
    with torch.inference_mode():
        for images, labels in split:
            labels = labels.to(device, non_blocking=True)
            with autocast:
                logits = model(normalise(images.to(device, non_blocking=True)))
            guesses = logits.float().topk(min(5, logits.shape[1]), dim=1).indices
            totals += _batch_totals(logits.float(), guesses, labels)
            if confusion is not None:
                pairs = labels * len(confusion) + guesses[:, 0]
                confusion += torch.bincount(pairs, minlength=confusion.numel()).view_as(confusion)
    loss, top1, top5 = (Workers.current().sum(totals) / split.num_images).tolist()
    return Scores(loss=loss, top1=100 * top1, top5=100 * top5)


def evaluate_network(
    network: Network, data: str | None = None, split: SplitName = "val", *, batch_size: int | None = None
) -> Evaluation:
    """Score `network` on every image of a split, prepared as in its training's evaluation.

    Args:
        network: on an NVIDIA GPU it is moved there, and computes in its config's precision.
        data: a dataset as in `TrainConfig.data`; unset: the one that it was trained on.
        split: `train` is evaluated like the others, without augmentation.
        batch_size: images at once, 2 or more; unset: as in training. It does not change the result.

    Raises:
        ConfigError: no such data or split, or classes that the network does not know.
    """
    config = network.config
    if data is None and config.data == UNKNOWN_DATA:
        raise ConfigError(f"{network.name} does not say what images it was trained on; name a dataset with --data")
    if batch_size is not None:
        config = replace(config, batch_size=batch_size, accumulate=1)
    dataset = _relabelled(load_dataset(data or config.data), split, network.classes)
    device = Device.of(config)
    num_workers = (os.cpu_count() or 1) if device.place.type == "cuda" else 0
    images = batches(dataset, split, config, num_workers=num_workers, centred=True)
    num_classes = len(network.classes)
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device.place)
    scores = evaluate(network.model.to(device.place), images, device.autocast, confusion=confusion)
    return Evaluation(scores=scores, dataset=dataset.name, num_images=images.num_images, confusion=confusion.cpu())


def write_confusion(path: Path, evaluation: Evaluation, classes: Sequence[str]) -> None:
    """Write the confusion matrix as CSV: a row for each true class, a column for each first guess."""
    with whole_file(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, evaluation.confusion.tolist(), strict=True))


def _relabelled(dataset: Dataset, split: SplitName, classes: Sequence[str]) -> Dataset:
    """`dataset` whose labels in `split` number the outputs that `classes` names.

    Raises:
        ConfigError: it has no such split, or a class that is no output.
    """
    if split not in dataset.splits:
        raise ConfigError(f"{dataset.name} has no {split} split; it has {', '.join(dataset.splits)}")
    if tuple(classes) == unnamed(0, len(dataset.classes)) or (
        is_imagenet(dataset.classes) and tuple(classes) == imagenet_classes()
    ):
        return dataset
    places = {name: place for place, name in enumerate(classes)}
    unknown = [name for name in dataset.classes if name not in places]
    if unknown:
        raise ConfigError(
            f"{dataset.name} has classes that the network does not know: {', '.join(unknown[:3])}; "
            f"it knows {', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''}"
        )
    part = dataset.splits[split]
    labels = torch.tensor([places[name] for name in dataset.classes])[torch.from_numpy(part.labels)].numpy()
    return replace(dataset, splits={**dataset.splits, split: replace(part, labels=labels)})


def _batch_totals(logits_BC: torch.Tensor, guesses_BG: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Sums over a batch: loss, images right at the first guess, images right within five."""
    loss = nn.functional.cross_entropy(logits_BC, labels_B, reduction="sum")
    right = guesses_BG == labels_B[:, None]
    return torch.stack([loss, right[:, 0].sum(), right.sum()]).double()
