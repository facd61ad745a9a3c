"""What a sweep takes where it runs: times a few of its networks there the first time, and keeps what it found."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep.config import SweepConfig
from sweep.forecast.machine import Resources, trial_resources
from sweep.forecast.prediction import Prediction, TimedNetwork, predict, to_time
from sweep.plan.plan import PlannedPoint
from trainers.config import TrainConfig
from trainers.datasets.batches.batches import decoded_px
from trainers.datasets.batches.crops import eval_resize
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.pixels.cache import cache_folder, kept_bytes, readable
from trainers.errors import ConfigError, counted
from trainers.files import write_whole
from trainers.hardware.device import gpu_names
from trainers.training.step_time import Request, Slot, Timing, hardware, time_networks, timing_from

FOLDER = "timings"
"""Of the cache; without it networks are timed anew."""
VERSION = 2
"""Of how networks are timed; one more whenever that changes, so that no timing of an earlier way is read."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What trials run on."""

    name: str
    """As a message calls the place where networks are timed."""
    nodes: Sequence[Mapping[str, float]]
    """What each has: CPU, GPU."""
    call: Callable[..., Any]
    """`call(slot, function, *arguments)` on the roomiest node, on as much of it as the processes of `slot` take."""


def this_machine() -> Machine:
    """The machine of this process."""
    nodes = [{"CPU": os.cpu_count() or 1, "GPU": len(gpu_names())}]
    return Machine(name="this machine", nodes=nodes, call=lambda slot, function, *arguments: function(*arguments))


def predict_on(
    machine: Machine,
    config: SweepConfig,
    points: Sequence[PlannedPoint],
    *,
    epochs_done: Mapping[str, int],
    longest_first: bool,
    announce: Callable[[str], None] | None,
) -> Prediction:
    """What `points` take if `machine` trains them; `announce` is told when networks are to be timed first.

    Raises:
        ConfigError: a trial asks for more than there is, or networks cannot be timed, or they have not been and there
            is nobody to announce it to.
    """
    resources = trial_resources(config, machine.nodes)
    slot = _slot(resources, machine)
    dataset_of = {point.config: point.dataset for point in points}
    chosen = to_time(dataset_of)
    requests = [Request.of(each, _image_shape(dataset_of[each], each)) for each in chosen]
    timings = kept_timings(requests, slot, machine, announce)
    timed = [TimedNetwork(config=each, timing=timing) for each, timing in zip(chosen, timings, strict=True)]
    return predict(
        points,
        timed,
        resources,
        epochs_done=epochs_done,
        cache_bytes=_cache_bytes(points),
        longest_first=longest_first,
    )


def kept_timings(
    requests: Sequence[Request], slot: Slot, machine: Machine, announce: Callable[[str], None] | None
) -> list[Timing]:
    """The timing of each request, kept from an earlier time where there is one, which can be read."""
    found_on = machine.call(slot, hardware, slot)
    paths = {request: _path(request, slot, found_on) for request in requests}
    known = {request: _read(path) for request, path in paths.items()}
    unknown = [request for request, timing in known.items() if timing is None]
    if unknown and announce is None:
        raise ConfigError("these networks were never timed here; --predict does, in some 20 s, or a sweep")
    if unknown and announce is not None:
        folder = cache_folder() / FOLDER
        announce(f"timing {counted(len(unknown), 'network')} on {machine.name}, once (kept in {folder}): some 20 s ...")
        known.update(zip(unknown, machine.call(slot, time_networks, unknown, slot), strict=True))
    for request in unknown:
        with suppress(OSError):  # where nothing can be kept, networks are timed each time
            paths[request].parent.mkdir(parents=True, exist_ok=True)
            write_whole(paths[request], json.dumps(asdict(known[request])))  # type: ignore[arg-type]
    return [timing for request in requests if (timing := known[request]) is not None]


def _slot(resources: Resources, machine: Machine) -> Slot:
    """A training process, and how many of them share a node's CPU, or a GPU."""
    gpus, at_once = resources.per_worker["GPU"], resources.num_trials * resources.num_workers
    threads = int(resources.per_worker["CPU"])
    sharing = round(1 / gpus) if gpus else int(max(node.get("CPU", 1) for node in machine.nodes)) // threads
    return Slot(num_threads=threads, gpu_share=gpus, num_processes=min(at_once, sharing))


def _image_shape(dataset: Dataset, config: TrainConfig) -> tuple[int, int]:
    """Height and width of the first image that can be decoded, as it is kept to be trained on."""
    split = dataset.splits["train"]
    first = next(readable(split, range(len(split)), decoded_px(config)), None)
    if first is None:
        raise ConfigError(f"no training image of {dataset.name} can be decoded")
    return first.shape[0], first.shape[1]


def _cache_bytes(points: Sequence[PlannedPoint]) -> float:
    """Disk of the decoded images that the points read."""
    read: dict[tuple[str, SplitName, int], Dataset] = {}
    for point in points:
        for name in point.dataset.splits:
            px = decoded_px(point.config) if name == "train" else eval_resize(point.config)
            read[point.dataset.fingerprint, name, px] = point.dataset
    return float(sum(kept_bytes(dataset, name, px) for (_, name, px), dataset in read.items()))


def _path(request: Request, slot: Slot, found_on: str) -> Path:
    """The file for a timing on this hardware."""
    key = json.dumps([VERSION, found_on, asdict(slot), asdict(request)], sort_keys=True)
    return cache_folder() / FOLDER / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Timing | None:
    """The timing in a file; None if there is none, or nothing that can be read."""
    try:
        return timing_from(json.loads(path.read_text()))
    except (OSError, LookupError, TypeError, ValueError):
        return None
