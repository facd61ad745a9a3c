"""The plan of a sweep: every trial with its points, ids and exact costs, before anything runs. Writes nothing."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.results.read import config_of_row, latest_rows
from analysis.results.schema import SETTINGS
from search_spaces.space import SearchSpace
from sweep.config import SweepConfig, load_config
from sweep.plan.axes import effective_space
from sweep.plan.caps import Caps
from sweep.plan.draw import check_count, choose
from sweep.plan.kinds import SCHEDULERS, SamplerKind, SchedulerKind, sampler_kind
from sweep.plan.points import PlannedPoint, planned_point, point_label, with_distinct_ids
from sweep.plan.trials import PlannedTrial, group_points
from trainers.config import SHAPE_FIELDS, TrainConfig, as_row, names_of
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import canonical, fetch, load_dataset
from trainers.errors import ConfigError, counted, unknown_choice
from trainers.models.cost import network_key
from trainers.registry import TRAINERS

SUMMARISED = ("num_classes", "total_stride", "epochs", "batch_size", "optimizer", "lr", "lr_schedule")
"""The settings that a plan's summary names, where all points share them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sweep will train."""

    name: str
    folder: Path
    config: SweepConfig
    """What was planned."""
    dataset: Dataset
    trials: tuple[PlannedTrial, ...]
    """What is sure to be trained, in the order of the space; none where a sampler proposes points one by one."""
    candidates: tuple[PlannedPoint, ...]
    """The combinations among which such a sampler chooses, with distributions at the value of the base; else none."""
    num_points: int
    """How many points will be trained."""
    scheduler: SchedulerKind
    varied: tuple[str, ...]
    """The settings in which points differ."""
    drawn: tuple[str, ...]
    """The settings that a sampler draws from a range while the sweep runs."""
    dropped: tuple[str, ...]
    """A line for each reason to leave points out."""

    @cached_property
    def points(self) -> tuple[PlannedPoint, ...]:
        """Every point that is sure to be trained."""
        return tuple(point for trial in self.trials for point in trial.points)

    @property
    def networks(self) -> tuple[PlannedPoint, ...]:
        """Every point whose cost is known: those that will be trained, or those among which a sampler chooses."""
        return self.candidates or self.points

    @property
    def adaptive(self) -> bool:
        """Whether points are proposed one by one while the sweep runs."""
        return bool(self.candidates)

    def point(self, config: TrainConfig) -> PlannedPoint:
        """The point of these settings in this sweep, trained in a trial of its own."""
        return planned_point(config, self.config.trainer, self.folder, label=point_label(config, self.varied))

    @property
    def summary(self) -> str:
        """Points and data; the settings that the points share, and the epochs in all; what was left out."""
        data, first = self.dataset, self.networks[0].config
        shared = [f"{name} {getattr(first, name)}" for name in SUMMARISED if name not in self.varied]
        num_epochs = sum(point.config.epochs for point in self.networks) * self.num_points // len(self.networks)
        ranges = f" and ranges of {', '.join(self.drawn)}" if self.drawn else ""
        among = f", chosen among {counted(len(self.candidates), 'combination')}{ranges}," if self.adaptive else ""
        together = f" in {counted(len(self.trials), 'trial')}" if len(self.trials) < len(self.points) else ""
        lines = [
            f"{self.name}: {counted(self.num_points, 'point')}{together}{among} on {data.name} "
            f"({data.sizes}; {data.note})",
            f"  {', '.join(shared)}; {counted(num_epochs, 'epoch')} in all",
            *(f"  left out: {reason}" for reason in self.dropped),
        ]
        return "\n".join(lines)

    def table(self) -> pd.DataFrame:
        """One row per point: id, settings, macs, num_params, activations."""
        rows = [{"point": p.id, **as_row(p.config), **asdict(p.cost)} for p in self.networks]
        return pd.DataFrame(rows, columns=["point", *SETTINGS, "macs", "num_params", "activations"])


def make_plan(config: SweepConfig) -> Plan:
    """The plan of `config`; lists the dataset's files, trains nothing, writes nothing but what is to be downloaded.

    Raises:
        ConfigError: anything in `config` that cannot be done.
    """
    if config.trainer not in TRAINERS:
        raise unknown_choice("trainer", config.trainer, TRAINERS)
    trainer, sampler = TRAINERS[config.trainer], sampler_kind(config.sampler)
    space = effective_space(config)
    if config.download:
        axis = space.choices.get("data")
        for data in dict.fromkeys([config.train.data, *(axis.values if axis else ())]):
            fetch(str(data))
    dataset = load_dataset(config.train.data)
    caps = Caps(config)
    configs = _configs(config, space, sampler, lambda c: caps(_resolved(c)))
    if not configs:
        raise caps.error()
    distinct, num_twins = _distinct([_resolved(c) for c in configs])
    seeded = [replace(c, seed=c.seed + i) if i else c for c in distinct for i in range(config.seeds)]
    name = config.name or f"{config.space}-{re.sub(r'[^A-Za-z0-9._+-]+', '_', dataset.name)}"
    folder = config.runs / name
    varied = [field for field in SETTINGS if len({getattr(c, field) for c in seeded}) > 1]
    drawn = tuple(space.distributions) if sampler.adaptive else ()
    varied = [field for field in SETTINGS if field in {*varied, *drawn}]
    points = with_distinct_ids(
        [planned_point(c, config.trainer, folder, label=point_label(c, varied)) for c in seeded], folder
    )
    for point in points:
        _check_batch(point, config.num_workers)
    if sampler.adaptive and any(trainer.together(point.config) is not None for point in points):
        raise ConfigError(
            f"{config.sampler} proposes points one by one, but {config.trainer} trains several together; choose "
            "--sampler grid or random"
        )
    num_points = config.num_samples or space.num_samples if sampler.adaptive else None
    twins = [f"{counted(num_twins, 'point')} whose width rounds to the channels of another"] if num_twins else []
    return Plan(
        name=name,
        folder=folder,
        config=config,
        dataset=dataset,
        trials=() if sampler.adaptive else group_points(points, trainer, folder),
        candidates=points if sampler.adaptive else (),
        num_points=num_points or len(points),
        scheduler=_scheduler(config, points, num_points or len(points)),
        varied=tuple(varied),
        drawn=drawn,
        dropped=(*caps.dropped, *twins),
    )


def _configs(
    config: SweepConfig, space: SearchSpace, sampler: SamplerKind, keep: Callable[[TrainConfig], bool]
) -> list[TrainConfig]:
    """The settings of every point, or of every candidate of an adaptive sampler, that `keep` holds for."""
    if config.promoted:
        return promoted_configs(config)
    if sampler.adaptive:
        return _combinations(config, space, keep)
    if sampler.takes_all and (space.distributions or config.num_samples):
        given = ", ".join(space.distributions) or f"--num-samples {config.num_samples}"
        raise ConfigError(f"the grid sampler takes every combination of listed values, but not {given}; leave one out")
    return choose(space, config.num_samples, config.sample_seed, keep)


def _combinations(config: SweepConfig, space: SearchSpace, keep: Callable[[TrainConfig], bool]) -> list[TrainConfig]:
    """The combinations of the choices among which an adaptive sampler chooses."""
    if config.seeds > 1:
        raise ConfigError(f"{config.sampler} chooses its points one by one; replicate the best with promote --seeds")
    drawn = sorted(space.distributions.keys() & set(SHAPE_FIELDS))
    if drawn:
        raise ConfigError(f"{config.sampler} chooses among listed networks; list the values of {', '.join(drawn)}")
    combinations = [combination for combination in space.grid() if keep(combination)]
    if config.num_samples and not space.distributions:
        check_count(config.num_samples, combinations)
    return combinations


def _distinct(configs: Sequence[TrainConfig]) -> tuple[list[TrainConfig], int]:
    """The first of all `configs` that train one network alike, in their order; how many others there were."""
    first: dict[object, TrainConfig] = {}
    for config in configs:
        others = tuple(value for name, value in vars(config).items() if name not in names_of(type(config), "rounded"))
        first.setdefault((network_key(config), others), config)
    return list(first.values()), len(configs) - len(first)


def promoted_configs(config: SweepConfig) -> list[TrainConfig]:
    """The settings of the points FOLDER/ID in `config.promoted`, but for the settings that `config` changes.

    Raises:
        ConfigError: no such sweep or point.
    """
    configs: list[TrainConfig] = []
    for folder in dict.fromkeys(Path(place).parent for place in config.promoted):
        rows = latest_rows(folder)
        points = [Path(place).name for place in config.promoted if Path(place).parent == folder]
        missing = [point for point in points if point not in rows]
        if missing:
            raise ConfigError(f"no point {missing[0]} in {folder}; has its results log moved?")
        origin = load_config(folder / "config.json").train
        changed = [name for name, value in vars(config.train).items() if value != getattr(origin, name)]
        changes = {name: getattr(config.train, name) for name in (*changed, "seed")}
        configs += [replace(config_of_row(rows[point]), **changes) for point in points]
    return configs


def _resolved(config: TrainConfig) -> TrainConfig:
    """`config` with the dataset's number of classes if it has none, and the absolute path of its data."""
    dataset = load_dataset(config.data)
    num_classes = config.num_classes or len(dataset.classes)
    if config.init == "published":
        from trainers.training.start import published_start  # the published weights take a second to import

        published_start(config)  # raises where there is none
    if num_classes < len(dataset.classes):
        raise ConfigError(f"num_classes is {num_classes}, but {dataset.name} has {len(dataset.classes)} classes")
    return replace(config, num_classes=num_classes, data=canonical(config.data))


def _scheduler(config: SweepConfig, points: Sequence[PlannedPoint], num_points: int) -> SchedulerKind:
    """The scheduler that `config` names; else `frontier` where several settings share a network, `fifo` elsewhere."""
    if config.scheduler is not None:
        return SCHEDULERS[config.scheduler]
    settings = {(network_key(p.config), replace(p.config, seed=0, width_mult=1.0)) for p in points}
    share_networks = len(settings) > len({network for network, _ in settings}) or num_points > len(points)
    return SCHEDULERS["frontier" if share_networks and not config.promoted else "fifo"]


def _check_batch(point: PlannedPoint, num_workers: int) -> None:
    """Raise a ConfigError unless each of several workers has two images for each part of a batch."""
    images = min(point.config.batch_size, len(point.dataset.splits["train"]))
    needed = 2 * num_workers * point.config.accumulate
    if num_workers > 1 and images < needed:
        raise ConfigError(
            f"a batch of {point.label} has {images} images, but {num_workers} workers need {needed}, two for each part"
        )
