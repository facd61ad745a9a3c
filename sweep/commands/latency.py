"""The command `latency`: measures the latency of a network on this machine."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.parse import parse
from trainers.errors import counted, without_credentials

BUSY = "the machine seems busy, so these milliseconds are not to be trusted; measure again when it is idle"


@dataclass(frozen=True, kw_only=True)
class Arguments(CheckpointArguments):
    """Measure the latency of a network on this machine.

    CHECKPOINT may also be an untrained network, MODEL:WIDTH_RESOLUTION such as mobilenet_v2:0.35_96.
    """

    threads: int | None = None
    """Number of CPU threads; unset: PyTorch's default."""
    batch_size: int = 1
    """Number of images in each run."""
    repeats: int = 100
    """Number of timed runs, after some to warm up."""


def run(argv: Sequence[str]) -> int:
    """Print the latency of a network."""
    arguments = parse(argv, Arguments, "latency")
    from sweep.networks.checkpoints import open_untrained
    from trainers.use.latency import has_onnx, is_steady, measure_latency

    untrained = open_untrained(arguments.checkpoint)
    network = untrained.at(arguments.resolution) if untrained else arguments.open()
    rows = measure_latency(
        network, num_threads=arguments.threads, batch_size=arguments.batch_size, num_repeats=arguments.repeats
    )
    print(f"{network.name}, {counted(arguments.batch_size, 'image')} at once, {counted(arguments.repeats, 'run')}")
    for median, p90 in zip(rows[::2], rows[1::2], strict=True):
        times = f"median {median.value:.3f} ms, p90 {p90.value:.3f} ms"
        threads = counted(median.num_threads, "thread")
        print(f"{median.runtime}: {times} on {median.device} {median.treatment}, {threads}")
        if not is_steady(median.value, p90.value):
            print(f"warning: {BUSY} (p90 is {p90.value / median.value:.1f} times the median)")
    if not has_onnx():
        again = shlex.join(map(without_credentials, argv))
        print(f"for ONNX Runtime too: uv run --extra export run_sweep.py latency {again}")
    return 0
