"""The accuracies that the project states for published weights equal those that torchvision states."""

from typing import Any

import pytest
from torchvision.models import MobileNet_V2_Weights, MobileNet_V3_Large_Weights, MobileNet_V3_Small_Weights

from trainers.weights.stated_accuracy import STATED_TOP1


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mobilenet_v2", MobileNet_V2_Weights.IMAGENET1K_V2),
        ("mobilenet_v2_v1", MobileNet_V2_Weights.IMAGENET1K_V1),
        ("mobilenet_v3_large", MobileNet_V3_Large_Weights.IMAGENET1K_V2),
        ("mobilenet_v3_large_v1", MobileNet_V3_Large_Weights.IMAGENET1K_V1),
        ("mobilenet_v3_small", MobileNet_V3_Small_Weights.IMAGENET1K_V1),
    ],
)
def test_stated_top1_equals_the_top1_of_torchvision(name: str, weights: Any) -> None:
    assert STATED_TOP1[f"torchvision:{name}"] == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
