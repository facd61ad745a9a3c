"""Schedulers and samplers by name, with the facts that a plan and a forecast need before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sweep.config import SamplerName, SchedulerName


@dataclass(frozen=True, kw_only=True)
class SchedulerKind:
    """A way to choose the next trial and to stop points early."""

    name: SchedulerName
    doc: str
    """One line, shown by `run_sweep.py list`."""
    stops_early: bool
    """Whether points may be stopped before their last epoch; a stopped point then counts as trained."""
    longest_first: bool
    """Whether the longest trials start first; otherwise the shortest do."""
    knows_order: bool = False
    """Whether the order of trials is independent of measurements, so that trials may wait for more nodes."""
    warning: str = ""
    """A warning shown before the sweep starts; "" without one."""


@dataclass(frozen=True, kw_only=True)
class SamplerKind:
    """A way to choose points of a search space."""

    adaptive: bool = False
    """Whether points are proposed one by one while the sweep runs, from the results of earlier points."""
    takes_all: bool = False
    """Whether every combination of listed values is a point, so that no axis may be a distribution."""


SCHEDULERS: Mapping[str, SchedulerKind] = MappingProxyType(
    {
        "frontier": SchedulerKind(
            name="frontier",
            doc="Stops a setting once another setting of the same network is surely better; every network stays.",
            stops_early=True,
            longest_first=False,
        ),
        "fifo": SchedulerKind(
            name="fifo",
            doc="Trains every point to its last epoch, the longest trials first.",
            stops_early=False,
            longest_first=True,
            knows_order=True,
        ),
        "asha": SchedulerKind(
            name="asha",
            doc="Ray Tune's ASHA by top-1 alone: finds the most accurate network and stops nearly all small ones.",
            stops_early=True,
            longest_first=True,
            warning="asha compares networks of all sizes by accuracy alone and stops nearly all small ones, half of "
            "the frontier; --scheduler frontier keeps them",
        ),
    }
)
SAMPLERS: Mapping[str, SamplerKind] = MappingProxyType(
    {
        "grid": SamplerKind(takes_all=True),
        "random": SamplerKind(),
        "optuna": SamplerKind(adaptive=True),
        "nsga2": SamplerKind(adaptive=True),
        "gp": SamplerKind(adaptive=True),
    }
)
UNNAMED = SamplerKind()
"""The default sampler: the grid, or random draws where an axis is a distribution."""


def sampler_kind(name: SamplerName | None) -> SamplerKind:
    """Return the kind of the sampler with this name; UNNAMED for None."""
    return SAMPLERS[name] if name else UNNAMED
