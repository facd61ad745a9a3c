"""Latencies are measured with the requested settings on every installed runtime, and match a known delay."""

import os
import sys
import time

import pytest
import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.hardware.cpu import cpu_name
from trainers.use.latency import MOST_TRIES, NUM_WARMUP, measure_latency
from trainers.weights.network import Network, untrained

TINY = TrainConfig(num_classes=7, width_mult=0.1, resolution=16, total_stride=8)


class Sleeper(nn.Module):
    """A network that takes 2 ms, or 12 ms at every fifth call, and records the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[torch.Size, int]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append((images.shape, torch.get_num_threads()))
        time.sleep(0.012 if len(self.calls) % 5 == 0 else 0.002)
        return images


def test_median_and_p90_leave_out_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    sleeper, before = Sleeper(), torch.get_num_threads()

    network = Network(sleeper, TINY, tuple("abcdefg"))
    median, p90 = measure_latency(network, num_threads=2, batch_size=3, num_repeats=20)

    assert sleeper.calls == [((3, 3, 16, 16), 2)] * (NUM_WARMUP + MOST_TRIES * 20)  # as its runs are not steady
    assert (median.metric, p90.metric) == ("latency_ms", "latency_p90_ms")
    assert 2 <= median.value < 8 < 12 <= p90.value < 40
    assert (median.point, median.num_threads, median.batch_size, median.num_repeats) == (network.name, 2, 3, 20)
    assert torch.get_num_threads() == before


def test_each_runtime_names_itself_and_the_processor() -> None:
    onnx, onnx_p90, pytorch, _ = measure_latency(untrained(TINY), num_threads=1, num_repeats=3)

    assert pytorch.runtime.startswith("PyTorch 2.")
    assert onnx.runtime.startswith("ONNX Runtime 1.")
    assert (onnx.device, onnx.treatment) == (cpu_name(), "fp32")
    if not torch.cuda.is_available():
        assert (pytorch.device, pytorch.treatment) == (cpu_name(), "fp32")
    assert 0 < onnx.value <= onnx_p90.value


@pytest.mark.parametrize("setting", ["num_threads", "batch_size", "num_repeats"])
def test_settings_that_are_not_positive_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"is 0; it must be 1 or more"):
        measure_latency(untrained(TINY), **{setting: 0})  # type: ignore[arg-type]


def test_more_threads_than_cores_are_refused() -> None:
    num_cores = os.cpu_count() or 1
    with pytest.raises(ConfigError, match=rf"threads is {num_cores + 1}; this machine has {num_cores} core"):
        measure_latency(untrained(TINY), num_threads=num_cores + 1)
