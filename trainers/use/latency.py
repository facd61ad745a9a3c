"""How long a network takes on this machine: PyTorch, and ONNX Runtime where it is installed."""

import os
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.hardware.cpu import cpu_name
from trainers.hardware.device import Device
from trainers.trial import Latency
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
) -> list[Latency]:
    """The latency of `network` under PyTorch on this process's GPU or CPU, then under ONNX Runtime on the CPU.

    Args:
        network: trained or not: its weights do not matter.
        num_threads: CPU threads; unset: as many as PyTorch takes by itself.
        batch_size: images in each run.
        num_repeats: counted runs, after NUM_WARMUP others.
        with_onnx: whether to measure ONNX Runtime too, where it is installed.

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
    found = [_pytorch(network, images, num_threads, num_repeats)]
    if with_onnx and has_onnx():
        found.append(_onnx_runtime(network, images, num_threads, num_repeats))
    return found


def pytorch_device(config: TrainConfig) -> str:
    """The processor and the arithmetic with which a network of `config` is measured under PyTorch."""
    device = _device(config)
    return str(device) if device.place.type == "cuda" else f"{cpu_name()} {device.precision}"


def has_onnx() -> bool:
    """Whether the libraries of ONNX are installed."""
    try:
        require_onnx()
    except ConfigError:
        return False
    return True


def _pytorch(network: Network, images: torch.Tensor, num_threads: int, num_repeats: int) -> Latency:
    device = _device(network.config)
    model, images = network.model.to(device.place), images.to(device.place)

    def run() -> None:
        model(images)
        if device.place.type == "cuda":
            torch.cuda.synchronize()

    with _threads(num_threads), torch.inference_mode(), device.autocast:
        milliseconds = _time(run, num_repeats)
    name = pytorch_device(network.config)
    return _latency(f"PyTorch {torch.__version__}", name, num_threads, len(images), milliseconds)


def _device(config: TrainConfig) -> Device:
    return Device.of(config if torch.cuda.is_available() else replace(config, precision="fp32"))  # as ONNX Runtime


def _onnx_runtime(network: Network, images: torch.Tensor, num_threads: int, num_repeats: int) -> Latency:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        network.model.cpu()
        write_onnx(network, path)
        session = onnx_session(path, num_threads)
        inputs = {INPUT: images.contiguous().numpy()}
        milliseconds = _time(lambda: session.run([OUTPUT], inputs), num_repeats)
    version = f"ONNX Runtime {onnxruntime.__version__}"
    return _latency(version, f"{cpu_name()} fp32", num_threads, len(images), milliseconds)


def _latency(runtime: str, device: str, num_threads: int, batch_size: int, milliseconds: list[float]) -> Latency:
    return Latency(
        runtime=runtime,
        device=device,
        num_threads=num_threads,
        batch_size=batch_size,
        num_repeats=len(milliseconds),
        median_ms=float(np.median(milliseconds)),
        p90_ms=float(np.percentile(milliseconds, 90)),
    )


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
    """PyTorch with so many CPU threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
