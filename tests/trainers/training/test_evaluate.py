"""The scores of an evaluation equal those of a loop over single images."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import Batches, batches, normalise
from trainers.datasets.dataset import PackedImages
from trainers.datasets.sources.digits import digits
from trainers.models.registry import build_model
from trainers.training.evaluate import evaluate

FP32 = torch.autocast("cpu", enabled=False)


class Table(nn.Module):
    """A network that returns the next row of a table of logits for every image."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.num_images = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.num_images += len(images)
        return self.logits[self.num_images - len(images) : self.num_images]


def split(labels: list[int], batch_size: int = 2) -> Batches:
    def images(numbers: NDArray[np.int64]) -> PackedImages:
        return PackedImages.of([np.zeros((8, 8, 3), dtype=np.uint8)] * len(numbers))

    settings = TrainConfig(resolution=8, batch_size=batch_size)
    return Batches(images, torch.tensor(labels), settings, train=False, num_workers=0)


@pytest.mark.parametrize("batch_size", [7, 64, 360])
def test_scores_equal_a_loop_over_single_images(batch_size: int) -> None:
    config = TrainConfig(num_classes=10, width_mult=0.1, resolution=16, batch_size=batch_size, total_stride=8)
    torch.manual_seed(0)
    model = build_model(config)
    for module in model.modules():  # fresh statistics would make all logits alike
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    model.train()
    val = batches(digits(), "val", config, num_workers=0)
    with torch.no_grad():
        for images, _ in val:
            model(normalise(images))

    scores = evaluate(model, val, FP32)

    losses, right, within_five = [], 0, 0
    model.eval()
    for images, labels in val:
        for image, label in zip(images, labels.tolist(), strict=True):
            with torch.no_grad():
                logits = model(normalise(image[None]))[0].double().tolist()
            losses.append(math.log(sum(math.exp(x) for x in logits)) - logits[label])
            better = sum(x > logits[label] for x in logits)
            right += better == 0
            within_five += better < 5
    assert len(losses) == 360
    assert scores.loss == pytest.approx(sum(losses) / 360, rel=1e-4)
    assert scores.top1 == pytest.approx(100 * right / 360, abs=0.3)  # one image may tie
    assert scores.top5 == pytest.approx(100 * within_five / 360, abs=0.3)
    assert 0 < scores.top1 < scores.top5 < 100


@pytest.mark.parametrize("batch_size", [2, 3, 4, 5, 100])
def test_every_image_has_equal_weight_for_any_batch_size(batch_size: int) -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    labels = [0, 1, 2, 1, 2]
    scores = evaluate(Table(logits), split(labels, batch_size), FP32)
    log_sum = math.log(math.exp(2) + math.exp(1) + 1)

    assert scores.top1 == pytest.approx(60)
    assert scores.loss == pytest.approx((3 * (log_sum - 2) + (log_sum - 1) + log_sum) / 5)


@pytest.mark.parametrize("num_classes", [2, 3, 4, 5])
def test_top5_of_at_most_five_classes_is_100(num_classes: int) -> None:
    logits = torch.randn(6, num_classes)
    worst = logits.argmin(dim=1).tolist()
    scores = evaluate(Table(logits), split(worst), FP32)

    assert (scores.top1, scores.top5) == (0.0, 100.0)


@pytest.mark.parametrize(("rank", "top1", "top5"), [(0, 100.0, 100.0), (4, 0.0, 100.0), (5, 0.0, 0.0)])
def test_top5_counts_five_guesses(rank: int, top1: float, top5: float) -> None:
    logits = torch.arange(8, 0, -1).float().repeat(4, 1)
    scores = evaluate(Table(logits), split([rank] * 4), FP32)

    assert (scores.top1, scores.top5) == (top1, top5)


def test_evaluation_leaves_weights_statistics_and_gradients_unchanged() -> None:
    config = TrainConfig(num_classes=10, width_mult=0.1, resolution=16, batch_size=180)
    model = build_model(config).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    evaluate(model, batches(digits(), "val", config, num_workers=0), FP32)

    assert not model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
