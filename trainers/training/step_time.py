"""How long training and evaluation steps of a network take here, and how much memory: a few steps on made-up images.

Run as a module it times what its standard input asks for, beside other processes that do the same, as trials do.
"""
# Times the very step that a training takes.
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
"""Of a step that a CPU is timed with: a fifth of a second on one core. Larger batches follow by their line."""
ROUNDS, ROUND_SECONDS = 3, 0.1
"""Steps are timed in so many rounds of so long, or of one step; the least disturbed counts."""
NICENESS = 15
"""Of a process that times: the system's other programs go first, as they do before the workers that Ray starts."""
DATA = "digits"
"""What a training opens that is given made-up images instead."""
EVALUATED_BATCHES = 4
"""Of an evaluation that is timed."""


@dataclass(frozen=True)
class Line:
    """What grows with the images of a step: `fixed + images * per_image`."""

    fixed: float
    per_image: float

    def __call__(self, images: float) -> float:
        return self.fixed + self.per_image * images

    @classmethod
    def through(cls, few: int, at_few: float, many: int, at_many: float) -> "Line":
        """The line through two points, which neither falls nor starts below 0; where they are one, through 0."""
        slope = (at_many - at_few) / (many - few) if many > few else at_many / many
        slope = min(max(slope, 0.0), at_many / many)
        return cls(max(0.0, at_many - slope * many), slope)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What steps of one network take in one process."""

    train: Line
    """Seconds of a training step, the reading of its decoded images included."""
    memory: Line
    """Bytes of a training at its peak: the process's, or the GPU's."""
    evaluate_seconds: float
    """For an image in an evaluation."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A network to time."""

    config: TrainConfig
    image_shape: tuple[int, int]
    """Height and width of a decoded image."""

    @classmethod
    def of(cls, config: TrainConfig, image_shape: tuple[int, int]) -> "Request":
        """A request that is equal for all settings whose steps take the same time; `config.num_classes` must be set."""
        settings = {name: getattr(config, name) for name in names_of(type(config), "network", "timed")}
        settings["batch_size"] = max(2, config.batch_size // config.accumulate)
        return cls(config=type(config)(**settings), image_shape=image_shape)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What a training process gets of the machine, and how many run beside each other."""

    num_threads: int
    """CPU threads of each."""
    gpu_share: float
    """Of a GPU; 0 on the CPU."""
    num_processes: int


def training_activations(config: TrainConfig) -> float:
    """Activations of a training crop, which `train_scale` may have at another resolution than the network's."""
    return cost(config).activations * (train_resolution(config) / config.resolution) ** 2


def hardware(slot: Slot) -> str:
    """What a training process in `slot` computes on, and with: the processor and PyTorch's version."""
    processor = torch.cuda.get_device_name() if slot.gpu_share else cpu_name()
    return f"{processor}, PyTorch {torch.__version__}"


def time_networks(requests: Sequence[Request], slot: Slot) -> list[Timing]:
    """The timing of each request, the mean over `slot.num_processes` processes that time it side by side.

    Raises:
        ConfigError: a process failed, as where memory does not suffice.
    """
    asked = json.dumps({"requests": [asdict(request) for request in requests], "slot": asdict(slot)})
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
                    start_new_session=True,  # so that the processes that it forks end with it
                )
            )
            for _ in range(slot.num_processes)
        ]
        for process in processes:
            stack.callback(_kill_group, process)
        for process in processes:
            assert process.stdout
            process.stdout.readline()  # it has imported what it needs
        for process in processes:
            assert process.stdin
            with suppress(BrokenPipeError):  # it has ended; its answer tells why
                process.stdin.write(f"{asked}\n")
                process.stdin.flush()
        found = [_answer(process) for process in processes]
    return [_mean(timings) for timings in zip(*found, strict=True)]


def time_network(request: Request, slot: Slot) -> Timing:
    """Time the steps of a network, in processes forked from this one, which must not have trained or used a GPU."""
    whole = request.config.batch_size
    fitting = whole if slot.gpu_share else int(MOST_ACTIVATIONS / training_activations(request.config))
    many = min(whole, max(4, fitting))
    few = max(2, many // 4)
    found: list[tuple[float, float, float]] = []
    for batch_size in (few, many):
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:  # its own, for its own peak of memory
            found.append(pool.submit(_steps, request, slot, batch_size).result())
    (few_seconds, few_bytes, _), (seconds, num_bytes, evaluate_seconds) = found
    return Timing(
        train=Line.through(few, few_seconds, many, seconds),
        memory=Line.through(few, few_bytes, many, num_bytes),
        evaluate_seconds=evaluate_seconds / many,
    )


def _steps(request: Request, slot: Slot, batch_size: int) -> tuple[float, float, float]:
    """Of steps of so many images: seconds of training, the peak of memory in bytes, seconds of evaluation."""
    limit_process(slot.num_threads, slot.gpu_share)
    config = replace(request.config, batch_size=batch_size, lr=1e-4, data=DATA)
    training = Training(Point(id="timing", config=config, folder=Path("timing")))
    device = training.device
    num_workers = torch.get_num_threads() if device.place.type == "cuda" else 0
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (*request.image_shape, 3), dtype=np.uint8)

    def made_up(num_batches: int, *, train: bool) -> Batches:
        labels = torch.arange(num_batches * batch_size) % (config.num_classes or 1)
        return Batches(partial(_same, pixels), labels, config, train=train, num_workers=num_workers)

    batches = _endless(made_up(max(8, 4 * num_workers), train=True))
    training.model.train()

    def step() -> None:
        images, labels = next(batches)
        place = device.place
        images, labels = images.to(place, non_blocking=True), labels.to(place, non_blocking=True)
        training._step(images, labels, images_per_step=batch_size)

    for _ in range(2 * num_workers):  # as many batches as the loader's workers hold ready
        step()
    train_seconds = _seconds(step)
    memory = _peak_memory(device)
    val = made_up(max(EVALUATED_BATCHES, 4 * num_workers), train=False)
    return train_seconds, memory, _seconds(lambda: evaluate(training.scored, val, device.autocast)) / len(val)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _same(pixels: Pixels, indices: NDArray[np.int64]) -> PackedImages:
    """One image, once per index; picklable, as a loader's workers need it."""
    return PackedImages(pixels.reshape(-1), np.zeros_like(indices), np.tile(pixels.shape[:2], (len(indices), 1)))


def _endless(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from batches


def _seconds(run: Callable[[], object]) -> float:
    """The seconds of one `run`, after one that is not counted: the first of a shape is slow."""
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
    """The most bytes that this process has held: of the GPU, or of the machine's memory."""
    if device.place.type == "cuda":
        return float(torch.cuda.max_memory_reserved())
    status = Path("/proc/self/status").read_text()  # of this process alone; ru_maxrss may be of the one that started it
    return 1024 * float(status.partition("VmHWM:")[2].split()[0])


def _answer(process: subprocess.Popen[str]) -> list[Timing]:
    """What a process found."""
    out, complained = process.communicate()
    if process.returncode != 0:
        reason = one_line((complained.strip() or f"it ended with {process.returncode}").splitlines()[-1])
        raise ConfigError(f"networks cannot be timed on this machine: {reason}")
    return [timing_from(values) for values in json.loads(out.splitlines()[-1])]


def timing_from(values: Mapping[str, Any]) -> Timing:
    """The timing that `asdict` gave.

    Raises:
        LookupError, TypeError, ValueError: it gave something else.
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
    """Say when ready, read what to time, print the timings as the last line."""
    load_dataset(DATA)
    os.nice(NICENESS)
    print("ready", flush=True)
    asked = json.loads(sys.stdin.readline())
    slot = Slot(**asked["slot"])
    requests = [
        Request(config=TrainConfig(**r["config"]), image_shape=tuple(r["image_shape"])) for r in asked["requests"]
    ]
    if any(request.config.crop_scale < 1 for request in requests):  # once, before processes are forked that need it
        import trainers.datasets.batches.random_crops  # noqa: F401 # pyright: ignore[reportUnusedImport]

    print(json.dumps([asdict(time_network(request, slot)) for request in requests]))


if __name__ == "__main__":
    main()
