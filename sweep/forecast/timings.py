"""What a sweep takes where it runs: times a few of its networks there the first time, and keeps what it found."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sweep.config import SweepConfig
from sweep.forecast.machine import Machine, Resources, processes_per_gpu, trial_resources
from sweep.forecast.prediction import Prediction, TimedNetwork, predict, to_time
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from trainers.config import TrainConfig
from trainers.datasets.batches.batches import decoded_px
from trainers.datasets.batches.crops import eval_resize
from trainers.datasets.dataset import Dataset, SplitName
from trainers.datasets.pixels.cache import cache_folder, kept_bytes, readable
from trainers.errors import ConfigError, counted
from trainers.files import write_whole
from trainers.training.step_time import Request, Slot, Timing, hardware, time_networks, timing_from

FOLDER = "timings"
"""Of the cache; without it networks are timed anew."""
VERSION = 2
"""Of how networks are timed; one more whenever that changes, so that no timing of an earlier way is read."""


def predict_on(
    machine: Machine,
    config: SweepConfig,
    trials: Sequence[PlannedTrial],
    *,
    epochs_done: Mapping[str, int],
    longest_first: bool,
    announce: Callable[[str], None] | None,
) -> Prediction:
    """Predict what `trials` take if `machine` runs them; `announce` is told when networks are to be timed first.

    Raises:
        ConfigError: a trial asks for more than there is, networks cannot be timed, or networks have not been timed and
            there is nobody to announce it to.
    """
    resources = trial_resources(config, machine.nodes)
    slot = _slot(resources, machine)
    points = [point for trial in trials for point in trial.points]
    dataset_of = {point.config: point.dataset for point in points}
    chosen = to_time(dataset_of)
    requests = [Request.of(each, _image_shape(dataset_of[each], each)) for each in chosen]
    timings = kept_timings(requests, slot, machine, announce)
    timed = [TimedNetwork(config=each, timing=timing) for each, timing in zip(chosen, timings, strict=True)]
    return predict(
        trials,
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
    sharing = processes_per_gpu(gpus) if gpus else int(max(node.get("CPU", 1) for node in machine.nodes)) // threads
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
