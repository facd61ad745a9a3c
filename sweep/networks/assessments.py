"""How long the points of a sweep take on this machine; what was measured is kept beside the results."""

from dataclasses import asdict
from pathlib import Path

from analysis.results.read import load_latencies
from analysis.results.schema import LATENCIES
from sweep.networks.checkpoints import open_checkpoint
from sweep.run.log import append, open_for_append
from trainers.config import TrainConfig
from trainers.files import check_writable
from trainers.trial import Latency
from trainers.use.latency import measure_latency, pytorch_device
from trainers.weights.network import untrained


def point_latency(sweep: Path, point: str, *, num_threads: int, fresh: bool = False) -> Latency:
    """The latency of one image under PyTorch: as it was measured last on this device, or measured now and kept.

    `fresh` has it measured now in any case.

    Raises:
        ConfigError: the sweep in the folder `sweep` has no checkpoint of `point` or cannot be written to, or
            `num_threads` is not positive, or what was kept is damaged.
    """
    network = open_checkpoint(str(sweep / point))
    asked = (pytorch_device(network.config), num_threads)
    for kept in reversed(load_latencies(sweep).get(point, [])):
        if (kept.device, kept.num_threads) == asked and not fresh:
            return kept
    path = sweep / LATENCIES
    check_writable(path)
    [found] = measure_latency(network, num_threads=num_threads, with_onnx=False)
    with open_for_append(path) as file:
        append(file, {"point": point, **asdict(found)})
    return found


def untrained_latency(
    *, model: str, width_mult: float, resolution: int, round_nearest: int, num_threads: int
) -> Latency:
    """The same of an ImageNet network that nobody has trained here, measured now."""
    config = TrainConfig(
        model=model, width_mult=width_mult, resolution=resolution, round_nearest=round_nearest, num_classes=1000
    )
    [found] = measure_latency(untrained(config), num_threads=num_threads, with_onnx=False)
    return found
