"""Costs of a network that a frontier can use: names, units and flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Cost = str
"""Key of COSTS, and name of the column in a settings table."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A figure of a network, the lower the better."""

    name: str
    """For prose, such as `Latency`."""
    axis: str
    """The title of an axis, with the unit of the axis."""
    per: float
    """Divisor of a figure on an axis."""
    unit: str
    """The unit of the divided figure in a text."""
    flag: str = ""
    """The flag of `recommend` that limits the figure."""
    is_assessed: bool = False
    """Whether the figure is measured on finished networks; otherwise it is counted for every network."""


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
"""Costs whose figures come from assessments of the metric with that name."""
