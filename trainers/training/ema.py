"""The exponential moving average of a network's weights, which many published figures are of."""
# torch.optim.swa_utils uses the same multi-tensor operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from copy import deepcopy

import torch
from torch import nn


class Ema:
    """A copy of a network that follows its weights and running statistics.

    The decay of update n (from 1) is min(decay, (1 + n) / (10 + n)), so that the average soon forgets the initial
    weights. Source: `tf.train.ExponentialMovingAverage` with `num_updates`, as TF-slim's training script uses it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        self.num_updates = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards `model`, whose optimiser has just stepped."""
        self.num_updates += 1
        keep = min(self._decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(_averaged(self.model), _averaged(model), 1 - keep)
        for average, current in zip(self.model.buffers(), model.buffers(), strict=True):
            if not average.is_floating_point():  # the number of batches that normalisation has seen
                average.copy_(current)


def _averaged(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *(buffer for buffer in model.buffers() if buffer.is_floating_point())]
