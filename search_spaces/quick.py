"""A search space for a sweep of minutes on a laptop, on embedded images."""

from search_spaces.space import Choice, SearchSpace
from trainers.config import TrainConfig

MNV2_QUICK = SearchSpace(
    doc="MobileNetV2, 3 widths x 3 resolutions on the embedded digits: minutes on 2 CPU cores",
    axes={"width_mult": Choice((0.5, 0.35, 0.25)), "resolution": Choice((28, 24, 20))},
    base=TrainConfig(
        data="digits",
        total_stride=8,
        epochs=5,
        batch_size=32,
        optimizer="adamw",
        lr=0.005,
        crop_scale=1.0,
        crop_share=1.0,
        hflip=0.0,
    ),
)
"""uv run run_sweep.py --space mnv2_quick

Cost: about a minute and a half on 2 CPU cores. Expect: 9 points above 90 % top-1.
"""
