"""How long a network takes on this machine: PyTorch, and ONNX Runtime where it is installed."""

import os
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trainers.assessment import Assessment
from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.hardware.cpu import cpu_name
from trainers.hardware.device import Device
from trainers.use.export import INPUT, OUTPUT, onnx_session, require_onnx, write_onnx
from trainers.weights.network import Network

NUM_WARMUP = 10
"""Runs that are not counted: memory is allocated and kernels are chosen in them."""


def measure_latency(
    network: Network,
    *,
    num_threads: int | None = None,
    batch_size: int = 1,
    num_repeats: int = 100,
    with_onnx: bool = True,
    point: str | None = None,
) -> list[Assessment]:
    """Measure the latency of `network` under PyTorch on the GPU or CPU of this process, then under ONNX Runtime.

    ONNX Runtime runs on the CPU. Each runtime gives two assessments: `latency_ms`, the median, and `latency_p90_ms`,
    the 90th percentile.

    Args:
        network: trained or not, as its weights do not matter.
        num_threads: CPU threads; unset: as many as PyTorch takes by itself.
        batch_size: images in each run.
        num_repeats: counted runs, after NUM_WARMUP others.
        with_onnx: whether to measure ONNX Runtime too, where it is installed.
        point: the id of the point that the network is of; unset: the name of the network.

    Raises:
        ConfigError: a number that is not positive, or more threads than cores.
    """
    num_threads = torch.get_num_threads() if num_threads is None else num_threads
    for name, value in (("threads", num_threads), ("batch_size", batch_size), ("repeats", num_repeats)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be 1 or more")
    if num_threads > (num_cores := os.cpu_count() or 1):
        raise ConfigError(f"threads is {num_threads}; this machine has {counted(num_cores, 'core')}")
    resolution = network.config.resolution
    images = torch.randn(batch_size, 3, resolution, resolution).contiguous(memory_format=torch.channels_last)
    runs = [_pytorch(network, images, num_threads, num_repeats)]
    if with_onnx and has_onnx():
        runs.append(_onnx_runtime(network, images, num_threads, num_repeats))
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


def pytorch_runs(config: TrainConfig) -> Runs:
    """Return where, and in which arithmetic, a network of `config` is measured under PyTorch."""
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
    return replace(pytorch_runs(network.config), milliseconds=milliseconds)


def _device(config: TrainConfig) -> Device:
    return Device.of(config if torch.cuda.is_available() else replace(config, precision="fp32"))  # as ONNX Runtime


def _onnx_runtime(network: Network, images: torch.Tensor, num_threads: int, num_repeats: int) -> Runs:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        network.model.cpu()
        write_onnx(network, path)
        session = onnx_session(path, num_threads)
        inputs = {INPUT: images.contiguous().numpy()}
        milliseconds = _time(lambda: session.run([OUTPUT], inputs), num_repeats)
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    return Runs(runtime=runtime, device=cpu_name(), precision="fp32", milliseconds=milliseconds)


def _time(run: Callable[[], object], num_repeats: int) -> list[float]:
    """The milliseconds of each counted run."""
    for _ in range(NUM_WARMUP):
        run()
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
