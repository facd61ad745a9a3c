"""The figures of a network that a frontier can be asked for: how each is called, counted and shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Cost = str
"""A key of COSTS, and the column of a settings table that has the figures."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A figure of a network, the lower the better."""

    name: str
    """For prose, such as `Latency`."""
    axis: str
    """The title of an axis, with the unit of the axis."""
    per: float
    """What a figure is divided by for an axis."""
    unit: str
    """The unit of the divided figure in a text."""
    flag: str = ""
    """The flag of `recommend` that limits the figure."""
    is_assessed: bool = False
    """Whether the figure is measured of finished networks, and unknown for others; else it is counted for each."""


COSTS: Mapping[Cost, Quantity] = MappingProxyType(
    {
        "macs": Quantity(
            name="MACs", axis="Multiply-accumulates (millions)", per=1e6, unit="M MACs", flag="--max-macs"
        ),
        "num_params": Quantity(
            name="Parameters", axis="Parameters (millions)", per=1e6, unit="M parameters", flag="--max-params"
        ),
        "activations": Quantity(name="Activations", axis="Activations (millions)", per=1e6, unit="M activations"),
        "latency_ms": Quantity(
            name="Latency",
            axis="Latency of one image (ms)",
            per=1.0,
            unit="ms",
            flag="--max-latency-ms",
            is_assessed=True,
        ),
    }
)
ASSESSED = tuple(cost for cost, quantity in COSTS.items() if quantity.is_assessed)
"""The costs that assessments tell, by the name of their metric."""
