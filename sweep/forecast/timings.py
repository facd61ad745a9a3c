"""Times a few networks of a sweep on the machine that runs it, and caches the timings on disk."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sweep.config import SweepConfig
from sweep.forecast.prediction import Prediction, TimedNetwork, predict, to_time
from sweep.forecast.trial_resources import Machine, Resources, processes_per_gpu, trial_resources
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
"""The folder of timings in the cache; networks are timed again once it is deleted."""
VERSION = 2
"""Version of the way networks are timed, to be raised with every change of it; older timings are not read."""
MOST_SECONDS, MOST_BYTES = 1e4, 1e15
"""Bounds above the seconds and the memory of a step on one image; a file with more is damaged."""


def predict_on(
    machine: Machine,
    config: SweepConfig,
    trials: Sequence[PlannedTrial],
    *,
    epochs_done: Mapping[str, int],
    longest_first: bool,
    announce: Callable[[str], None] | None,
) -> Prediction:
    """Predict the cost of `trials` on `machine`; `announce` receives a line before networks are timed.

    Raises:
        ConfigError: a trial asks for more than the machine has, networks cannot be timed, or `announce` is None and
            networks have not been timed.
    """
    resources = trial_resources(config, machine.nodes)
    slot = _slot(resources, machine)
    points = [point for trial in trials for point in trial.points]
    dataset_of = {point.config: point.dataset for point in points}
    to_measure = to_time(dataset_of)
    requests = [Request.of(settings, _image_shape(dataset_of[settings], settings)) for settings in to_measure]
    timings = cached_timings(requests, slot, machine, announce)
    timed = [TimedNetwork(config=settings, timing=timing) for settings, timing in zip(to_measure, timings, strict=True)]
    return predict(
        trials,
        timed,
        resources,
        epochs_done=epochs_done,
        cache_bytes=_cache_bytes(points),
        longest_first=longest_first,
    )


def cached_timings(
    requests: Sequence[Request], slot: Slot, machine: Machine, announce: Callable[[str], None] | None
) -> list[Timing]:
    """Return the timing of each request, from the cache or measured now.

    Raises:
        ConfigError: `announce` is None and a timing is not in the cache.
    """
    devices = machine.call(slot, hardware, slot)
    paths = {request: _path(request, slot, devices) for request in requests}
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
    """Return the slot of a training process: its threads, its share of a GPU, and how many processes run beside it."""
    gpus, at_once = resources.per_worker["GPU"], resources.num_trials * resources.num_workers
    threads = int(resources.per_worker["CPU"])
    sharing = processes_per_gpu(gpus) if gpus else int(max(node.get("CPU", 1) for node in machine.nodes)) // threads
    return Slot(num_threads=threads, gpu_share=gpus, num_processes=min(at_once, sharing))


def _image_shape(dataset: Dataset, config: TrainConfig) -> tuple[int, int]:
    """Return height and width in px of the first training image that can be decoded, as it is cached."""
    split = dataset.splits["train"]
    first = next(readable(split, range(len(split)), decoded_px(config)), None)
    if first is None:
        raise ConfigError(f"no training image of {dataset.name} can be decoded")
    return first.shape[0], first.shape[1]


def _cache_bytes(points: Sequence[PlannedPoint]) -> float:
    """Return the disk space of the decoded images that the points read."""
    read: dict[tuple[str, SplitName, int], Dataset] = {}
    for point in points:
        for name in point.dataset.splits:
            px = decoded_px(point.config) if name == "train" else eval_resize(point.config)
            read[point.dataset.fingerprint, name, px] = point.dataset
    return float(sum(kept_bytes(dataset, name, px) for (_, name, px), dataset in read.items()))


def _path(request: Request, slot: Slot, devices: str) -> Path:
    """Return the cache file of a timing on the hardware `devices`."""
    key = json.dumps([VERSION, devices, asdict(slot), asdict(request)], sort_keys=True)
    return cache_folder() / FOLDER / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Timing | None:
    """Return the timing in a file; None if the file is missing or unreadable, or its figures are absurd."""
    try:
        timing = timing_from(json.loads(path.read_text()))
    except (OSError, LookupError, TypeError, ValueError, OverflowError):
        return None
    return timing if _is_plausible(timing) else None


def _is_plausible(timing: Timing) -> bool:
    """Whether a machine may have taken the time and memory for one image."""
    seconds = timing.train(1), timing.evaluate_seconds
    return seconds[0] > 0 and max(seconds) < MOST_SECONDS and timing.memory(1) < MOST_BYTES
