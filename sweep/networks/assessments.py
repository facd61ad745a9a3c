"""Assesses a sweep's networks on this machine, and logs the assessments beside the results."""

from dataclasses import asdict
from pathlib import Path

from analysis.results.read import load_assessments
from analysis.results.schema import ASSESSMENTS
from sweep.networks.checkpoints import open_checkpoint
from sweep.run.log import append, open_for_append
from trainers.assessment import Assessment
from trainers.config import TrainConfig
from trainers.files import check_writable
from trainers.use.latency import measure_latency, pytorch_runs
from trainers.weights.network import untrained


def point_latency(sweep: Path, point: str, *, num_threads: int, fresh: bool = False) -> Assessment:
    """Return the latency of one image under PyTorch, from the log if it is there, else measured and logged now.

    A logged latency holds only for its processor, arithmetic, version of PyTorch and number of threads.

    Args:
        sweep: the folder of the sweep.
        point: the id of the point.
        num_threads: number of CPU threads.
        fresh: whether to measure even if the log has the latency.

    Raises:
        ConfigError: the sweep has no checkpoint of the point, its folder cannot be written to, `num_threads` is not
            positive, or the log of assessments is damaged.
    """
    network = open_checkpoint(str(sweep / point))
    here = pytorch_runs(network.config)
    this_run = (point, "latency_ms", here.runtime, here.device, here.precision, num_threads, 1)
    for row in reversed(load_assessments(sweep)):
        conditions = (row.point, row.metric, row.runtime, row.device, row.treatment, row.num_threads, row.batch_size)
        if conditions == this_run and not fresh:
            return row
    path = sweep / ASSESSMENTS
    check_writable(path)
    median, *others = measure_latency(network, num_threads=num_threads, with_onnx=False, point=point)
    with open_for_append(path) as file:
        for row in (median, *others):
            append(file, asdict(row))
    return median


def untrained_latency(
    *, model: str, width_mult: float, resolution: int, round_nearest: int, num_threads: int
) -> Assessment:
    """Measure the latency of one image of a published network, with random weights."""
    config = TrainConfig(
        model=model, width_mult=width_mult, resolution=resolution, round_nearest=round_nearest, num_classes=1000
    )
    return measure_latency(untrained(config), num_threads=num_threads, with_onnx=False)[0]
