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
from sweep.plan.starts import Starts
from sweep.plan.trials import PlannedTrial, group_points
from trainers.config import SHAPE_FIELDS, TrainConfig, as_row, names_of
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import canonical, fetch, load_dataset
from trainers.errors import ConfigError, counted, unknown_choice
from trainers.models.cost import network_key
from trainers.registry import TRAINERS
from trainers.training.schedules import learning_rate

SUMMARISED = ("num_classes", "total_stride", "epochs", "batch_size", "optimizer", "lr", "lr_schedule")
"""The settings that the summary of a plan names if all points share them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The points that a sweep will train, in trials."""

    name: str
    folder: Path
    config: SweepConfig
    """The configuration from which the plan was made."""
    dataset: Dataset
    trials: tuple[PlannedTrial, ...]
    """The trials, in the order of the space; empty where a sampler proposes points one by one."""
    candidates: tuple[PlannedPoint, ...]
    """The combinations of choices among which an adaptive sampler chooses, with drawn settings at the base's value;
    empty for other samplers."""
    num_points: int
    """Number of points that will be trained."""
    scheduler: SchedulerKind
    varied: tuple[str, ...]
    """The settings in which points differ."""
    drawn: tuple[str, ...]
    """The settings that a sampler draws from a range while the sweep runs."""
    dropped: tuple[str, ...]
    """One line for each reason why points were left out."""

    @cached_property
    def points(self) -> tuple[PlannedPoint, ...]:
        """Every planned point; empty where a sampler proposes points one by one."""
        return tuple(point for trial in self.trials for point in trial.points)

    @property
    def networks(self) -> tuple[PlannedPoint, ...]:
        """Every point whose cost is known: the planned points, or the candidates of an adaptive sampler."""
        return self.candidates or self.points

    @property
    def adaptive(self) -> bool:
        """Whether points are proposed one by one while the sweep runs."""
        return bool(self.candidates)

    def point(self, config: TrainConfig) -> PlannedPoint:
        """Return the point with the settings `config` in this sweep, trained in a trial of its own."""
        return planned_point(config, self.config.trainer, self.folder, label=point_label(config, self.varied))

    @property
    def summary(self) -> str:
        """Number of points, dataset, shared settings, total number of epochs, and the reasons for points left out."""
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
        """Return one row per point: id, settings, macs, num_params, activations."""
        rows = [{"point": p.id, **as_row(p.config), **asdict(p.cost)} for p in self.networks]
        return pd.DataFrame(rows, columns=["point", *SETTINGS, "macs", "num_params", "activations"])


def make_plan(config: SweepConfig) -> Plan:
    """Return the plan of `config`. Lists the dataset's files, trains nothing, and writes nothing but downloads.

    Raises:
        ConfigError: something that `config` asks for is impossible.
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
    caps, starts = Caps(config), Starts()
    configs = _configs(config, space, sampler, lambda c: caps(c := _resolved(c)) and starts(c))
    if not configs:
        raise starts.error or caps.error()
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
        _check_first_rate(point.config)
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
        dropped=(*caps.dropped, *starts.dropped, *twins),
    )


def _configs(
    config: SweepConfig, space: SearchSpace, sampler: SamplerKind, keep: Callable[[TrainConfig], bool]
) -> list[TrainConfig]:
    """Return the settings of every point, or candidate of an adaptive sampler, for which `keep` is true."""
    if config.promoted:
        return promoted_configs(config)
    if sampler.adaptive:
        return _combinations(config, space, keep)
    if sampler.takes_all and (space.distributions or config.num_samples):
        given = ", ".join(space.distributions) or f"--num-samples {config.num_samples}"
        raise ConfigError(f"the grid sampler takes every combination of listed values, but not {given}; leave one out")
    return choose(space, config.num_samples, config.sample_seed, keep)


def _combinations(config: SweepConfig, space: SearchSpace, keep: Callable[[TrainConfig], bool]) -> list[TrainConfig]:
    """Return the combinations of choices among which an adaptive sampler chooses."""
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
    """Drop every config that trains the network of an earlier one alike; return the others and the number dropped."""
    first: dict[object, TrainConfig] = {}
    for config in configs:
        others = tuple(value for name, value in vars(config).items() if name not in names_of(type(config), "rounded"))
        first.setdefault((network_key(config), others), config)
    return list(first.values()), len(configs) - len(first)


def promoted_configs(config: SweepConfig) -> list[TrainConfig]:
    """Return the settings of the points FOLDER/ID in `config.promoted`, with the changes that `config` makes to them.

    Raises:
        ConfigError: a sweep or point does not exist.
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
    """Return `config` with the absolute path of its data and, if unset, `num_classes` from the dataset."""
    dataset = load_dataset(config.data)
    num_classes = config.num_classes or len(dataset.classes)
    if num_classes < len(dataset.classes):
        raise ConfigError(f"num_classes is {num_classes}, but {dataset.name} has {len(dataset.classes)} classes")
    return replace(config, num_classes=num_classes, data=canonical(config.data))


def _scheduler(config: SweepConfig, points: Sequence[PlannedPoint], num_points: int) -> SchedulerKind:
    """Return the scheduler that `config` names; by default `frontier` if settings share networks, else `fifo`."""
    if config.scheduler is not None:
        return SCHEDULERS[config.scheduler]
    settings = {(network_key(p.config), replace(p.config, seed=0, width_mult=1.0)) for p in points}
    share_networks = len(settings) > len({network for network, _ in settings}) or num_points > len(points)
    return SCHEDULERS["frontier" if share_networks and not config.promoted else "fifo"]


def _check_first_rate(config: TrainConfig) -> None:
    """Raise a ConfigError if the first epoch would train at a learning rate of 0, and so not at all."""
    if config.lr_update == "epoch" and learning_rate(config, step=0, steps_per_epoch=1) == 0:
        raise ConfigError(
            "the first epoch would train at a learning rate of 0: the warmup starts at 0 and lr_update is epoch; give "
            "a --train.warmup-start-lr above 0, or --train.lr-update step"
        )


def _check_batch(point: PlannedPoint, num_workers: int) -> None:
    """Raise a ConfigError unless each of several workers has two images for each part of a batch."""
    images = min(point.config.batch_size, len(point.dataset.splits["train"]))
    needed = 2 * num_workers * point.config.accumulate
    if num_workers > 1 and images < needed:
        raise ConfigError(
            f"a batch of {point.label} has {images} images, but {num_workers} workers need {needed}, two for each part"
        )
