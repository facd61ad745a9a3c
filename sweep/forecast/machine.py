"""The machine that trials run on, and the part of it that each trial gets."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.config import SweepConfig
from trainers.errors import ConfigError
from trainers.hardware.device import gpu_names

ROUNDING = 1e-9
"""Tolerance for quotients that are whole numbers but for rounding."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The nodes that trials run on."""

    name: str
    """What a message calls the place where networks are timed."""
    nodes: Sequence[Mapping[str, float]]
    """CPU and GPU of each node."""
    call: Callable[..., Any]
    """`call(slot, function, *arguments)` on the roomiest node, on as much of it as the processes of `slot` take."""


def this_machine() -> Machine:
    """The machine of this process."""
    nodes = [{"CPU": os.cpu_count() or 1, "GPU": len(gpu_names())}]
    return Machine(name="this machine", nodes=nodes, call=lambda slot, function, *arguments: function(*arguments))


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What each trial gets."""

    num_workers: int
    """Processes that train a point together; a single one is the trial's own."""
    per_worker: Mapping[str, float]
    """CPU and GPU of each."""
    num_trials: int
    """Trials that can run at once."""

    def room(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """Trials that can run at once on other nodes."""
        return sum(_room(node, self.per_worker) for node in nodes) // self.num_workers


def trial_resources(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> Resources:
    """What each trial of `config` gets on `nodes`, whose values are numbers of CPU and GPU.

    Raises:
        ConfigError: there is not that much.
    """
    roomiest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
    most = {kind: roomiest.get(kind, 0.0) for kind in ("CPU", "GPU")}
    num_workers = config.num_workers
    gpus = min(1.0, most["GPU"]) if config.gpus_per_trial is None else config.gpus_per_trial / num_workers
    share = math.floor(gpus * most["CPU"] / most["GPU"]) if gpus and most["GPU"] else 1
    cpus = max(1, share if config.cpus_per_trial is None else config.cpus_per_trial // num_workers)
    if config.train.sync_bn and num_workers > 1 and not gpus:
        raise ConfigError("PyTorch synchronises batch normalisation on GPUs only; leave out --train.sync-bn")
    per_worker = {"CPU": float(cpus), "GPU": gpus}
    room = sum(_room(node, per_worker) for node in nodes)
    if room < num_workers:
        each = f"{num_workers} workers with {cpus} CPUs and {gpus:g} GPUs each" if num_workers > 1 else ""
        wanted = each or f"{cpus} CPUs and {gpus:g} GPUs"
        found = f"there is room for {room}" if room else "no node has both"
        raise ConfigError(
            f"a trial is to have {wanted}, but {found} (the largest: {most['CPU']:g} CPUs, {most['GPU']:g} GPUs); "
            "lower --cpus-per-trial, --gpus-per-trial or --workers-per-trial"
        )
    return Resources(num_workers=num_workers, per_worker=per_worker, num_trials=room // num_workers)


def processes_per_gpu(share: float) -> int:
    """How many processes fit on one GPU where each takes this share of one, above 0 and at most 1."""
    return math.floor(1 / share + ROUNDING)


def _room(node: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """How many times `wanted` fits into a node. Shares of a GPU are never taken from two GPUs."""
    rooms = [math.floor(node.get("CPU", 0.0) / wanted["CPU"] + ROUNDING)]
    if share := wanted["GPU"]:
        rooms.append(math.floor(node.get("GPU", 0.0)) * processes_per_gpu(share))
    return min(rooms)
