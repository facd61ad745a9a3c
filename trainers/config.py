"""TrainConfig: every setting that decides the result of one training. Standard library only.

Its field names are the axes of a search space and the `--train.*` flags of the command line: a new field is both at
once.
"""

import math
from dataclasses import dataclass
from typing import Literal

from trainers.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of one training (a *point* of a sweep)."""

    data: str = "digits"
    """An embedded dataset by name, or the path of an image folder (`--data` for short)."""
    model: str = "mobilenet_v2"
    """The network family; `run_sweep.py list` names them all."""
    width_mult: float = 1.0
    """Multiplies the channels of every layer (the papers' alpha)."""
    resolution: int = 224
    """Height and width of the input, px."""
    num_classes: int | None = None
    """Outputs of the classifier; unset: as many as the dataset has."""
    dropout: float = 0.2
    """Probability of dropping a feature before the classifier (TensorFlow's keep probability is 1 minus this)."""
    round_nearest: int = 8
    """MobileNetV2 rounds channels to a multiple of this; d-li14's 0.1 network uses 4."""
    total_stride: Literal[4, 8, 16, 32] = 32
    """Input px per px of the last feature map. 32 as published; less sets the earliest strides to 1, for images of
    32 px and below."""

    epochs: int = 150
    """Passes over the training split."""
    batch_size: int = 256
    """Images per optimiser step."""
    accumulate: int = 1
    """Split each batch into this many parts whose gradients are added up, to fit a large batch into memory."""
    optimizer: Literal["sgd", "rmsprop", "adamw"] = "sgd"
    """SGD with Nesterov-free momentum, RMSprop (decay 0.9, eps 0.001) or AdamW."""
    lr: float = 0.05
    """Peak learning rate, for the batch size as given."""
    momentum: float = 0.9
    """Momentum of SGD and RMSprop, first beta of AdamW."""
    weight_decay: float = 4e-5
    """Decay of the parameters that `decay` selects."""
    decay: Literal["all", "weights"] = "all"
    """`all` parameters, or only `weights`: not biases and normalisation parameters."""
    label_smoothing: float = 0.0
    """Probability mass spread evenly over all classes."""
    lr_schedule: Literal["cosine", "linear", "step", "exponential", "constant"] = "cosine"
    """Shape of the learning rate after warmup, updated every step. `cosine` and `linear` end at 0; `step` multiplies
    by `lr_gamma` every `lr_step_epochs`; `exponential` falls smoothly by `lr_gamma` over the run."""
    lr_gamma: float = 0.1
    """Factor of the `step` and `exponential` schedules."""
    lr_step_epochs: float = 30.0
    """Epochs between the drops of the `step` schedule."""
    warmup_epochs: float = 0.0
    """Epochs of linear increase from 0 to `lr`."""
    crop_scale: float = 0.08
    """Smallest share of the image's area that a random training crop covers; 1 trains on the centre crop."""
    crop_share: float = 0.875
    """Evaluation resizes the shorter side to int(resolution / this) and cuts the centre; 1 keeps the whole side."""
    hflip: float = 0.5
    """Probability of mirroring a training image."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass (autocast). `auto` is bf16 on a GPU that has it and fp32 elsewhere.
    fp32 convolutions are TF32 on a GPU that has it, which is PyTorch's default."""
    seed: int = 0
    """Decides initial weights, order, crops and dropout. Two CPU runs with one seed are equal."""

    def __post_init__(self) -> None:
        _require(0 < self.width_mult <= 8, "width_mult", self.width_mult, "above 0 and at most 8")
        _require(8 <= self.resolution <= 2048, "resolution", self.resolution, "8 to 2048 px")
        _require(self.data != "", "data", repr(self.data), "the name of a dataset or a path")
        _require(
            self.num_classes is None or 2 <= self.num_classes <= 10**6, "num_classes", self.num_classes, "2 to 1000000"
        )
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "0 or more and below 1")
        _require(1 <= self.round_nearest <= 64, "round_nearest", self.round_nearest, "1 to 64")
        _require(1 <= self.epochs <= 10**6, "epochs", self.epochs, "1 to 1000000")
        _require(self.batch_size >= 2, "batch_size", self.batch_size, "2 or more: batch normalisation needs them")
        _require(
            self.accumulate >= 1 and self.batch_size >= 2 * self.accumulate,
            "accumulate",
            self.accumulate,
            f"1 to half of batch_size {self.batch_size}",
        )
        _require(0 < self.lr < math.inf, "lr", self.lr, "above 0 and finite")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "0 or more and below 1")
        _require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "0 or more and finite")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "0 or more and below 1")
        _require(0 < self.lr_gamma <= 1, "lr_gamma", self.lr_gamma, "above 0 and at most 1")
        _require(self.lr_step_epochs > 0, "lr_step_epochs", self.lr_step_epochs, "above 0")
        _require(
            0 <= self.warmup_epochs < self.epochs,
            "warmup_epochs",
            self.warmup_epochs,
            f"0 to below epochs {self.epochs}",
        )
        _require(0 < self.crop_scale <= 1, "crop_scale", self.crop_scale, "above 0 and at most 1")
        _require(0.1 <= self.crop_share <= 1, "crop_share", self.crop_share, "0.1 to 1")
        _require(0 <= self.hflip <= 1, "hflip", self.hflip, "0 to 1")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 or more and below 2**63")


def _require(holds: bool, field: str, value: object, allowed: str) -> None:
    if not holds:  # a NaN compares false everywhere, so it is refused too
        raise ConfigError(f"{field} is {value}; it must be {allowed}")
