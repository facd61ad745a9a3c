"""How long the points of a sweep take on this machine; each is measured once and kept beside the results."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweep.checkpoints import open_checkpoint
from sweep.rows import NAME, Column, append, columns_of, open_for_append, read_rows
from trainers.fields import field_names
from trainers.files import check_writable
from trainers.latency import Latency, measure_latency, pytorch_device

LATENCIES = "latency.jsonl"
"""In a sweep's folder: a row for each point, device and number of threads that was asked for."""


def point_latency(sweep: Path, point: str, *, num_threads: int) -> Latency:
    """The latency of one image under PyTorch: as it was measured before on this device, or measured now and kept.

    Raises:
        ConfigError: the sweep in the folder `sweep` has no checkpoint of `point` or cannot be written to, or
            `num_threads` is not positive, or what was kept is damaged.
    """
    network = open_checkpoint(str(sweep / point))
    asked: dict[str, Any] = {
        "point": point,
        "device": pytorch_device(network.config),
        "num_threads": num_threads,
    }
    path = sweep / LATENCIES
    for row in read_rows(path, [Column("point", NAME, needed=True), *columns_of(Latency)]):
        if asked.items() <= row.items():
            return Latency(**{name: row[name] for name in field_names(Latency)})
    check_writable(path)
    [found] = measure_latency(network, num_threads=num_threads, with_onnx=False)
    with open_for_append(path) as file:
        append(file, {"point": point, **asdict(found)})
    return found
