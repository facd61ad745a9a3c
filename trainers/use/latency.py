"""Latency of a network on this machine, under ONNX Runtime or PyTorch."""

import os
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from trainers.assessment import Assessment
from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.hardware.cpu import cpu_name
from trainers.hardware.device import Device
from trainers.use.export import INPUT, OUTPUT, onnx_session, require_onnx, write_onnx
from trainers.weights.network import Network

RuntimeName = Literal["onnxruntime", "pytorch"]
NUM_WARMUP = 10
"""Runs that are not counted: memory is allocated and kernels are chosen in them."""
STEADY = 2.0
"""Highest ratio of the 90th percentile to the median on a machine that does nothing else."""
MOST_TRIES = 3
"""Most series of runs, while the machine is not steady."""


def measure_latency(
    network: Network,
    *,
    num_threads: int | None = None,
    batch_size: int = 1,
    num_repeats: int = 100,
    runtimes: Sequence[RuntimeName] | None = None,
    point: str | None = None,
) -> list[Assessment]:
    """Measure the latency of `network` with every runtime in `runtimes`.

    PyTorch runs on the GPU or CPU of this process, ONNX Runtime on the CPU. Each runtime gives two assessments:
    `latency_ms`, the median, and `latency_p90_ms`, the 90th percentile. A series of runs that is not STEADY is
    repeated, and the steadiest of MOST_TRIES series counts.

    Args:
        network: trained or not, as its weights do not matter.
        num_threads: CPU threads; unset: as many as PyTorch takes by itself.
        batch_size: images in each run.
        num_repeats: counted runs, after NUM_WARMUP others.
        runtimes: the runtimes in their order; unset: every installed one.
        point: the id of the point that the network is of; unset: the name of the network.

    Raises:
        ConfigError: a number is not positive, there are more threads than cores, or a runtime is not installed.
    """
    num_threads = torch.get_num_threads() if num_threads is None else num_threads
    for name, value in (("threads", num_threads), ("batch_size", batch_size), ("repeats", num_repeats)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be 1 or more")
    if num_threads > (num_cores := os.cpu_count() or 1):
        raise ConfigError(f"threads is {num_threads}; this machine has {counted(num_cores, 'core')}")
    resolution = network.config.resolution
    images = torch.randn(batch_size, 3, resolution, resolution).contiguous(memory_format=torch.channels_last)
    runs = [
        MEASURES[runtime](network, images, num_threads, num_repeats) for runtime in runtimes or installed_runtimes()
    ]
    return [
        Assessment(
            point=network.name if point is None else point,
            treatment=run.precision,
            metric=metric,
            value=value,
            device=run.device,
            runtime=run.runtime,
            num_threads=num_threads,
            batch_size=batch_size,
            num_repeats=num_repeats,
        )
        for run in runs
        for metric, value in (
            ("latency_ms", float(np.median(run.milliseconds))),
            ("latency_p90_ms", float(np.percentile(run.milliseconds, 90))),
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The counted runs of a network under a runtime."""

    runtime: str
    """The library and its version."""
    device: str
    """The name of the processor."""
    precision: str
    """The arithmetic: fp32, bf16 or fp16."""
    milliseconds: Sequence[float] = ()
    """Of each run."""


def installed_runtimes() -> list[RuntimeName]:
    """Return the runtimes that can be measured here, first the one under which a network most likely ships."""
    return [runtime for runtime in get_args(RuntimeName) if runtime == "pytorch" or has_onnx()]


def is_steady(median: float, p90: float) -> bool:
    """Whether the runs of a latency differ no more than those of a machine that does nothing else."""
    return p90 <= STEADY * median


def conditions(runtime: RuntimeName, config: TrainConfig) -> Runs:
    """Return the version, the processor and the arithmetic with which a network of `config` is measured here."""
    if runtime == "pytorch":
        return _pytorch_conditions(config)
    require_onnx()
    import onnxruntime

    return Runs(runtime=f"ONNX Runtime {onnxruntime.__version__}", device=cpu_name(), precision="fp32")


def _pytorch_conditions(config: TrainConfig) -> Runs:
    device = _device(config)
    name = torch.cuda.get_device_name() if device.place.type == "cuda" else cpu_name()
    return Runs(runtime=f"PyTorch {torch.__version__}", device=name, precision=device.precision)


def has_onnx() -> bool:
    """Whether the libraries of ONNX are installed."""
    try:
        require_onnx()
    except ConfigError:
        return False
    return True


def _pytorch(network: Network, images: torch.Tensor, num_threads: int, num_repeats: int) -> Runs:
    device = _device(network.config)
    model, images = network.model.to(device.place), images.to(device.place)

    def run() -> None:
        model(images)
        if device.place.type == "cuda":
            torch.cuda.synchronize()

    with _threads(num_threads), torch.inference_mode(), device.autocast:
        milliseconds = _time(run, num_repeats)
    return replace(_pytorch_conditions(network.config), milliseconds=milliseconds)


def _device(config: TrainConfig) -> Device:
    return Device.of(config if torch.cuda.is_available() else replace(config, precision="fp32"))  # as ONNX Runtime


def _onnx_runtime(network: Network, images: torch.Tensor, num_threads: int, num_repeats: int) -> Runs:
    here = conditions("onnxruntime", network.config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        network.model.cpu()
        write_onnx(network, path)
        session = onnx_session(path, num_threads)
        inputs = {INPUT: images.contiguous().numpy()}
        milliseconds = _time(lambda: session.run([OUTPUT], inputs), num_repeats)
    return replace(here, milliseconds=milliseconds)


MEASURES: dict[RuntimeName, Callable[[Network, torch.Tensor, int, int], Runs]] = {
    "onnxruntime": _onnx_runtime,
    "pytorch": _pytorch,
}


def _time(run: Callable[[], object], num_repeats: int) -> list[float]:
    """Return the milliseconds of each counted run of the steadiest series."""
    for _ in range(NUM_WARMUP):
        run()
    steadiest, least_spread = list[float](), float("inf")
    for _ in range(MOST_TRIES):
        series = _series(run, num_repeats)
        median, p90 = np.percentile(series, [50, 90]).tolist()
        if p90 / median < least_spread:
            steadiest, least_spread = series, p90 / median
        if is_steady(median, p90):
            break
    return steadiest


def _series(run: Callable[[], object], num_repeats: int) -> list[float]:
    times: list[float] = []
    for _ in range(num_repeats):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return times


@contextmanager
def _threads(number: int) -> Generator[None]:
    """Run PyTorch with `number` CPU threads inside the block, and restore the number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
