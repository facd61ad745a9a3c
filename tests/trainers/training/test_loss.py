"""Smoothed labels equal explicit targets; mixed labels equal the shares of the mixed pixels."""

import pytest
import torch

from trainers.config import TrainConfig
from trainers.training.loss import build_criterion, build_mix

K = 5


def config(**settings: object) -> TrainConfig:
    return TrainConfig(num_classes=K, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("over", "true", "other"),
    [("all", 1 - 0.2 + 0.2 / K, 0.2 / K), ("others", 1 - 0.2, 0.2 / (K - 1))],  # PyTorch and TensorFlow; MindSpore
)
def test_label_smoothing_follows_its_source(over: str, true: float, other: float) -> None:
    logits, labels = torch.randn(7, K), torch.arange(7) % K
    targets = torch.full((7, K), other)
    targets[torch.arange(7), labels] = true

    loss = build_criterion(config(label_smoothing=0.2, smoothing_over=over))(logits, labels)

    torch.testing.assert_close(loss, -(targets * logits.log_softmax(1)).sum(1).mean())


def test_no_images_are_mixed_by_default() -> None:
    assert build_mix(config()) is None


@pytest.mark.parametrize("alphas", [{"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
def test_labels_are_mixed_in_proportion_to_pixels(alphas: dict[str, float]) -> None:
    torch.manual_seed(0)
    mix = build_mix(config(**alphas))
    labels = torch.arange(K)
    images = labels.float().view(K, 1, 1, 1).expand(K, 3, 32, 32)
    assert mix is not None
    kinds = set()
    for _ in range(20):
        mixed, targets = mix(images.clone(), labels)
        torch.testing.assert_close(targets.sum(1), torch.ones(K))
        torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ labels.float(), atol=1e-4, rtol=0)
        kinds.add("mixup" if len(mixed[1].unique()) == 1 else "cutmix")
    assert kinds == set(alphas)


def test_loss_accepts_mixed_labels() -> None:
    mix = build_mix(config(mixup=1.0))
    assert mix is not None
    _, targets = mix(torch.zeros(4, 3, 8, 8), torch.arange(4))

    loss = build_criterion(config(label_smoothing=0.1))(torch.zeros(4, K), targets)

    torch.testing.assert_close(loss, torch.tensor(float(K)).log())
