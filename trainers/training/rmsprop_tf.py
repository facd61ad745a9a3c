"""RMSprop as TensorFlow computes it, which PyTorch's differs from in three ways.

Epsilon is under the root, the mean square starts at 1, and the momentum buffer holds steps that the learning rate has
scaled already, so that a lower rate leaves earlier steps as they were. Source: TensorFlow's ApplyRMSProp kernel
(tensorflow/core/kernels/training_ops.cc) and `tf.train.RMSPropOptimizer`.
"""
# torch.optim's own optimisers are written with the same multi-tensor operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from collections.abc import Callable
from typing import Any

import torch


class RMSpropTF(torch.optim.Optimizer):
    """m = alpha * m + (1 - alpha) * g^2; step = momentum * step + lr * g / sqrt(m + eps); weight -= step."""

    def __init__(
        self, params: Any, *, lr: float, alpha: float, eps: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        """`weight_decay` is added to the gradient (L2), as TF-slim's regularisers do."""
        super().__init__(
            params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step over all parameters that have a gradient."""
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
