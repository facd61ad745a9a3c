"""State dicts in the layouts of other authors, renamed from torchvision's without the code under test."""

import torch
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual as BlockV2
from torchvision.models.mobilenetv3 import InvertedResidual as BlockV3
from torchvision.ops.misc import Conv2dNormActivation, SqueezeExcitation

Tensors = dict[str, torch.Tensor]


def like_dli14(model: nn.Module) -> Tensors:
    """Return the state of torchvision's MobileNetV2 or V3 under d-li14's names."""
    state: Tensors = {}
    *features, last = model.features  # type: ignore[misc]
    put(state, "features.0.", {"0": features[0][0], "1": features[0][1]})
    for number, block in enumerate(features[1:], start=1):
        put(state, f"features.{number}.conv.", layers_v2(block) if isinstance(block, BlockV2) else layers_v3(block))
    put(state, "conv.", {"0": last[0], "1": last[1]})
    linears = {str(i): layer for i, layer in enumerate(model.classifier) if isinstance(layer, nn.Linear)}  # type: ignore[arg-type]
    put(
        state,
        "",
        {"classifier": linears["1"]} if len(linears) == 1 else {f"classifier.{i}": linears[i] for i in linears},
    )
    return state


def layers_v2(block: BlockV2) -> dict[str, nn.Module]:
    """Return the layers of a MobileNetV2 block as one flat sequence, in which activations are numbered too."""
    flat: list[nn.Module] = []
    for part in block.conv:
        flat += list(part) if isinstance(part, Conv2dNormActivation) else [part]
    return {str(i): layer for i, layer in enumerate(flat)}


def layers_v3(block: BlockV3) -> dict[str, nn.Module]:
    """Return the layers of a MobileNetV3 block as a flat sequence with a fixed place for squeeze-excite."""
    *convs, projection = [part for part in block.block if isinstance(part, Conv2dNormActivation)]
    squeezes = [part for part in block.block if isinstance(part, SqueezeExcitation)]
    flat: dict[str, nn.Module] = {}
    for i, conv in enumerate(convs):
        flat |= {str(3 * i): conv[0], str(3 * i + 1): conv[1]}
    place = 5 if len(convs) == 2 else 3
    for squeeze in squeezes:
        flat |= {f"{place}.fc.0": squeeze.fc1, f"{place}.fc.2": squeeze.fc2}
    after = 7 if len(convs) == 2 else 4
    return flat | {str(after): projection[0], str(after + 1): projection[1]}


def put(state: Tensors, prefix: str, layers: dict[str, nn.Module]) -> None:
    """Add the tensors of `layers` to `state`, with the 1 x 1 convolutions of squeeze-excite as linear layers."""
    for name, layer in layers.items():
        for leaf, tensor in layer.state_dict().items():
            linear = ".fc." in name and leaf == "weight"
            state[f"{prefix}{name}.{leaf}"] = tensor[..., 0, 0] if linear else tensor


def randomised(model: nn.Module) -> nn.Module:
    """Randomise the scales and statistics of `model`, so that a tensor in the wrong place changes the output."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(0, 0.1, generator=generator)  # type: ignore[union-attr]
    return model.eval()
