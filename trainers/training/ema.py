"""Exponential moving average of the weights of a network, which many published accuracies are of."""
# torch.optim.swa_utils uses these private multi-tensor operations too.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from copy import deepcopy

import torch
from torch import nn


class Ema:
    """A copy of a network that holds the moving average of the weights and running statistics.

    The decay of update number n (from 1) is min(decay, (1 + n) / (10 + n)), so that the average forgets the initial
    weights soon. Source: `tf.train.ExponentialMovingAverage` with `num_updates`, as TF-slim's training script uses it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        self.num_updates = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of `model`; call this after every step of the optimiser."""
        self.num_updates += 1
        decay = min(self._decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(_float_tensors(self.model), _float_tensors(model), 1 - decay)
        for average, current in zip(self.model.buffers(), model.buffers(), strict=True):
            if not average.is_floating_point():  # the batch counter of batch normalisation
                average.copy_(current)


def _float_tensors(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *(buffer for buffer in model.buffers() if buffer.is_floating_point())]
