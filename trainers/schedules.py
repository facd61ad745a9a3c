"""The learning rate at any step, in closed form, so that a resumed run needs no state of it. Stdlib only."""

import math
from collections.abc import Callable

from trainers.config import TrainConfig

SCHEDULES: dict[str, Callable[[float, TrainConfig], float]] = {
    "constant": lambda progress, config: 1.0,
    "cosine": lambda progress, config: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress, config: 1 - progress,
    "exponential": lambda progress, config: config.lr_gamma**progress,
    "step": lambda progress, config: (
        config.lr_gamma ** math.floor(progress * (config.epochs - config.warmup_epochs) / config.lr_step_epochs + 1e-9)
    ),
}
"""Factor of the peak rate by name, from the share of the run after warmup that is done (0 to 1) and the settings."""


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of optimiser step `step` (from 0): linear from 0 over the warmup, then the schedule.

    Source of the per-iteration cosine, linear and exponential forms: d-li14/mobilenetv2.pytorch's `imagenet.py`.
    """
    warmup_steps = config.warmup_epochs * steps_per_epoch
    if step < warmup_steps:
        return config.lr * step / warmup_steps
    progress = (step - warmup_steps) / (config.epochs * steps_per_epoch - warmup_steps)
    return config.lr * SCHEDULES[config.lr_schedule](progress, config)
