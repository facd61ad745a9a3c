"""Assessment: one figure of a finished network under some treatment, such as milliseconds. Standard library only."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """One figure of a finished network, with everything that decides it."""

    point: str
    """The id of the point, or the name of a network that has no point."""
    treatment: str
    """Arithmetic of the assessed network: fp32, bf16 or fp16."""
    metric: str
    """Name of the figure with its unit, such as `latency_ms`: median time from a normalised batch to its logits."""
    value: float
    device: str
    """Name of the processor."""
    runtime: str
    """Library that ran the network, with its version."""
    num_threads: int
    """CPU threads."""
    batch_size: int
    """Images in each run."""
    num_repeats: int
    """Runs behind the figure."""

    def __post_init__(self) -> None:
        """Refuse a figure that is no result.

        Raises:
            ValueError: the value is negative, infinite or NaN.
        """
        if not 0 <= self.value < math.inf:
            raise ValueError(f"{self.metric} is {self.value}; it must be 0 or more and finite")

    @property
    def place(self) -> str:
        """The conditions of the figure in words; figures of two places cannot be compared."""
        threads = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        images = f", {self.batch_size} images at once" if self.batch_size > 1 else ""
        return f"{self.device} {self.treatment}, {threads}, {self.runtime}{images}"
