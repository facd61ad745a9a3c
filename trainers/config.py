"""TrainConfig: every setting that decides the result of one training. Standard library only.

The field names are the axes of a search space and the `--train.*` flags of the command line: a new field becomes both
without further work. The default of a new field keeps earlier trainings as they were, so that the ids of their points
stay.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypeVar

from trainers.errors import ConfigError

UNKNOWN_DATA = "unknown"
"""Value of `TrainConfig.data` for a network that others trained."""
Role = Literal["network", "schedule", "training", "data", "run"]
"""What a field decides.

`network`: the network and its cost. `schedule`: the shape of the learning rate over the epochs. `training`: the result
in any other way. `data`: the images. `run`: nothing but chance.
"""
Flag = Literal["timed", "kept", "rounded"]
"""What else is true of a field.

`timed`: the duration of a step depends on the field, as on every network field. `kept`: a recipe leaves the field as
the search space has it, as every network, data and run field. `rounded`: several values can build one network, and the
shapes of its tensors tell which values do.
"""
T = TypeVar("T")


def setting(role: Role, default: T, *flags: Flag) -> T:
    """Declare a field of TrainConfig: its role, its default and its flags."""
    declared: Any = field(default=default, metadata={"marks": frozenset({role, *flags})})
    return declared


@cache
def names_of(cls: "type[TrainConfig]", *marks: Role | Flag) -> tuple[str, ...]:
    """Names of the fields of `cls` that have one of these roles or flags, in the order of the fields."""
    for declared in fields(cls):
        assert "marks" in declared.metadata, f"the field {declared.name} has no role; declare it with setting(...)"
    return tuple(declared.name for declared in fields(cls) if not declared.metadata["marks"].isdisjoint(marks))


def values_of(config: "TrainConfig", names: Iterable[str]) -> tuple[object, ...]:
    """Values of these fields of `config`."""
    return tuple([getattr(config, name) for name in names])


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of one training (a *point* of a sweep)."""

    data: str = setting("data", "digits")
    """A dataset by name (`digits`, `cifar10:ROOT`), or the path of an image folder or of Parquet shards."""
    model: str = setting("network", "mobilenet_v2")
    """The network family; `run_sweep.py list` names them all."""
    width_mult: float = setting("network", 1.0, "rounded")
    """Multiplies the channels of every layer (the papers' alpha)."""
    resolution: int = setting("network", 224)
    """Height and width of the input, px."""
    num_classes: int | None = setting("network", None)
    """Outputs of the classifier; unset: as many as the dataset has."""
    dropout: float = setting("training", 0.2)
    """Probability of dropping a feature before the classifier (TensorFlow's keep probability is 1 minus this)."""
    round_nearest: int = setting("network", 8, "rounded")
    """MobileNetV2 rounds channels to a multiple of this; d-li14's 0.1 network uses 4."""
    total_stride: Literal[4, 8, 16, 32] = setting("network", 32)
    """Input px per px of the last feature map. 32 as published; less sets the earliest strides to 1, for images of
    32 px and below."""

    init: Literal["random", "published"] = setting("training", "random")
    """`published` starts from ImageNet weights of the same channels, of the nearest resolution that was published; for
    other than 1000 classes with a fresh head."""
    epochs: int = setting("schedule", 150)
    """Passes over the training split."""
    batch_size: int = setting("training", 256, "timed")
    """Images per optimiser step."""
    accumulate: int = setting("training", 1)
    """Split each batch into this many parts whose gradients are added up, to fit a large batch into memory."""
    optimizer: Literal["sgd", "rmsprop", "rmsprop_tf", "adamw"] = setting("training", "sgd", "timed")
    """SGD with Nesterov-free momentum, RMSprop (decay 0.9), RMSprop as TensorFlow computes it, or AdamW."""
    lr: float = setting("training", 0.05)
    """Peak learning rate, for batches of `lr_base_batch`."""
    lr_base_batch: int | None = setting("training", None)
    """Batch size that `lr` is meant for: the rate used is lr * batch_size / lr_base_batch; unset: lr as it is."""
    momentum: float = setting("training", 0.9, "timed")
    """Momentum of SGD and RMSprop, first beta of AdamW."""
    rmsprop_eps: float = setting("training", 1e-3)
    """RMSprop's epsilon: added to the root (`rmsprop`) or under it (`rmsprop_tf`)."""
    weight_decay: float = setting("training", 4e-5)
    """Decay of the parameters that `decay` selects; 0: of none."""
    decay: Literal["all", "not_norm", "weights", "not_depthwise"] = setting("training", "all")
    """What decays: `all`; `not_norm`: all but normalisation; `weights`: nor biases; `not_depthwise`: nor depthwise."""
    label_smoothing: float = setting("training", 0.0)
    """Probability mass taken from the true class and spread evenly over the classes that `smoothing_over` names."""
    smoothing_over: Literal["all", "others"] = setting("training", "all")
    """`all` classes, the true one included (PyTorch, TensorFlow), or the `others` (MindSpore)."""
    lr_schedule: Literal["cosine", "linear", "step", "multistep", "exponential", "constant"] = setting(
        "schedule", "cosine"
    )
    """Shape of the rate after warmup: `cosine` and `linear` end at 0, `step` is a staircase of `lr_gamma` every
    `lr_step_epochs`, `multistep` of `lr_gamma` at `lr_milestones`, `exponential` falls by `lr_gamma` over the run."""
    lr_gamma: float = setting("schedule", 0.1)
    """Factor of the `step`, `multistep` and `exponential` schedules."""
    lr_step_epochs: float = setting("schedule", 30.0)
    """Epochs between the drops of `step`, counted from the end of the warmup; TF-slim's 2.5 is one."""
    lr_milestones: tuple[int, ...] = setting("schedule", ())
    """Epochs after which `multistep` drops, counted from the start; as an axis' value joined by +: 105+125."""
    lr_update: Literal["iteration", "epoch"] = setting("schedule", "iteration")
    """Whether the rate changes with every step, or stays for an epoch at what it is at its start."""
    warmup_epochs: float = setting("schedule", 0.0)
    """Epochs of linear increase from `warmup_start_lr` to `lr`."""
    warmup_start_lr: float = setting("training", 0.0)
    """Rate of the first step of a warmup, for batches of `lr_base_batch`."""
    ema_decay: float | None = setting("training", None, "timed")
    """Averages the weights: per step, average = decay * average + (1 - decay) * weights, the decay at most
    (1 + step) / (10 + step). The average is what is scored and kept as the best; `raw_top1` is of the raw weights."""
    bn_momentum: float | None = setting("training", None)
    """Share of the newest batch in batch normalisation's running statistics; unset: the network's own."""
    bn_eps: float | None = setting("training", None)
    """Batch normalisation's epsilon; unset: the network's own."""
    sync_bn: bool = setting("training", False)
    """Where several GPUs train a point: normalise over the whole batch, not over each GPU's share of it."""

    train_scale: float = setting("training", 1.0, "timed")
    """Training crops have round(resolution * this) px; below 1 corrects for crops that enlarge objects (FixRes)."""
    crop_scale: float = setting("training", 0.08, "timed")
    """Smallest share of the image's area that a random training crop covers; 1 trains on the centre crop."""
    hflip: float = setting("training", 0.5)
    """Probability of mirroring a training image."""
    augment: Literal["none", "autoaugment", "trivialaugment"] = setting("training", "none", "timed")
    """Colours and geometry of training crops: AutoAugment (its ImageNet policy), TrivialAugment (wide)."""
    random_erase: float = setting("training", 0.0, "timed")
    """Probability of blanking a random rectangle of a training crop."""
    mixup: float = setting("training", 0.0, "timed")
    """Alpha of MixUp's Beta distribution; 0 is off. With `cutmix` as well, each batch gets one of the two."""
    cutmix: float = setting("training", 0.0, "timed")
    """Alpha of CutMix's Beta distribution; 0 is off."""
    repeats: int = setting("training", 1)
    """Copies of an image in an epoch, each augmented by itself; an epoch keeps its length and sees 1/this of the
    images."""
    crop_share: float = setting("training", 0.875, "timed")
    """Evaluation resizes the shorter side to int(resolution / this) and cuts the centre; 1 keeps the whole side."""
    eval_margin: int | None = setting("training", None, "timed")
    """Evaluation resizes the shorter side to resolution + this instead, px; unset: `crop_share` decides."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("training", "auto", "timed", "kept")
    """Arithmetic of the forward pass (autocast). `auto` is bf16 on a GPU or CPU that has it, else fp32.
    fp32 convolutions are TF32 on a GPU that has it, which is PyTorch's default."""
    seed: int = setting("run", 0)
    """Decides initial weights, order, crops and dropout. Two runs with one seed on CPUs of one kind are equal."""

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
        _require(
            2 <= self.batch_size <= 10**6,
            "batch_size",
            self.batch_size,
            "2 or more, as batch normalisation needs them, and at most 1000000",
        )
        _require(
            self.accumulate >= 1 and self.batch_size >= 2 * self.accumulate,
            "accumulate",
            self.accumulate,
            f"1 to half of batch_size {self.batch_size}",
        )
        _require(0 < self.lr < math.inf, "lr", self.lr, "above 0 and finite")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "0 or more and below 1")
        _require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "0 or more and finite")
        _require(
            self.lr_base_batch is None or 1 <= self.lr_base_batch <= 10**6,
            "lr_base_batch",
            self.lr_base_batch,
            "1 to 1000000",
        )
        _require(0 < self.rmsprop_eps < math.inf, "rmsprop_eps", self.rmsprop_eps, "above 0 and finite")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "0 or more and below 1")
        _require(0 < self.lr_gamma <= 1, "lr_gamma", self.lr_gamma, "above 0 and at most 1")
        _require(0 < self.lr_step_epochs < math.inf, "lr_step_epochs", self.lr_step_epochs, "above 0 and finite")
        _require(
            0 <= self.warmup_epochs < self.epochs,
            "warmup_epochs",
            self.warmup_epochs,
            f"0 to below epochs {self.epochs}",
        )
        _require(0 <= self.warmup_start_lr <= self.lr, "warmup_start_lr", self.warmup_start_lr, f"0 to lr {self.lr}")
        _require(
            list(self.lr_milestones) == sorted({m for m in self.lr_milestones if m > 0}),
            "lr_milestones",
            self.lr_milestones,
            "epochs above 0 in ascending order",
        )
        _require(
            self.lr_schedule != "multistep" or bool(self.lr_milestones),
            "lr_milestones",
            self.lr_milestones,
            "given where lr_schedule is multistep",
        )
        ema = self.ema_decay
        _require(ema is None or 0 <= ema < 1, "ema_decay", ema, "0 or more and below 1")
        _require(self.bn_momentum is None or 0 < self.bn_momentum <= 1, "bn_momentum", self.bn_momentum, "above 0 to 1")
        _require(self.bn_eps is None or 0 < self.bn_eps < 1, "bn_eps", self.bn_eps, "above 0 and below 1")
        _require(0.1 <= self.train_scale <= 2, "train_scale", self.train_scale, "0.1 to 2")
        _require(0 <= self.random_erase <= 1, "random_erase", self.random_erase, "0 to 1")
        _require(0 <= self.mixup < math.inf, "mixup", self.mixup, "0 or more and finite")
        _require(0 <= self.cutmix < math.inf, "cutmix", self.cutmix, "0 or more and finite")
        _require(1 <= self.repeats <= 100, "repeats", self.repeats, "1 to 100")
        _require(
            self.eval_margin is None or 0 <= self.eval_margin <= 2048, "eval_margin", self.eval_margin, "0 to 2048"
        )
        _require(0 < self.crop_scale <= 1, "crop_scale", self.crop_scale, "above 0 and at most 1")
        _require(0.1 <= self.crop_share <= 1, "crop_share", self.crop_share, "0.1 to 1")
        _require(0 <= self.hflip <= 1, "hflip", self.hflip, "0 to 1")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 or more and below 2**63")


SHAPE_FIELDS = names_of(TrainConfig, "network")
"""Names of the fields that decide the network and its cost."""


def _require(holds: bool, field: str, value: object, allowed: str) -> None:
    if not holds:  # a NaN compares false everywhere, so it is refused too
        raise ConfigError(f"{field} is {value}; it must be {allowed}")


def field_names(cls: type) -> list[str]:
    """The names of a dataclass' fields, in order."""
    return [field.name for field in fields(cls)]


def as_row(config: Any) -> dict[str, Any]:
    """The fields of a dataclass as logs and tables hold them: whole numbers joined by +, every other value as it is."""
    values = {name: getattr(config, name) for name in field_names(type(config))}
    return {name: "+".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}


def network_name(model: str, width_mult: float, resolution: int) -> str:
    """Name of a network, such as `mobilenet_v2_0.35_96`: every id, label, table and message has this one."""
    return f"{model}_{width_mult:g}_{resolution}"
