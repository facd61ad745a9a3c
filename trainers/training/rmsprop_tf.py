"""RMSprop as TensorFlow computes it, which differs from PyTorch's RMSprop in three ways.

Epsilon is inside the square root, the mean square starts at 1, and the momentum buffer holds steps that already contain
their learning rate, so that a lower rate does not shrink earlier steps. Source: TensorFlow's ApplyRMSProp kernel
(tensorflow/core/kernels/training_ops.cc) and `tf.train.RMSPropOptimizer`.
"""
# The optimisers of torch.optim use these private multi-tensor operations too.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from collections.abc import Callable
from typing import Any

import torch


class RMSpropTF(torch.optim.Optimizer):
    """The update m = alpha * m + (1 - alpha) * g^2; step = momentum * step + lr * g / sqrt(m + eps); weight -= step."""

    def __init__(
        self, params: Any, *, lr: float, alpha: float, eps: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        """Add `weight_decay` times the weight to the gradient (L2), as the regularisers of TF-slim do."""
        super().__init__(
            params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._step(params, group)
        return loss

    def _step(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {"mean_square": torch.ones_like(p), "step": torch.zeros_like(p)}
        mean_squares = [self.state[p]["mean_square"] for p in params]
        steps = [self.state[p]["step"] for p in params]
        gradients = [p.grad for p in params if p.grad is not None]
        if group["weight_decay"]:
            gradients = torch._foreach_add(gradients, params, alpha=group["weight_decay"])
        torch._foreach_mul_(mean_squares, group["alpha"])
        torch._foreach_addcmul_(mean_squares, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_add(mean_squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(steps, group["momentum"])
        torch._foreach_addcdiv_(steps, gradients, roots, value=group["lr"])
        torch._foreach_sub_(params, steps)
