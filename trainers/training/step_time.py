"""Time and memory of training and evaluation steps of a network on this machine, from a few steps on made-up images.

Run as a module, this file times the networks of its standard input, beside other processes that time them too, because
trials share the machine as well.
"""
# The timing calls the private step of a training, so that it times exactly that step.
# pyright: reportPrivateUsage=false

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.config import TrainConfig, names_of
from trainers.datasets.batches.batches import Batches
from trainers.datasets.batches.crops import train_resolution
from trainers.datasets.dataset import PackedImages, Pixels
from trainers.datasets.registry import load_dataset
from trainers.errors import ConfigError, one_line
from trainers.hardware.cpu import cpu_name
from trainers.hardware.device import Device, limit_process
from trainers.models.cost import cost
from trainers.training.classifier import Training
from trainers.training.evaluate import evaluate
from trainers.trial import Point

MOST_ACTIVATIONS = 60e6
"""Most activations of a step that is timed on a CPU: 0.2 s on one core. A `Line` extrapolates to larger batches."""
ROUNDS, ROUND_SECONDS = 3, 0.1
"""Number of rounds and their length; a round has at least one step, and the fastest round counts."""
NICENESS = 15
"""Niceness of a timing process: other programs go first, as they go before the workers of Ray."""
DATA = "digits"
"""Dataset that a timed training opens; its batches are made-up images."""
EVALUATED_BATCHES = 4
"""Number of batches of a timed evaluation."""


@dataclass(frozen=True)
class Line:
    """A quantity that grows linearly with the images of a step: `fixed + images * per_image`."""

    fixed: float
    per_image: float

    def __call__(self, images: float) -> float:
        return self.fixed + self.per_image * images

    @classmethod
    def through(cls, few: int, at_few: float, many: int, at_many: float) -> "Line":
        """Return the line through two measured values, never with a negative part; for `many == few`, through 0."""
        slope = (at_many - at_few) / (many - few) if many > few else at_many / many
        slope = min(max(slope, 0.0), at_many / many)
        return cls(max(0.0, at_many - slope * many), slope)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time and memory of the steps of one network in one process."""

    train: Line
    """Seconds of a training step, with the reading of its decoded images."""
    memory: Line
    """Peak memory of a training in bytes: of the GPU, or of the process on a CPU."""
    evaluate_seconds: float
    """Seconds per image of an evaluation."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A network to time."""

    config: TrainConfig
    image_shape: tuple[int, int]
    """Height and width of a decoded image."""

    @classmethod
    def of(cls, config: TrainConfig, image_shape: tuple[int, int]) -> "Request":
        """Return a request that is equal for all settings with equal step times; `config.num_classes` must be set."""
        settings = {name: getattr(config, name) for name in names_of(type(config), "network", "timed")}
        settings["batch_size"] = max(2, config.batch_size // config.accumulate)
        return cls(config=type(config)(**settings), image_shape=image_shape)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The share of a machine that a training process gets, and the number of such processes."""

    num_threads: int
    """CPU threads of each process."""
    gpu_share: float
    """Share of a GPU that each process gets; 0 on the CPU."""
    num_processes: int
    """Processes that train side by side."""


def training_activations(config: TrainConfig) -> float:
    """Return the activations for one training crop, at the resolution that `train_scale` gives."""
    return cost(config).activations * (train_resolution(config) / config.resolution) ** 2


def hardware(slot: Slot) -> str:
    """Return the processor of a training process in `slot` and the version of PyTorch."""
    processor = torch.cuda.get_device_name() if slot.gpu_share else cpu_name()
    return f"{processor}, PyTorch {torch.__version__}"


def time_networks(requests: Sequence[Request], slot: Slot) -> list[Timing]:
    """Return the timing of each request: the mean over `slot.num_processes` processes that run side by side.

    Raises:
        ConfigError: a process failed, for example because the memory does not suffice.
    """
    order = json.dumps({"requests": [asdict(request) for request in requests], "slot": asdict(slot)})
    environment = dict(os.environ) if slot.gpu_share else os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "trainers.training.step_time"],
                    cwd=Path(__file__).parents[2],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,  # so that its forked processes end with it
                )
            )
            for _ in range(slot.num_processes)
        ]
        for process in processes:
            stack.callback(_kill_group, process)
        for process in processes:
            assert process.stdout
            process.stdout.readline()  # the line says that its imports are done
        for process in processes:
            assert process.stdin
            with suppress(BrokenPipeError):  # the process has ended; _answer raises its reason
                process.stdin.write(f"{order}\n")
                process.stdin.flush()
        answers = [_answer(process) for process in processes]
    return [_mean(timings) for timings in zip(*answers, strict=True)]


def time_network(request: Request, slot: Slot) -> Timing:
    """Time the steps of a network, in forks of this process, which must not have trained or used a GPU before."""
    whole = request.config.batch_size
    fitting = whole if slot.gpu_share else int(MOST_ACTIVATIONS / training_activations(request.config))
    many = min(whole, max(4, fitting))
    few = max(2, many // 4)
    results: list[tuple[float, float, float]] = []
    for batch_size in (few, many):
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:  # each batch size has its own memory peak
            results.append(pool.submit(_steps, request, slot, batch_size).result())
    (few_seconds, few_bytes, _), (seconds, num_bytes, evaluate_seconds) = results
    return Timing(
        train=Line.through(few, few_seconds, many, seconds),
        memory=Line.through(few, few_bytes, many, num_bytes),
        evaluate_seconds=evaluate_seconds / many,
    )


def _steps(request: Request, slot: Slot, batch_size: int) -> tuple[float, float, float]:
    """Return for a step of `batch_size` images: seconds of training, peak memory in bytes, seconds of evaluation."""
    limit_process(slot.num_threads, slot.gpu_share)
    config = replace(request.config, batch_size=batch_size, lr=1e-4, data=DATA)
    training = Training(Point(id="timing", config=config, folder=Path("timing")))
    device = training.device
    num_workers = torch.get_num_threads() if device.place.type == "cuda" else 0
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (*request.image_shape, 3), dtype=np.uint8)

    def made_up(num_batches: int, *, train: bool) -> Batches:
        labels = torch.arange(num_batches * batch_size) % (config.num_classes or 1)
        return Batches(partial(_copies, pixels), labels, config, train=train, num_workers=num_workers)

    batches = _endless(made_up(max(8, 4 * num_workers), train=True))
    training.model.train()

    def step() -> None:
        images, labels = next(batches)
        place = device.place
        images, labels = images.to(place, non_blocking=True), labels.to(place, non_blocking=True)
        training._step(images, labels, images_per_step=batch_size)

    for _ in range(2 * num_workers):  # uses up the batches that the loader has prepared in advance
        step()
    train_seconds = _seconds(step)
    memory = _peak_memory(device)
    val = made_up(max(EVALUATED_BATCHES, 4 * num_workers), train=False)
    return train_seconds, memory, _seconds(lambda: evaluate(training.scored, val, device.autocast)) / len(val)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _copies(pixels: Pixels, indices: NDArray[np.int64]) -> PackedImages:
    """Return one image for each index. A lambda would not do, because the loader pickles this for its workers."""
    return PackedImages(pixels.reshape(-1), np.zeros_like(indices), np.tile(pixels.shape[:2], (len(indices), 1)))


def _endless(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from batches


def _seconds(run: Callable[[], object]) -> float:
    """Return the seconds of one call of `run`, after an uncounted call: the first with new shapes is slow."""
    run()
    means: list[float] = []
    for _ in range(ROUNDS):
        _wait_for_gpu()
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < ROUND_SECONDS:
            run()
            count += 1
        _wait_for_gpu()
        means.append((time.perf_counter() - start) / count)
    return min(means)


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak_memory(device: Device) -> float:
    """Return the peak memory of this process in bytes: of the GPU, or of the machine."""
    if device.place.type == "cuda":
        return float(torch.cuda.max_memory_reserved())
    status = Path("/proc/self/status").read_text()  # ru_maxrss may be the peak of the parent process
    return 1024 * float(status.partition("VmHWM:")[2].split()[0])


def _answer(process: subprocess.Popen[str]) -> list[Timing]:
    out, errors = process.communicate()
    if process.returncode != 0:
        reason = one_line((errors.strip() or f"it ended with {process.returncode}").splitlines()[-1])
        raise ConfigError(f"networks cannot be timed on this machine: {reason}")
    return [timing_from(values) for values in json.loads(out.splitlines()[-1])]


def timing_from(values: Mapping[str, Any]) -> Timing:
    """Return the timing that `asdict` turned into `values`.

    Raises:
        LookupError, TypeError, ValueError: `values` are not those of a timing.
    """
    numbers = [float(values[name][part]) for name in ("train", "memory") for part in ("fixed", "per_image")]
    evaluate_seconds = float(values["evaluate_seconds"])
    if not all(math.isfinite(number) and number >= 0 for number in (*numbers, evaluate_seconds)):
        raise ValueError("a timing is finite and not below 0")
    return Timing(train=Line(*numbers[:2]), memory=Line(*numbers[2:]), evaluate_seconds=evaluate_seconds)


def _mean(timings: Sequence[Timing]) -> Timing:
    return Timing(
        train=_mean_line([timing.train for timing in timings]),
        memory=_mean_line([timing.memory for timing in timings]),
        evaluate_seconds=fmean(timing.evaluate_seconds for timing in timings),
    )


def _mean_line(lines: Sequence[Line]) -> Line:
    return Line(fmean(line.fixed for line in lines), fmean(line.per_image for line in lines))


def main() -> None:
    """Print a line when ready, read the networks to time, and print the timings as the last line."""
    load_dataset(DATA)
    os.nice(NICENESS)
    print("ready", flush=True)
    order = json.loads(sys.stdin.readline())
    slot = Slot(**order["slot"])
    requests = [
        Request(config=TrainConfig(**r["config"]), image_shape=tuple(r["image_shape"])) for r in order["requests"]
    ]
    if any(request.config.crop_scale < 1 for request in requests):  # once here, and not in each fork
        import trainers.datasets.batches.random_crops  # noqa: F401 # pyright: ignore[reportUnusedImport]

    print(json.dumps([asdict(time_network(request, slot)) for request in requests]))


if __name__ == "__main__":
    main()
