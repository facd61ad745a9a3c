"""The learning rate at any step, in closed form, so that a resumed run needs no stored state. Standard library only."""

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
    "multistep": lambda progress, config: (
        config.lr_gamma
        ** sum(
            milestone <= config.warmup_epochs + progress * (config.epochs - config.warmup_epochs) + 1e-9
            for milestone in config.lr_milestones
        )
    ),
}
"""Factor of the peak rate by schedule, from the progress (0 to 1) of the run after the warmup and the settings."""


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Return the rate of optimiser step `step` (from 0): the warmup, then the schedule, scaled with the batch size.

    Sources: `imagenet.py` of d-li14/mobilenetv2.pytorch for the cosine, linear and exponential forms per iteration;
    arXiv:1706.02677, section 2.1, for the linear scaling with the batch size.
    """
    if config.lr_update == "epoch":
        step -= step % steps_per_epoch
    scale = config.batch_size / config.lr_base_batch if config.lr_base_batch else 1.0
    warmup_steps = config.warmup_epochs * steps_per_epoch
    if step < warmup_steps:
        return scale * (config.warmup_start_lr + (config.lr - config.warmup_start_lr) * step / warmup_steps)
    progress = (step - warmup_steps) / (config.epochs * steps_per_epoch - warmup_steps)
    return scale * config.lr * SCHEDULES[config.lr_schedule](progress, config)


def learning_rates(config: TrainConfig, *, samples_per_epoch: int = 20) -> tuple[list[float], list[float]]:
    """Return epochs (0 to below `epochs`) and the rate at each of them, for a plot."""
    steps = range(config.epochs * samples_per_epoch)
    epochs = [step / samples_per_epoch for step in steps]
    return epochs, [learning_rate(config, step, samples_per_epoch) for step in steps]
