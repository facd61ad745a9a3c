"""Assesses a sweep's networks on this machine, and logs the assessments beside the results."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from analysis.results.read import load_assessments
from analysis.results.schema import ASSESSMENTS
from sweep.networks.checkpoints import open_checkpoint
from sweep.run.log import append, open_for_append
from trainers.assessment import Assessment
from trainers.config import TrainConfig
from trainers.files import check_writable
from trainers.use.latency import RuntimeName, conditions, is_steady, measure_latency
from trainers.weights.network import untrained


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The latency of one image."""

    median: Assessment
    is_steady: bool
    """Whether the runs differed no more than on a machine that does nothing else."""

    @classmethod
    def of(cls, median: Assessment, p90: Assessment) -> Self:
        """Return the latency of a median and its 90th percentile."""
        return cls(median=median, is_steady=is_steady(median.value, p90.value))


def point_latency(sweep: Path, point: str, *, runtime: RuntimeName, num_threads: int, fresh: bool = False) -> Latency:
    """Return the latency of one image under a runtime, from the log if it is there, else measured and logged now.

    A logged latency holds only for its processor, arithmetic, version of the runtime and number of threads, and only
    if its runs were steady.

    Args:
        sweep: the folder of the sweep.
        point: the id of the point.
        runtime: runs the network.
        num_threads: number of CPU threads.
        fresh: whether to measure even if the log has the latency.

    Raises:
        ConfigError: the sweep has no checkpoint of the point, its folder cannot be written to, `num_threads` is not
            positive, or the log of assessments is damaged.
    """
    network = open_checkpoint(str(sweep / point))
    here = conditions(runtime, network.config)
    this_run = (point, here.runtime, here.device, here.precision, num_threads, 1)
    logged: dict[str, Assessment] = {}
    for row in load_assessments(sweep):
        if (row.point, row.runtime, row.device, row.treatment, row.num_threads, row.batch_size) == this_run:
            logged[row.metric] = row
    if {"latency_ms", "latency_p90_ms"} <= logged.keys() and not fresh:
        latency = Latency.of(logged["latency_ms"], logged["latency_p90_ms"])
        if latency.is_steady:
            return latency
    path = sweep / ASSESSMENTS
    check_writable(path)
    median, p90 = measure_latency(network, num_threads=num_threads, runtimes=[runtime], point=point)
    with open_for_append(path) as file:
        for row in (median, p90):
            append(file, asdict(row))
    return Latency.of(median, p90)


def untrained_latency(
    *, model: str, width_mult: float, resolution: int, round_nearest: int, runtime: RuntimeName, num_threads: int
) -> Latency:
    """Measure the latency of one image of a published network, with random weights."""
    config = TrainConfig(
        model=model, width_mult=width_mult, resolution=resolution, round_nearest=round_nearest, num_classes=1000
    )
    return Latency.of(*measure_latency(untrained(config), num_threads=num_threads, runtimes=[runtime]))
