"""SweepConfig: what a sweep trains and how it runs."""

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
"""Points that one sweep may draw."""
MOST_SEEDS = 1000
"""Seeds that one point may be trained with."""
SamplerName = Literal["grid", "random", "optuna", "nsga2", "gp"]
SchedulerName = Literal["frontier", "fifo", "asha"]
CostName = Literal["macs", "num_params", "activations"]
CAPS = ("max_macs", "min_macs", "max_params", "min_params")
"""The settings that bound the cost of a network."""
DEFINING = ("space", "axis", "sampler", "costs", "num_samples", "sample_seed", "seeds", "promoted", "trainer", *CAPS)
"""The settings, besides those of training, that decide which points there are."""
TAG_ERRORS = (AttributeError, LookupError, TypeError)
"""What PyYAML raises, besides its own errors, for a `!!tag` that does not fit its value."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Everything one command asks for; saved as `config.json` in the sweep's folder."""

    space: str
    """The search space; `run_sweep.py list` names them all."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Settings of every point; the axes of the space go on top."""
    recipe: str | None = None
    """Train as published: a recipe's settings instead of the space's, flags on top; `run_sweep.py recipe NAME` prints
    it."""
    axis: tuple[str, ...] = ()
    """Add or replace an axis: `dropout=0,0.2`, `lr=loguniform(0.01,0.2)`. Any field of `train`; may be given again."""
    max_macs: Amount | None = None
    """Leave out networks with more multiply-accumulates, such as 100M."""
    min_macs: Amount | None = None
    """Leave out networks with fewer."""
    max_params: Amount | None = None
    """Leave out networks with more parameters, such as 3M."""
    min_params: Amount | None = None
    """Leave out networks with fewer."""
    sampler: SamplerName | None = None
    """How points are chosen: all of the `grid`; `random` draws; one by one for accuracy and cost together, with
    `optuna` (its TPE), `nsga2` (Optuna's) or `gp` (a Gaussian process of top-1). Unset: grid, or random where an axis
    is a distribution or with --num-samples."""
    costs: tuple[CostName, ...] = ("macs",)
    """What samplers that choose one by one make small while they make top-1 large."""
    num_samples: int | None = None
    """Points to draw where an axis is a distribution; of a grid, how many of its points to draw."""
    sample_seed: int = 0
    """Decides which points are drawn."""
    seeds: int = 1
    """Train every point with this many seeds, from --train.seed on."""
    scheduler: SchedulerName | None = None
    """Which trials are stopped early: `frontier` stops a setting that another one of the same network surely matches,
    `fifo` none, `asha` all but the most accurate. Unset: frontier where several settings share a network, but for a
    promotion; else fifo."""
    promoted: tuple[str, ...] = ()
    """Train these points of an earlier sweep, FOLDER/ID, instead of a space's; `run_sweep.py promote` chooses them."""
    fresh: bool = False
    """Train points again that another sweep in `runs` has trained."""
    trainer: str = "classifier"
    """How points are trained; `run_sweep.py list` names the trainers."""

    download: bool = False
    """Download what is missing of a dataset that torchvision knows, such as `--data cifar10`."""
    max_damaged: float = 0.01
    """Share of each split's images, 0 to 1, that may be damaged: these are left out and listed in the sweep's folder.
    Where there are more, nothing is trained."""
    name: str | None = None
    """Folder of the sweep below `runs`; unset: SPACE-DATASET."""
    runs: Path = Path("runs")
    """Where sweeps and the MLflow store lie."""
    cpus_per_trial: int | None = None
    """CPU cores, so PyTorch threads and loader processes, of each trial; unset: 1, or its GPUs' share of the cores."""
    gpus_per_trial: float | None = None
    """GPUs of each trial, a fraction to share one; unset: 1 where there are GPUs. Several train a point together."""
    workers_per_trial: int | None = None
    """Processes that train a point together, each on its share of every batch; unset: one for each GPU of a trial."""
    address: str | None = None
    """A running Ray cluster (`auto`, or HOST:PORT); unset: this machine."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in `runs`."""
    time_budget: Duration | None = None
    """Wall-clock of this start, such as 90s, 30m or 4h (in a file: seconds): trains the points of the least predicted
    time that fit."""
    max_device_hours: float | None = None
    """Hours of GPUs, or of CPU cores where there are none: trains the points of the least predicted time that fit, or
    chooses only among what still fits."""
    max_failures: int = 5
    """Stop after so many points in a row have failed; a training that diverged is a result and does not count."""
    published: str | None = None
    """Published table to draw beside a sweep on ImageNet (`tf_slim`, ...), or `none`; unset: tf_slim."""
    register: bool = False
    """At the end, make the networks on the frontier of MACs versions of a model in MLflow's registry."""
    quiet: bool = False
    """Print the outcome only, no progress."""

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
            raise ConfigError(f"costs are {' '.join(self.costs) or 'none'}; choose of {', '.join(get_args(CostName))}")
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
        """Processes that train a point together."""
        return self.workers_per_trial or max(1, int(self.gpus_per_trial or 1))

    @property
    def defining(self) -> dict[str, Any]:
        """The settings that decide which points there are, not where data lies; a folder holds one set of them."""
        settings = asdict(self)
        return {name: settings[name] for name in DEFINING} | {
            f"train.{name}": value for name, value in settings["train"].items() if name != "data"
        }


def to_json(config: SweepConfig) -> dict[str, Any]:
    """`config` as JSON values, without the credentials that a tracking URI may hold."""
    uri = config.tracking_uri and without_credentials(config.tracking_uri)
    lists = {name: list(value) for name, value in vars(config).items() if isinstance(value, tuple)}
    return asdict(config) | lists | {"runs": str(config.runs), "tracking_uri": uri}


def from_json(settings: Mapping[str, Any]) -> SweepConfig:
    """The configuration that `to_json` saved, or a part of one: what is absent is as the space and the recipe have it.

    Raises:
        ConfigError: a field that does not exist or holds what it may not, or `space` is absent.
    """
    train = settings.get("train", {})
    if not isinstance(train, Mapping):
        raise ConfigError("in the configuration, train must hold fields, such as epochs: 3")
    if settings.get("space") is None:
        raise ConfigError("the configuration names no space; add one, such as space: mnv2_quick")
    given = _parsed(SweepConfig, {name: value for name, value in settings.items() if name != "train"})
    space = SPACES.get(given["space"])  # an unknown one is told with the choice when its points are listed
    base = space.base if space else TrainConfig()
    if given.get("recipe") is not None:
        base = with_recipe(base, given["recipe"])
    return SweepConfig(**given, train=replace(base, **_parsed(TrainConfig, train)))


def load_config(path: Path) -> SweepConfig:
    """The configuration saved in a JSON or YAML file.

    Raises:
        ConfigError: it cannot be read, or holds something else.
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
    """Refuses an object that has a key twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _unique([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return super().construct_mapping(node, deep)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return dict(pairs)


def _parsed(cls: type, settings: Mapping[Any, Any]) -> dict[str, Any]:
    """`settings` in the types of their fields; a null unsets a field that may be None, and else leaves it as it is."""
    allowed = field_names(cls)
    if not all(isinstance(name, str) for name in settings):
        raise ConfigError("the names of fields in the configuration must be texts")
    unknown = [name for name in settings if name not in allowed]
    if unknown:
        raise ConfigError(f"unknown field {unknown[0]!r} in the configuration; choose from {', '.join(allowed)}")
    unset = {name: None for name, value in settings.items() if value is None and accepts(cls, name, NoneType)}
    return unset | {name: parse_field(cls, name, value) for name, value in settings.items() if value is not None}
