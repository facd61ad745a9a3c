"""SweepConfig: the settings of a sweep, what it trains and how it runs."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

import yaml

from search_spaces.registry import SPACES
from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError, one_line, without_credentials
from trainers.recipes import with_recipe
from trainers.values import Amount, Duration, accepts, parse_field

MOST_SAMPLES = 100_000
"""Most points that one sweep may draw."""
MOST_SEEDS = 1000
"""Most seeds of one setting."""
SamplerName = Literal["grid", "random", "optuna", "nsga2", "gp"]
SchedulerName = Literal["frontier", "fifo", "asha"]
CostName = Literal["macs", "num_params", "activations"]
CAPS = ("max_macs", "min_macs", "max_params", "min_params")
"""The fields that bound the cost of a network."""
DEFINING = ("space", "axis", "sampler", "costs", "num_samples", "sample_seed", "seeds", "promoted", "trainer", *CAPS)
"""The fields, besides `train`, that decide which points a sweep has."""
TAG_ERRORS = (AttributeError, LookupError, TypeError)
"""The errors that PyYAML raises, besides its own, for a `!!tag` that does not fit its value."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """All settings of a sweep; saved as `config.json` in the sweep's folder."""

    space: str
    """The search space; `run_sweep.py list` names them all."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Settings of every point; the axes of the space replace some of them."""
    recipe: str | None = None
    """Train with a published recipe's settings in place of the space's; flags override both. `run_sweep.py recipe NAME`
    prints the recipe."""
    axis: tuple[str, ...] = ()
    """Add or replace an axis of any `train` field: `dropout=0,0.2` or `lr=loguniform(0.01,0.2)`; may be repeated."""
    max_macs: Amount | None = None
    """Leave out networks with more multiply-accumulates, such as 100M."""
    min_macs: Amount | None = None
    """Leave out networks with fewer multiply-accumulates."""
    max_params: Amount | None = None
    """Leave out networks with more parameters, such as 3M."""
    min_params: Amount | None = None
    """Leave out networks with fewer parameters."""
    sampler: SamplerName | None = None
    """How points are chosen: `grid` takes all, `random` draws; `optuna` (its TPE), `nsga2` (Optuna's) and `gp` (a
    Gaussian process of top-1) propose points one by one for accuracy and cost together. Unset: grid, or random if an
    axis is a distribution or with --num-samples."""
    costs: tuple[CostName, ...] = ("macs",)
    """The costs that optuna, nsga2 and gp minimise while they maximise top-1."""
    num_samples: int | None = None
    """Number of points to draw from distributions, or from the grid."""
    sample_seed: int = 0
    """Seed of the sampler."""
    seeds: int = 1
    """Train every point with this many seeds, starting at --train.seed."""
    scheduler: SchedulerName | None = None
    """Which points are stopped early: `frontier` stops a setting once another setting of its network is surely as good,
    `fifo` stops none, `asha` stops all but the most accurate. Unset: frontier if several settings share a network,
    except in a promotion; else fifo."""
    promoted: tuple[str, ...] = ()
    """Train these points of an earlier sweep, FOLDER/ID, in place of a space; `run_sweep.py promote` chooses them."""
    fresh: bool = False
    """Train every point here, even if another sweep in `runs` has trained it."""
    trainer: str = "classifier"
    """How points are trained; `run_sweep.py list` names the trainers."""

    download: bool = False
    """Download missing files of a dataset that torchvision knows, such as `--data cifar10`."""
    max_damaged: float = 0.01
    """Most damaged images of a split, as a share from 0 to 1. Damaged images are left out and listed in the sweep's
    folder; with more of them, nothing is trained."""
    name: str | None = None
    """Folder of the sweep below `runs`; unset: SPACE-DATASET."""
    runs: Path = Path("runs")
    """Folder of all sweeps and of the MLflow store."""
    cpus_per_trial: int | None = None
    """CPU cores of each trial, for PyTorch threads and loader processes; unset: 1, or its GPUs' share of the cores."""
    gpus_per_trial: float | None = None
    """GPUs of each trial: a fraction shares a GPU, several train a point together; unset: 1 if there are GPUs."""
    workers_per_trial: int | None = None
    """Processes that train a point together, each on its share of every batch; unset: one for each GPU of a trial."""
    address: str | None = None
    """Address of a running Ray cluster (`auto`, or HOST:PORT); unset: this machine."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in `runs`."""
    time_budget: Duration | None = None
    """Wall-clock of this start, such as 90s, 30m or 4h (in a file: seconds); trains the points with the least predicted
    time, as many as fit."""
    max_device_hours: float | None = None
    """Hours of GPUs, or of CPU cores without GPUs; trains the points with the least predicted time, as many as fit, or
    proposes only points that still fit."""
    max_failures: int = 5
    """Stop after this many failed points in a row; a diverged training is a result, not a failure."""
    published: str | None = None
    """Published table to draw beside a sweep on ImageNet (`tf_slim`, ...), or `none`; unset: tf_slim."""
    register: bool = False
    """At the end, register the networks on the frontier of MACs as versions of a model in MLflow's registry."""
    quiet: bool = False
    """Print the outcome alone, without progress."""

    def __post_init__(self) -> None:
        if self.num_samples is not None and not 1 <= self.num_samples <= MOST_SAMPLES:
            raise ConfigError(f"num_samples is {self.num_samples}; it must be 1 to {MOST_SAMPLES}")
        if not 0 <= self.sample_seed < 2**32:
            raise ConfigError(f"sample_seed is {self.sample_seed}; it must be 0 or more and below 2**32")
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise ConfigError(f"seeds is {self.seeds}; it must be 1 to {MOST_SEEDS}")
        if self.seeds > 1 and any(text.partition("=")[0].strip() == "seed" for text in self.axis):
            raise ConfigError(f"seeds is {self.seeds}, but seed is an axis; give one of the two")
        if not self.costs or len(set(self.costs)) < len(self.costs) or not set(self.costs) <= set(get_args(CostName)):
            raise ConfigError(
                f"costs are {' '.join(self.costs) or 'none'}; choose distinct ones from {', '.join(get_args(CostName))}"
            )
        if self.cpus_per_trial is not None and self.cpus_per_trial < 1:
            raise ConfigError(f"cpus_per_trial is {self.cpus_per_trial}; it must be 1 or more")
        gpus, workers = self.gpus_per_trial, self.workers_per_trial
        if gpus is not None and not (0 <= gpus <= 1 or (gpus in range(2, 1025))):
            raise ConfigError(f"gpus_per_trial is {gpus}; it must be 0 to 1, or a whole number up to 1024")
        if workers is not None and not 1 <= workers <= 1024:
            raise ConfigError(f"workers_per_trial is {workers}; it must be 1 to 1024")
        if workers is not None and gpus is not None and gpus not in (0, workers):
            raise ConfigError(f"workers_per_trial is {workers}, but gpus_per_trial {gpus:g}; give each worker one GPU")
        if self.max_failures < 1:
            raise ConfigError(f"max_failures is {self.max_failures}; it must be 1 or more")
        for limit in ("time_budget", "max_device_hours", *CAPS):
            value = getattr(self, limit)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{limit} is {value}; it must be above 0 and finite")
        if not 0 <= self.max_damaged <= 1:
            raise ConfigError(f"max_damaged is {self.max_damaged}; it must be 0 to 1")
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", self.name):
            raise ConfigError(
                f"name is {self.name!r}; it must be one folder's name of letters, digits and . _ + -, without a path; "
                "--runs chooses where it lies"
            )

    @property
    def num_workers(self) -> int:
        """Number of processes that train a point together."""
        return self.workers_per_trial or max(1, int(self.gpus_per_trial or 1))

    @property
    def defining(self) -> dict[str, Any]:
        """The settings that decide which points a sweep has, without the path of the data; one set for each folder."""
        settings = asdict(self)
        return {name: settings[name] for name in DEFINING} | {
            f"train.{name}": value for name, value in settings["train"].items() if name != "data"
        }


def to_json(config: SweepConfig) -> dict[str, Any]:
    """Return `config` as JSON values, without the credentials that a tracking URI may hold."""
    uri = config.tracking_uri and without_credentials(config.tracking_uri)
    lists = {name: list(value) for name, value in vars(config).items() if isinstance(value, tuple)}
    return asdict(config) | lists | {"runs": str(config.runs), "tracking_uri": uri}


def from_json(settings: Mapping[str, Any]) -> SweepConfig:
    """Return the configuration that `to_json` saved, whole or in part; the space and the recipe give absent settings.

    Raises:
        ConfigError: a field does not exist, a value is not allowed, or `space` is absent.
    """
    train = settings.get("train", {})
    if not isinstance(train, Mapping):
        raise ConfigError("in the configuration, train must hold fields, such as epochs: 3")
    if settings.get("space") is None:
        raise ConfigError("the configuration names no space; add one, such as space: mnv2_quick")
    given = _parsed(SweepConfig, {name: value for name, value in settings.items() if name != "train"})
    space = SPACES.get(given["space"])  # the plan raises for an unknown space, listing the known ones
    base = space.base if space else TrainConfig()
    if given.get("recipe") is not None:
        base = with_recipe(base, given["recipe"])
    return SweepConfig(**given, train=replace(base, **_parsed(TrainConfig, train)))


def load_config(path: Path) -> SweepConfig:
    """Read the configuration in a JSON or YAML file.

    Raises:
        ConfigError: the file cannot be read, or holds no configuration.
    """
    try:
        settings = _read(path)
    except (OSError, ValueError, RecursionError, yaml.YAMLError, *TAG_ERRORS) as error:
        raise ConfigError(f"cannot read the configuration {path}: {one_line(error)}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds no configuration; a run's config.json is one")
    try:
        return from_json(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text(), object_pairs_hook=_unique)
    return yaml.load(path.read_text(), Loader=_UniqueKeys)


class _UniqueKeys(yaml.SafeLoader):
    """Rejects a repeated key of an object, where YAML would take the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _unique([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return super().construct_mapping(node, deep)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} appears twice")
    return dict(pairs)


def _parsed(cls: type, settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `settings` in the types of their fields; a null unsets an optional field and is ignored for others."""
    allowed = field_names(cls)
    if not all(isinstance(name, str) for name in settings):
        raise ConfigError("the names of fields in the configuration must be texts")
    unknown = [name for name in settings if name not in allowed]
    if unknown:
        raise ConfigError(f"unknown field {unknown[0]!r} in the configuration; choose from {', '.join(allowed)}")
    unset = {name: None for name, value in settings.items() if value is None and accepts(cls, name, NoneType)}
    return unset | {name: parse_field(cls, name, value) for name, value in settings.items() if value is not None}
