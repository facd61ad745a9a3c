"""The plan of a sweep: every point with its id and exact cost, before anything runs. Writes nothing."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from search_spaces.registry import get_space
from search_spaces.space import SearchSpace, parse_axis
from sweep.config import SweepConfig
from sweep.results import SETTINGS
from sweep.samplers import choose
from trainers.config import TrainConfig
from trainers.cost import Cost, cost
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import canonical, fetch, load_dataset
from trainers.errors import ConfigError, unknown_choice
from trainers.fields import as_row
from trainers.initial_weights import published_start
from trainers.measurement import Point
from trainers.registry import TRAINERS

SUMMARISED = ("num_classes", "total_stride", "epochs", "batch_size", "optimizer", "lr", "lr_schedule")
"""The settings that a plan's summary names, where all points share them."""


@dataclass(frozen=True, kw_only=True)
class PlannedPoint:
    """A point with what is known about it before it is trained."""

    point: Point
    cost: Cost
    dataset: Dataset
    label: str
    """The network and the settings in which points of the plan differ, such as `mobilenet_v2_0.35_96 dropout=0.2`."""

    @property
    def id(self) -> str:
        return self.point.id

    @property
    def config(self) -> TrainConfig:
        return self.point.config

    @property
    def work(self) -> float:
        """Proportional to the time one epoch takes: activations times training images."""
        return self.cost.activations * len(self.dataset.splits["train"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sweep will train."""

    name: str
    folder: Path
    points: tuple[PlannedPoint, ...]
    """Distinct points, in the order of the space."""
    dataset: Dataset
    defining: Mapping[str, Any]
    """The settings of the sweep that decide its points."""

    @property
    def varied(self) -> list[str]:
        """The settings in which points differ."""
        return _varied([point.config for point in self.points])

    @property
    def summary(self) -> str:
        """Two lines: points and data; what the points share, and how much training that is."""
        data, first = self.dataset, self.points[0].config
        shared = [f"{name} {getattr(first, name)}" for name in SUMMARISED if name not in self.varied]
        num_epochs = sum(point.config.epochs for point in self.points)
        return (
            f"{self.name}: {counted(len(self.points), 'point')} on {data.name} ({data.sizes}; {data.note})\n"
            f"  {', '.join(shared)}; {counted(num_epochs, 'epoch')} in all"
        )

    def table(self) -> pd.DataFrame:
        """One row per point: id, settings, macs, num_params, activations."""
        rows = [{"point": p.id, **as_row(p.config), **asdict(p.cost)} for p in self.points]
        return pd.DataFrame(rows, columns=["point", *SETTINGS, "macs", "num_params", "activations"])


def make_plan(config: SweepConfig) -> Plan:
    """The plan of `config`; lists the dataset's files, trains nothing, writes nothing but what is to be downloaded.

    Raises:
        ConfigError: anything in `config` that cannot be done.
    """
    if config.trainer not in TRAINERS:
        raise unknown_choice("trainer", config.trainer, TRAINERS)
    space = effective_space(config)
    configs = choose(space, config.num_samples, config.sample_seed)
    if config.download:
        for data in dict.fromkeys([config.train.data, *(c.data for c in configs)]):
            fetch(data)
    dataset = load_dataset(config.train.data)
    name = config.name or f"{config.space}-{re.sub(r'[^A-Za-z0-9._+-]+', '_', dataset.name)}"
    folder = config.runs / name
    resolved = [_resolved(c) for c in configs]
    varied = _varied(resolved)
    points = [_planned(c, config.trainer, folder, label=_label(c, varied)) for c in resolved]
    for point in points:
        _check_batch(point, config.num_workers)
    distinct = {point.id: point for point in points}
    return Plan(name=name, folder=folder, points=tuple(distinct.values()), dataset=dataset, defining=config.defining)


def effective_space(config: SweepConfig) -> SearchSpace:
    """The space of `config` with its own base and the axes from the command line."""
    axes = dict(parse_axis(text) for text in config.axis)
    if len(axes) < len(config.axis):
        raise ConfigError(f"an axis is given twice in {', '.join(config.axis)}; give each once, with all its values")
    return replace(get_space(config.space), base=config.train).with_axes(axes)


def point_id(config: TrainConfig, fingerprint: str, trainer: str) -> str:
    """The cell, and a hash of everything that decides the result; where the data lies does not.

    Settings at their default stay out, so that a setting that a later version adds leaves the ids of earlier points.
    """
    default = asdict(TrainConfig())
    decisive = {name: value for name, value in asdict(config).items() if name != "data" and value != default[name]}
    text = json.dumps([decisive, fingerprint, trainer], sort_keys=True)
    return f"{config.model}_{config.width_mult:g}_{config.resolution}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def counted(number: int, noun: str) -> str:
    """`1 point`, `2 points`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _resolved(config: TrainConfig) -> TrainConfig:
    """`config` with the dataset's number of classes if it has none, and the absolute path of its data."""
    dataset = load_dataset(config.data)
    num_classes = config.num_classes or len(dataset.classes)
    if config.init == "published":
        published_start(config)  # raises where there is none
    if num_classes < len(dataset.classes):
        raise ConfigError(f"num_classes is {num_classes}, but {dataset.name} has {len(dataset.classes)} classes")
    return replace(config, num_classes=num_classes, data=canonical(config.data))


def _planned(config: TrainConfig, trainer: str, folder: Path, *, label: str) -> PlannedPoint:
    dataset = load_dataset(config.data)
    name = point_id(config, dataset.fingerprint, trainer)
    point = Point(id=name, config=config, folder=folder.absolute() / "points" / name)
    return PlannedPoint(point=point, cost=cost(config), dataset=dataset, label=label)


def _check_batch(point: PlannedPoint, num_workers: int) -> None:
    """Raise a ConfigError unless each of several workers has two images for each part of a batch."""
    images = min(point.config.batch_size, len(point.dataset.splits["train"]))
    needed = 2 * num_workers * point.config.accumulate
    if num_workers > 1 and images < needed:
        raise ConfigError(
            f"a batch of {point.label} has {images} images, but {num_workers} workers need {needed}, two for each part"
        )


def _varied(configs: Sequence[TrainConfig]) -> list[str]:
    return [name for name in SETTINGS if len({getattr(config, name) for config in configs}) > 1]


def _label(config: TrainConfig, varied: Sequence[str]) -> str:
    network = ("model", "width_mult", "resolution")
    values = {name: value for name, value in as_row(config).items() if name in varied and name not in network}
    others = [
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    ]
    return " ".join([f"{config.model}_{config.width_mult:g}_{config.resolution}", *others])
