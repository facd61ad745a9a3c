"""The average of the weights equals its recursion, written out in the test."""

import pytest
import torch
from torch import nn

from trainers.training.ema import Ema


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9999])
def test_average_of_weights_follows_its_recursion(decay: float) -> None:
    model = nn.BatchNorm1d(3)
    ema = Ema(model, decay)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    for n in range(1, 6):
        with torch.no_grad():
            for value in (*model.parameters(), model.running_mean, model.running_var):
                value.copy_(torch.randn(3))
            model.num_batches_tracked += 1
        ema.update(model)
        keep = min(decay, (1 + n) / (10 + n))
        for name, value in model.state_dict().items():
            expected[name] = (
                value.clone() if name == "num_batches_tracked" else keep * expected[name] + (1 - keep) * value
            )

    for name, value in ema.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_averaging_leaves_the_network_unchanged() -> None:
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    ema = Ema(model, 0.9)
    with torch.no_grad():
        ema.model.weight.add_(1)
    ema.update(model)

    assert torch.equal(model.weight, before)
