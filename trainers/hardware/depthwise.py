"""Depthwise convolutions: which they are, and gradients of them that a CPU computes fast in bf16."""

import torch
from torch import nn


def is_depthwise(module: nn.Module) -> bool:
    """Whether each input channel of a convolution has filters of its own."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


class Bf16DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution under a CPU's bf16 autocast, in fp32 where its gradient would be slow.

    oneDNN has bf16 kernels for that gradient only at stride 1 and where the kernel fits into the image; elsewhere it
    falls back to loops that take 3 to 80 times as long as fp32 (measured on Zen 4, PyTorch 2.13).
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, H', W'), in fp32 where the gradient needs it."""
        fast = max(self.stride) == 1 and min(input.shape[-2:]) >= max(self.kernel_size)
        if fast or not torch.is_grad_enabled():
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def use_fast_bf16_gradients(model: nn.Module) -> None:
    """Make the depthwise convolutions of `model` such ones, in place; weights and names stay."""
    for module in model.modules():
        if is_depthwise(module):
            module.__class__ = Bf16DepthwiseConv2d
