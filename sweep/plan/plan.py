"""The plan of a sweep: every point with its id and exact cost, before anything runs. Writes nothing."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from analysis.results.read import config_of_row, latest_rows
from analysis.results.schema import SETTINGS
from search_spaces.space import SearchSpace
from sweep.config import ADAPTIVE, SweepConfig, load_config
from sweep.plan.axes import effective_space
from sweep.plan.caps import Caps
from sweep.plan.draw import check_count, choose
from trainers.config import SHAPE_FIELDS, TrainConfig, as_row
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import canonical, fetch, load_dataset
from trainers.errors import ConfigError, counted, unknown_choice
from trainers.models.cost import Cost, cost, network_key
from trainers.registry import TRAINERS
from trainers.training.start import published_start
from trainers.trial import Point

DEFAULTS = vars(TrainConfig())
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
    """Distinct points, in the order of the space; of an adaptive sampler, those of which it chooses some, with
    distributions at the value of the base."""
    num_points: int
    """How many are to be trained."""
    adaptive: bool
    """Whether the points are chosen one by one while the sweep runs."""
    varied: tuple[str, ...]
    """The settings in which points differ."""
    drawn: tuple[str, ...]
    """Those of them that an adaptive sampler draws from a range."""
    dropped: tuple[str, ...]
    """What was left out, and why."""
    dataset: Dataset
    config: SweepConfig
    """What was planned."""

    def point(self, config: TrainConfig) -> PlannedPoint:
        """The point of these settings in this sweep."""
        return _planned(config, self.config.trainer, self.folder, label=_label(config, self.varied))

    def holds(self, ids: Iterable[str]) -> bool:
        """Whether all these points are among those of the plan, which must not be adaptive."""
        return {point.id for point in self.points}.issuperset(ids)

    @property
    def summary(self) -> str:
        """Points and data; what the points share, and how much training that is; what was left out."""
        data, first = self.dataset, self.points[0].config
        shared = [f"{name} {getattr(first, name)}" for name in SUMMARISED if name not in self.varied]
        num_epochs = sum(point.config.epochs for point in self.points) * self.num_points // len(self.points)
        ranges = f" and ranges of {', '.join(self.drawn)}" if self.drawn else ""
        among = f", chosen among {counted(len(self.points), 'combination')}{ranges}," if self.adaptive else ""
        lines = [
            f"{self.name}: {counted(self.num_points, 'point')}{among} on {data.name} ({data.sizes}; {data.note})",
            f"  {', '.join(shared)}; {counted(num_epochs, 'epoch')} in all",
            *(f"  left out: {reason}" for reason in self.dropped),
        ]
        return "\n".join(lines)

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
    if config.download:
        axis = space.choices.get("data")
        for data in dict.fromkeys([config.train.data, *(axis.values if axis else ())]):
            fetch(str(data))
    dataset = load_dataset(config.train.data)
    caps = Caps(config)
    adaptive = config.sampler in ADAPTIVE
    if config.promoted:
        found = promoted_configs(config)
    elif adaptive:
        found = _combinations(config, space, lambda c: caps(_resolved(c)))
    else:
        found = _chosen(config, space, lambda c: caps(_resolved(c)))
    if not found:
        raise caps.error()
    distinct, num_twins = _distinct([_resolved(c) for c in found])
    configs = [replace(c, seed=c.seed + i) if i else c for c in distinct for i in range(config.seeds)]
    name = config.name or f"{config.space}-{re.sub(r'[^A-Za-z0-9._+-]+', '_', dataset.name)}"
    folder = config.runs / name
    varied = _varied(configs)
    if adaptive:
        varied = [field for field in SETTINGS if field in {*varied, *space.distributions}]
    points = [_planned(c, config.trainer, folder, label=_label(c, varied)) for c in configs]
    for point in points:
        _check_batch(point, config.num_workers)
    twins = [f"{counted(num_twins, 'point')} whose width rounds to the channels of another"] if num_twins else []
    unique = tuple({point.id: point for point in points}.values())
    wanted = config.num_samples or space.num_samples if adaptive else None
    return Plan(
        name=name,
        folder=folder,
        points=unique,
        num_points=wanted or len(unique),
        adaptive=adaptive,
        varied=tuple(varied),
        drawn=tuple(space.distributions) if adaptive else (),
        dropped=(*caps.dropped, *twins),
        dataset=dataset,
        config=config,
    )


def point_id(config: TrainConfig, fingerprint: str, trainer: str) -> str:
    """The cell, and a hash of everything that decides the result; where the data lies does not.

    Settings at their default stay out, so that a setting that a later version adds leaves the ids of earlier points.
    """
    decisive = {name: value for name, value in vars(config).items() if name != "data" and value != DEFAULTS[name]}
    text = json.dumps([decisive, fingerprint, trainer], sort_keys=True)
    return f"{config.model}_{config.width_mult:g}_{config.resolution}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _chosen(config: SweepConfig, space: SearchSpace, keep: Callable[[TrainConfig], bool]) -> list[TrainConfig]:
    """The points of `space` that a sampler which is not adaptive chooses."""
    if config.sampler == "grid" and (space.distributions or config.num_samples):
        given = ", ".join(space.distributions) or f"--num-samples {config.num_samples}"
        raise ConfigError(f"the grid sampler takes every combination of listed values, but not {given}; leave one out")
    return choose(space, config.num_samples, config.sample_seed, keep)


def _combinations(config: SweepConfig, space: SearchSpace, keep: Callable[[TrainConfig], bool]) -> list[TrainConfig]:
    """The combinations of the choices among which an adaptive sampler chooses."""
    drawn = sorted(space.distributions.keys() & set(SHAPE_FIELDS))
    if drawn:
        raise ConfigError(f"{config.sampler} chooses among listed networks; list the values of {', '.join(drawn)}")
    found = [each for each in space.grid() if keep(each)]
    if config.num_samples and not space.distributions:
        check_count(config.num_samples, found)
    return found


def _distinct(configs: Sequence[TrainConfig]) -> tuple[list[TrainConfig], int]:
    """The first of all `configs` that train one network alike, in their order; how many others there were."""
    kept: dict[object, TrainConfig] = {}
    for config in configs:
        others = tuple(value for name, value in vars(config).items() if name not in ("width_mult", "round_nearest"))
        kept.setdefault((network_key(config), others), config)
    return list(kept.values()), len(configs) - len(kept)


def promoted_configs(config: SweepConfig) -> list[TrainConfig]:
    """The settings of the points FOLDER/ID in `config.promoted`, but for the settings that `config` changes.

    Raises:
        ConfigError: no such sweep or point.
    """
    found: list[TrainConfig] = []
    for folder in dict.fromkeys(Path(place).parent for place in config.promoted):
        rows = latest_rows(folder)
        wanted = [Path(place).name for place in config.promoted if Path(place).parent == folder]
        missing = [point for point in wanted if point not in rows]
        if missing:
            raise ConfigError(f"no point {missing[0]} in {folder}; has its results log moved?")
        origin = load_config(folder / "config.json").train
        changed = [name for name, value in vars(config.train).items() if value != getattr(origin, name)]
        changes = {name: getattr(config.train, name) for name in (*changed, "seed")}
        found += [replace(config_of_row(rows[point]), **changes) for point in wanted]
    return found


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
    place = folder.absolute() / "points" / name
    point = Point(id=name, config=config, folder=place, fingerprint=dataset.fingerprint)
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
