"""A measurement with a number that is not finite is refused: the training diverged."""

from dataclasses import replace

import pytest

from trainers.errors import TrainingDivergedError
from trainers.trial import Measurement

GOOD = Measurement(
    point="a", epoch=3, lr=0.1, train_loss=1.0, val_loss=2.0, top1=50.0, top5=90.0, images_per_second=100.0,
    train_seconds=3.0, measured_at=1e9, device="cpu fp32",
)  # fmt: skip


@pytest.mark.parametrize("field", ["train_loss", "val_loss", "top1", "test_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_measurement_refuses_a_value_that_is_not_finite(field: str, value: float) -> None:
    with pytest.raises(TrainingDivergedError, match=f"diverged at epoch 3, {field} {value}"):
        replace(GOOD, **{field: value})
