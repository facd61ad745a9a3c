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
    """Return the layers of a MobileNetV2 block by their number in a flat sequence; activations count as layers."""
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


def like_timm(model: nn.Module) -> Tensors:
    """Return the state of torchvision's MobileNetV2 or V3 under timm's names, sorted by name as safetensors are."""
    state: Tensors = {}
    stem, *blocks, last = model.features  # type: ignore[misc]
    put(state, "", {"conv_stem": stem[0], "bn1": stem[1]})
    is_v3 = isinstance(blocks[-1], BlockV3)
    for number, block in enumerate(blocks):
        parts = timm_block_v3(block) if is_v3 else timm_block_v2(block)
        put(state, f"blocks.{number // 3}.{number % 3}.", parts)
    linears = [layer for layer in model.classifier if isinstance(layer, nn.Linear)]  # type: ignore[union-attr]
    if is_v3:
        stage = len(blocks) // 3 + 1
        put(state, f"blocks.{stage}.0.", {"conv": last[0], "bn1": last[1]})
        put(state, "", {"conv_head": linears[0], "classifier": linears[1]})
        state["conv_head.weight"] = state["conv_head.weight"][..., None, None]
    else:
        put(state, "", {"conv_head": last[0], "bn2": last[1], "classifier": linears[0]})
    return dict(sorted(state.items()))


def timm_block_v2(block: BlockV2) -> dict[str, nn.Module]:
    """Return the layers of a MobileNetV2 block under timm's names."""
    *convs, projection, last_norm = block.conv
    names = ["conv_pw", "conv_dw"] if len(convs) == 2 else ["conv_dw"]
    layers = {name: conv[0] for name, conv in zip(names, convs, strict=True)}  # type: ignore[index]
    norms = {f"bn{i}": conv[1] for i, conv in enumerate(convs, 1)}  # type: ignore[index]
    ends = {"conv_pwl" if len(convs) == 2 else "conv_pw": projection, f"bn{len(convs) + 1}": last_norm}
    return layers | norms | ends


def timm_block_v3(block: BlockV3) -> dict[str, nn.Module]:
    """Return the layers of a MobileNetV3 block under timm's names."""
    *convs, projection = [part for part in block.block if isinstance(part, Conv2dNormActivation)]
    squeezes = [part for part in block.block if isinstance(part, SqueezeExcitation)]
    names = ["conv_pw", "conv_dw"] if len(convs) == 2 else ["conv_dw"]
    layers = {name: conv[0] for name, conv in zip(names, convs, strict=True)}
    norms = {f"bn{i}": conv[1] for i, conv in enumerate(convs, 1)}
    squeeze = {"se.conv_reduce": squeezes[0].fc1, "se.conv_expand": squeezes[0].fc2} if squeezes else {}
    ends = {"conv_pwl" if len(convs) == 2 else "conv_pw": projection[0], f"bn{len(convs) + 1}": projection[1]}
    return layers | norms | squeeze | ends


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
