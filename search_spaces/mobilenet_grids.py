"""The published grids of the MobileNet families, each citing its table."""

from dataclasses import replace

from search_spaces.space import Choice, Constraint, LogUniform, SearchSpace, Uniform
from trainers.config import TrainConfig

WIDE_AT_FULL_RESOLUTION = Constraint(
    "widths above 1 are published at 224 px only", lambda config: config.width_mult <= 1 or config.resolution == 224
)

MNV2_GRID = SearchSpace(
    doc="MobileNetV2, 6 widths x 5 resolutions: the 22 cells of TF-slim's README, which MindSpore trained again",
    axes={
        "width_mult": Choice((1.4, 1.3, 1.0, 0.75, 0.5, 0.35)),
        "resolution": Choice((224, 192, 160, 128, 96)),
    },
    constraints=(WIDE_AT_FULL_RESOLUTION,),
)
"""uv run run_sweep.py --space mnv2_grid --data /data/imagenet

Cost: 22 networks of 11.9 to 582 M MACs. Expect (TF-slim): 45.5 % top-1 at 0.35@96 to 75.0 % at 1.4@224.
"""

MNV2_DLI14 = SearchSpace(
    doc="MobileNetV2, 6 widths at 224 px and 4 more resolutions of 1.0: the 10 distinct cells of d-li14's README",
    axes={
        "width_mult": Choice((1.0, 0.75, 0.5, 0.35, 0.25, 0.1)),
        "resolution": Choice((224, 192, 160, 128, 96)),
        "round_nearest": Choice((8, 4)),
    },
    constraints=(
        Constraint("only width 1 is published below 224 px", lambda c: c.width_mult == 1 or c.resolution == 224),
        Constraint("only width 0.1 rounds to 4 channels", lambda c: (c.round_nearest == 4) == (c.width_mult == 0.1)),
    ),
)
"""uv run run_sweep.py --space mnv2_dli14 --data /data/imagenet

Cost: 10 networks of 12.9 to 301 M MACs. Expect (d-li14): 34.9 % top-1 at 0.1@224 to 72.2 % at 1.0@224.
"""

MNV1_GRID = SearchSpace(
    doc="MobileNetV1, 4 widths x 4 resolutions: the 16 cells of TF-slim's mobilenet_v1.md",
    axes={"width_mult": Choice((1.0, 0.75, 0.5, 0.25)), "resolution": Choice((224, 192, 160, 128))},
    base=TrainConfig(model="mobilenet_v1", dropout=0.001),
)
"""uv run run_sweep.py --space mnv1_grid --data /data/imagenet

Cost: 16 networks of 13.6 to 569 M MACs. Expect (TF-slim): 41.5 % top-1 at 0.25@128 to 70.9 % at 1.0@224.
"""

MNV3_GRID = SearchSpace(
    doc="MobileNetV3, large and small at widths 0.75 and 1.0: the 4 cells of TF-slim's and d-li14's tables",
    axes={"model": Choice(("mobilenet_v3_large", "mobilenet_v3_small")), "width_mult": Choice((1.0, 0.75))},
)
"""uv run run_sweep.py --space mnv3_grid --data /data/imagenet

Cost: 4 networks of 43.4 to 217 M MACs. Expect (d-li14): 64.9 % top-1 at small 0.75 to 74.3 % at large 1.0.
"""

MNV2_RECIPES = replace(
    MNV2_GRID,
    doc="mnv2_grid's cells with dropout, learning-rate schedule, learning rate and weight decay sampled",
    axes={
        **MNV2_GRID.axes,
        "lr_schedule": Choice(("cosine", "linear", "exponential")),
        "dropout": Uniform(0.0, 0.4),
        "lr": LogUniform(0.01, 0.2),
        "weight_decay": LogUniform(1e-5, 1e-4),
    },
    num_samples=66,
)
"""uv run run_sweep.py --space mnv2_recipes --data /data/imagenet --num-samples 66

Cost: with 66 samples, each of the 22 cells is trained once with each schedule.
"""

MNV2_SMALL_IMAGES = SearchSpace(
    doc="MobileNetV2 on 32 px images such as CIFAR's: 5 widths, 3 choices of early strides",
    axes={"width_mult": Choice((1.0, 0.75, 0.5, 0.35, 0.25)), "total_stride": Choice((16, 8, 4))},
    base=TrainConfig(
        resolution=32, epochs=60, batch_size=128, lr=0.1, weight_decay=5e-4, crop_scale=0.3, crop_share=1.0
    ),
)
"""uv run run_sweep.py --space mnv2_small_images --data /data/cifar10

Cost: 15 networks of 1.6 to 296 M MACs.
"""
