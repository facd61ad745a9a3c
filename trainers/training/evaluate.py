"""Accuracy and loss of a network over every image of a split."""

from dataclasses import dataclass

import torch
from torch import nn

from trainers.datasets.batches.batches import Batches, normalise
from trainers.hardware.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Mean loss and accuracies over the images of a split."""

    loss: float
    """Cross-entropy without label smoothing."""
    top1: float
    """Percent of images whose class has the highest logit."""
    top5: float
    """Percent of images whose class is among the five highest logits; 100 for a network with five classes or fewer."""


def evaluate(
    model: nn.Module, split: Batches, autocast: torch.autocast, *, confusion: torch.Tensor | None = None
) -> Scores:
    """Score `model` on every image of `split`, and leave the model in evaluation mode.

    If `confusion` (K, K) is given, on the device of the model, the function adds one to it for each image, at the row
    of its class and the column of the first guess. Each worker of a group scores its share of the images; all workers
    return the scores of the whole split.
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


def _batch_totals(logits_BC: torch.Tensor, guesses_BG: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Return sums over a batch (3,): loss, images with a right first guess, images with a right guess among all G."""
    loss = nn.functional.cross_entropy(logits_BC, labels_B, reduction="sum")
    right = guesses_BG == labels_B[:, None]
    return torch.stack([loss, right[:, 0].sum(), right.sum()]).double()
