"""Depthwise convolutions, and a variant whose gradients a CPU computes fast in bf16."""

import torch
from torch import nn


def is_depthwise(module: nn.Module) -> bool:
    """Whether `module` is a convolution in which each input channel has filters of its own."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


class Bf16DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution under a CPU's bf16 autocast, in fp32 where its gradient would be slow.

    oneDNN has bf16 kernels for that gradient only at stride 1 and where the kernel fits into the image; elsewhere it
    falls back to loops that take 3 to 80 times as long as fp32 (measured on Zen 4, PyTorch 2.13).
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "Bf16DepthwiseConv2d":
        """A layer that shares all state of `conv`: settings, parameters and hooks."""
        layer = cls.__new__(cls)
        layer.__dict__.update(conv.__dict__)
        return layer

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, H', W'), in fp32 where the gradient needs it."""
        fast = max(self.stride) == 1 and min(input.shape[-2:]) >= max(self.kernel_size)
        if fast or not torch.is_grad_enabled():
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def use_fast_bf16_gradients(model: nn.Module) -> None:
    """Replace every depthwise Conv2d inside `model` by a Bf16DepthwiseConv2d, in place; weights and names stay.

    A subclass of Conv2d stays as it is, as it may compute something else.
    """
    replaced: dict[nn.Module, nn.Module] = {}
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and is_depthwise(child):
                setattr(parent, name, replaced.setdefault(child, Bf16DepthwiseConv2d.of(child)))
