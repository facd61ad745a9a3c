"""Accuracy and loss of a network over every image of a split."""

from dataclasses import dataclass

import torch
from torch import nn

from trainers.datasets.batches.batches import Batches, normalise
from trainers.hardware.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over a split; accuracies in percent."""

    loss: float
    """Cross-entropy without label smoothing."""
    top1: float
    top5: float
    """Share of images whose class is among the five highest logits; among all of them where there are fewer."""


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


def _batch_totals(logits_BC: torch.Tensor, guesses_BG: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Sums over a batch: loss, images right at the first guess, images right within five."""
    loss = nn.functional.cross_entropy(logits_BC, labels_B, reduction="sum")
    right = guesses_BG == labels_B[:, None]
    return torch.stack([loss, right[:, 0].sum(), right.sum()]).double()
