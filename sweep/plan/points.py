"""Points of a plan with their ids, costs, datasets and labels, all known before anything runs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainers.config import TrainConfig, as_row, network_name
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import load_dataset
from trainers.models.cost import Cost, cost
from trainers.trial import Point

DEFAULTS = vars(TrainConfig())
NETWORK = ("model", "width_mult", "resolution")
"""The settings that the network's name in a label contains."""


@dataclass(frozen=True, kw_only=True)
class PlannedPoint:
    """A point with its cost, its dataset and its label."""

    point: Point
    cost: Cost
    dataset: Dataset
    label: str
    """The network and the settings that vary in the plan, such as `mobilenet_v2_0.35_96 dropout=0.2`."""

    @property
    def id(self) -> str:
        return self.point.id

    @property
    def config(self) -> TrainConfig:
        return self.point.config

    @property
    def folder(self) -> Path:
        return self.point.folder

    @property
    def work(self) -> float:
        """Activations times training images, which is roughly proportional to the time of one epoch."""
        return self.cost.activations * len(self.dataset.splits["train"])


def planned_point(config: TrainConfig, trainer: str, folder: Path, *, label: str) -> PlannedPoint:
    """Return the point with the settings `config` in the sweep `folder`, trained in a trial of its own."""
    dataset = load_dataset(config.data)
    id_ = point_id(config, dataset.fingerprint, trainer)
    point = Point(id=id_, config=config, folder=_folder(folder, id_), fingerprint=dataset.fingerprint)
    return PlannedPoint(point=point, cost=cost(config), dataset=dataset, label=label)


def sharing_weights(points: Sequence[PlannedPoint], folder: Path) -> tuple[PlannedPoint, ...]:
    """Return `points` with the ids of a group that shares one set of weights: each id hashes the whole group.

    The result of a point then depends on the other points of its group, so equal settings in two groups must have two
    ids. A point alone keeps its id.
    """
    if len(points) == 1:
        return tuple(points)
    group = sorted(point.id for point in points)
    return tuple(_renamed(point, _with_digest(point.config, [point.id, group]), folder) for point in points)


def with_distinct_ids(points: Sequence[PlannedPoint], folder: Path) -> tuple[PlannedPoint, ...]:
    """Return `points` without repeated settings; if different settings have one id, the later one gets a longer id."""
    by_id: dict[str, PlannedPoint] = {}
    for point in points:
        other = by_id.get(point.id)
        if other is None or _decisive(other.config) == _decisive(point.config):
            by_id[point.id] = point
        else:
            longer = f"{point.id}-{digest([point.id, *map(str, as_row(point.config).values())])}"
            by_id[longer] = _renamed(point, longer, folder)
    return tuple(by_id.values())


def point_id(config: TrainConfig, fingerprint: str, trainer: str) -> str:
    """Return the network's name and a hash of everything that decides the result; the path of the data does not.

    Settings at their default are not hashed, so that a new setting leaves the ids of earlier points unchanged.
    """
    decisive = {name: value for name, value in _decisive(config).items() if value != DEFAULTS[name]}
    return _with_digest(config, [decisive, fingerprint, trainer])


def point_label(config: TrainConfig, varied: Sequence[str]) -> str:
    """Return the network's name and the other settings among `varied`."""
    values = {name: value for name, value in as_row(config).items() if name in varied and name not in NETWORK}
    settings = [
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    ]
    return " ".join([network_name(config.model, config.width_mult, config.resolution), *settings])


def digest(value: object) -> str:
    """Return the first 8 hex digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _decisive(config: TrainConfig) -> dict[str, object]:
    return {name: value for name, value in vars(config).items() if name != "data"}


def _with_digest(config: TrainConfig, value: object) -> str:
    return f"{network_name(config.model, config.width_mult, config.resolution)}-{digest(value)}"


def _renamed(point: PlannedPoint, id_: str, folder: Path) -> PlannedPoint:
    return replace(point, point=replace(point.point, id=id_, folder=_folder(folder, id_)))


def _folder(sweep: Path, id_: str) -> Path:
    return sweep.absolute() / "points" / id_
