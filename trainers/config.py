"""TrainConfig holds every setting that decides the result of one training. Standard library only.

Each field is an axis of a search space and a `--train.*` flag of the command line, without further work. The default of
a new field must leave the results of earlier points unchanged, because the ids of these points stay the same.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypeVar

from trainers.errors import ConfigError

UNKNOWN_DATA = "unknown"
"""Value of `TrainConfig.data` for a published network, whose training data is not known."""
Role = Literal["network", "schedule", "training", "data", "run"]
"""What a field decides.

`network`: the network and its cost. `schedule`: the shape of the learning rate over the epochs. `data`: the images.
`run`: the random numbers. `training`: everything else that changes the result.
"""
Flag = Literal["timed", "kept", "rounded"]
"""A property that a field can have beside its role.

`timed`: the duration of a step depends on the field, as on every network field. `kept`: a recipe leaves the field as
the search space sets it, like every network, data and run field. `rounded`: different values can build equal networks,
which the shapes of their tensors show.
"""
T = TypeVar("T")


def setting(role: Role, default: T, *flags: Flag) -> T:
    """Declare a field of TrainConfig by its role, default and flags."""
    declared: Any = field(default=default, metadata={"marks": frozenset({role, *flags})})
    return declared


@cache
def names_of(cls: "type[TrainConfig]", *marks: Role | Flag) -> tuple[str, ...]:
    """Return the names of the fields of `cls` with one of the roles or flags `marks`, in the order of the fields."""
    for declared in fields(cls):
        assert "marks" in declared.metadata, f"the field {declared.name} has no role; declare it with setting(...)"
    return tuple(declared.name for declared in fields(cls) if not declared.metadata["marks"].isdisjoint(marks))


def values_of(config: "TrainConfig", names: Iterable[str]) -> tuple[object, ...]:
    """Return the values of the fields `names` of `config`."""
    return tuple([getattr(config, name) for name in names])


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of one training (a *point* of a sweep)."""

    data: str = setting("data", "digits")
    """Name of a dataset (`digits`, `cifar10:ROOT`), or path of an image folder or of a folder of Parquet shards."""
    model: str = setting("network", "mobilenet_v2")
    """Family of the network; `run_sweep.py list` shows all families."""
    width_mult: float = setting("network", 1.0, "rounded")
    """Factor of the number of channels of every layer (alpha in the papers)."""
    resolution: int = setting("network", 224)
    """Height and width of the input images, px."""
    num_classes: int | None = setting("network", None)
    """Number of outputs of the classifier; unset: the number of classes of the dataset."""
    dropout: float = setting("training", 0.2)
    """Probability of dropping a feature before the classifier (1 minus TensorFlow's keep probability)."""
    round_nearest: int = setting("network", 8, "rounded")
    """MobileNetV2 rounds numbers of channels to a multiple of this; d-li14's network of width 0.1 uses 4."""
    total_stride: Literal[4, 8, 16, 32] = setting("network", 32)
    """Input px per px of the last feature map. Published networks have 32; a smaller value sets the earliest strides
    to 1, for images of at most 32 px."""

    init: Literal["random", "published"] = setting("training", "random")
    """Initial weights: `random`, or `published` ImageNet weights of a network with equal channels at the nearest
    published resolution. Unless there are 1000 classes, the last layer starts from random weights."""
    epochs: int = setting("schedule", 150)
    """Number of passes over the training split."""
    batch_size: int = setting("training", 256, "timed")
    """Number of images of one optimiser step."""
    accumulate: int = setting("training", 1)
    """Number of parts that each batch is split into; their gradients are added up, to fit a large batch into memory."""
    optimizer: Literal["sgd", "rmsprop", "rmsprop_tf", "adamw"] = setting("training", "sgd", "timed")
    """Optimiser: SGD without Nesterov momentum, RMSprop (decay 0.9), RMSprop as TensorFlow computes it, or AdamW."""
    lr: float = setting("training", 0.05)
    """Peak learning rate for a batch size of `lr_base_batch`."""
    lr_base_batch: int | None = setting("training", None)
    """Batch size that `lr` is meant for: training uses lr * batch_size / lr_base_batch; unset: training uses lr."""
    momentum: float = setting("training", 0.9, "timed")
    """Momentum of SGD and RMSprop; first beta of AdamW."""
    rmsprop_eps: float = setting("training", 1e-3)
    """Epsilon of RMSprop, added outside the square root (`rmsprop`) or inside it (`rmsprop_tf`)."""
    weight_decay: float = setting("training", 4e-5)
    """Weight decay of the parameters that `decay` selects; 0 turns weight decay off."""
    decay: Literal["all", "not_norm", "weights", "not_depthwise"] = setting("training", "all")
    """Parameters that decay: `all`; `not_norm`: all but normalisation; `weights`: all but normalisation and biases;
    `not_depthwise`: all but normalisation, biases and depthwise convolutions."""
    label_smoothing: float = setting("training", 0.0)
    """Probability mass that moves from the true class, evenly, to the classes that `smoothing_over` names."""
    smoothing_over: Literal["all", "others"] = setting("training", "all")
    """Classes that share the mass: `all`, with the true class (PyTorch, TensorFlow), or the `others` (MindSpore)."""
    lr_schedule: Literal["cosine", "linear", "step", "multistep", "exponential", "constant"] = setting(
        "schedule", "cosine"
    )
    """Shape of the learning rate after the warmup: `cosine` and `linear` end at 0, `step` drops by `lr_gamma` every
    `lr_step_epochs`, `multistep` drops at `lr_milestones`, `exponential` falls steadily to `lr_gamma` times `lr`."""
    lr_gamma: float = setting("schedule", 0.1)
    """Factor of the `step`, `multistep` and `exponential` schedules."""
    lr_step_epochs: float = setting("schedule", 30.0)
    """Epochs between two drops of `step`, counted from the end of the warmup; fractions such as TF-slim's 2.5 work."""
    lr_milestones: tuple[int, ...] = setting("schedule", ())
    """Epochs after which `multistep` drops, counted from the start; written joined by +, such as 105+125."""
    lr_update: Literal["iteration", "epoch"] = setting("schedule", "iteration")
    """When the learning rate changes: at every step (`iteration`), or at the first step of an epoch alone (`epoch`)."""
    warmup_epochs: float = setting("schedule", 0.0)
    """Epochs in which the learning rate rises linearly from `warmup_start_lr` to `lr`."""
    warmup_start_lr: float = setting("training", 0.0)
    """Learning rate of the first step of a warmup, for a batch size of `lr_base_batch`."""
    ema_decay: float | None = setting("training", None, "timed")
    """Decay of a moving average of the weights, at most (1 + step) / (10 + step); unset: no average. At each step,
    average = decay * average + (1 - decay) * weights. Scores and the best checkpoint are those of the average."""
    bn_momentum: float | None = setting("training", None)
    """Weight of the newest batch in the running statistics of batch normalisation; unset: the value of the family."""
    bn_eps: float | None = setting("training", None)
    """Epsilon of batch normalisation; unset: the value of the family."""
    sync_bn: bool = setting("training", False)
    """Whether batch normalisation uses the whole batch where several GPUs train a point, not the share of each GPU."""

    train_scale: float = setting("training", 1.0, "timed")
    """Size of a training crop, as a share of `resolution`; below 1 makes up for crops that enlarge objects (FixRes)."""
    crop_scale: float = setting("training", 0.08, "timed")
    """Smallest share of the area of an image that a random training crop covers; 1 trains on the centre crop."""
    hflip: float = setting("training", 0.5)
    """Probability of mirroring a training image."""
    augment: Literal["none", "autoaugment", "trivialaugment"] = setting("training", "none", "timed")
    """Changes to the colours and geometry of training crops: AutoAugment (ImageNet policy) or TrivialAugment (wide)."""
    random_erase: float = setting("training", 0.0, "timed")
    """Probability of erasing a random rectangle of a training crop."""
    mixup: float = setting("training", 0.0, "timed")
    """Alpha of the Beta distribution of MixUp; 0 is off. Where `cutmix` is on too, each batch gets MixUp or CutMix."""
    cutmix: float = setting("training", 0.0, "timed")
    """Alpha of the Beta distribution of CutMix; 0 is off."""
    repeats: int = setting("training", 1)
    """Copies of an image in an epoch, each cropped and changed at random. The number of steps stays, so an epoch has
    1/repeats of the images."""
    crop_share: float = setting("training", 0.875, "timed")
    """Share of the shorter side in an evaluation crop: evaluation resizes that side to int(resolution / crop_share)."""
    eval_margin: int | None = setting("training", None, "timed")
    """Evaluation resizes the shorter side to `resolution` plus this margin, px; unset: `crop_share` decides."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("training", "auto", "timed", "kept")
    """Arithmetic of the forward pass (autocast). `auto` is bf16 on a GPU or CPU with bf16 hardware, else fp32.
    A GPU with TF32 hardware computes the convolutions of fp32 in TF32, which is the default of PyTorch."""
    seed: int = setting("run", 0)
    """Seed of initial weights, order, crops and dropout. Two runs with one seed on CPUs of one kind are equal."""

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
            "2 or more, which batch normalisation needs, and at most 1000000",
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
    if not holds:  # a NaN fails every comparison, so it is refused too
        raise ConfigError(f"{field} is {value}; it must be {allowed}")


def field_names(cls: type) -> list[str]:
    """Return the names of the fields of a dataclass, in order."""
    return [field.name for field in fields(cls)]


def as_row(config: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, as logs and tables hold them: a tuple is one text joined by +."""
    values = {name: getattr(config, name) for name in field_names(type(config))}
    return {name: "+".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}


def network_name(model: str, width_mult: float, resolution: int) -> str:
    """Return the name of a network in ids, labels, tables and messages, such as `mobilenet_v2_0.35_96`."""
    return f"{model}_{width_mult:g}_{resolution}"
