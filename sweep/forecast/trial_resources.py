"""The machine that trials run on, and the resources of each trial."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.config import SweepConfig
from trainers.errors import ConfigError
from trainers.hardware.device import gpu_names

ROUNDING = 1e-9
"""Tolerance for quotients that would be whole numbers without rounding errors."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The nodes that trials run on."""

    name: str
    """The name of the machine in messages."""
    nodes: Sequence[Mapping[str, float]]
    """Numbers of CPUs and GPUs of each node."""
    call: Callable[..., Any]
    """`call(slot, function, *arguments)` calls a function on the largest node, with the resources that `slot` needs."""


def this_machine() -> Machine:
    """Return the machine of this process."""
    nodes = [{"CPU": os.cpu_count() or 1, "GPU": len(gpu_names())}]
    return Machine(name="this machine", nodes=nodes, call=lambda slot, function, *arguments: function(*arguments))


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of each trial."""

    num_workers: int
    """Number of processes that train a point together; 1 means that the trial's own process trains it."""
    per_worker: Mapping[str, float]
    """Numbers of CPUs and GPUs of each worker."""
    num_trials: int
    """Number of trials that can run at once."""

    def room(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """Return the number of trials that can run at once on other nodes."""
        return sum(_room(node, self.per_worker) for node in nodes) // self.num_workers


def trial_resources(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> Resources:
    """Return the resources of each trial of `config` on `nodes`, which map CPU and GPU to numbers.

    Raises:
        ConfigError: the nodes have too few CPUs or GPUs.
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
        workers = f"{num_workers} workers with {cpus} CPUs and {gpus:g} GPUs each" if num_workers > 1 else ""
        need = workers or f"{cpus} CPUs and {gpus:g} GPUs"
        shortage = f"there is room for {room}" if room else "no node has both"
        raise ConfigError(
            f"a trial is to have {need}, but {shortage} (the largest: {most['CPU']:g} CPUs, {most['GPU']:g} GPUs); "
            "lower --cpus-per-trial, --gpus-per-trial or --workers-per-trial"
        )
    return Resources(num_workers=num_workers, per_worker=per_worker, num_trials=room // num_workers)


def processes_per_gpu(share: float) -> int:
    """Return how many processes fit on one GPU if each takes the share `share`, above 0 and at most 1."""
    return math.floor(1 / share + ROUNDING)


def _room(node: Mapping[str, float], per_worker: Mapping[str, float]) -> int:
    """Return how many workers fit on a node. A worker's share of a GPU never comes from two GPUs."""
    rooms = [math.floor(node.get("CPU", 0.0) / per_worker["CPU"] + ROUNDING)]
    if share := per_worker["GPU"]:
        rooms.append(math.floor(node.get("GPU", 0.0)) * processes_per_gpu(share))
    return min(rooms)
