"""Accuracies of published ImageNet weights, as their sources state them, by name. Standard library only."""

STATED_TOP1: dict[str, float] = {
    "dli14:1.0_224": 72.192,
    "dli14:1.0_224_best": 72.834,
    "dli14:1.0_192": 71.076,
    "dli14:1.0_160": 69.504,
    "dli14:1.0_128": 66.740,
    "dli14:1.0_96": 62.696,
    "dli14:0.75_224": 69.952,
    "dli14:0.5_224": 64.592,
    "dli14:0.35_224": 60.092,
    "dli14:0.25_224": 52.352,
    "dli14:0.1_224": 34.896,
    "dli14:v3_large_1.0": 74.280,
    "dli14:v3_large_0.75": 72.842,
    "dli14:v3_small_1.0": 67.214,
    "dli14:v3_small_0.75": 64.876,
    "torchvision:mobilenet_v2": 72.154,
    "torchvision:mobilenet_v2_v1": 71.878,
    "torchvision:mobilenet_v3_large": 75.274,
    "torchvision:mobilenet_v3_large_v1": 74.042,
    "torchvision:mobilenet_v3_small": 67.668,
}
"""Top-1 in percent. Sources: the READMEs of d-li14/mobilenetv2.pytorch and mobilenetv3.pytorch; torchvision's weights
enums."""
TIMM: dict[str, float] = {"timm:mobilenetv2_050": 0.5, "timm:mobilenetv2_100": 1.0, "timm:mobilenetv2_140": 1.4}
"""Width multipliers of timm's MobileNetV2. Its deeper `d` variants are not a width of our network."""
