"""The losses of a short training equal committed ones, so that no change of the training goes unnoticed."""
# pyright: reportPrivateUsage=false

import pytest
import torch

from tests.trainers.conftest import MakePoint
from trainers.training.classifier import Training, train_point

LOSSES = [2.462982, 2.375886, 2.352017, 2.179198, 2.090484, 2.002752, 1.954572, 1.887184]
"""Loss of every step. Without batch normalisation, rounding errors of other CPUs and thread counts do not grow."""


def test_losses_of_the_first_steps_equal_the_committed_losses(
    make_point: MakePoint, linear_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    make_step = Training._step

    def recorded_step(
        self: Training, images: torch.Tensor, labels: torch.Tensor, *, images_per_step: int
    ) -> torch.Tensor:
        loss = make_step(self, images, labels, images_per_step=images_per_step)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(Training, "_step", recorded_step)
    point = make_point(
        model=linear_model, epochs=2, lr=0.01, lr_schedule="cosine", warmup_epochs=0.5, warmup_start_lr=0.002,
        weight_decay=2.0, label_smoothing=0.1, crop_scale=1.0, precision="fp32",
    )  # fmt: skip
    list(train_point(point))
    assert losses == pytest.approx(LOSSES, rel=1e-3)
