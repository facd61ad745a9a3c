"""How charts look: one palette, sizes in points, marker shapes. Colours are backed by shapes or labels."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

SIZE = (8.6, 5.2)
"""Figure width and height, inches."""
DPI = 150
"""Dots per inch of a PNG."""

MOST_VECTORS = 2000
"""Points of a chart beyond which SVG and PDF hold its dots as pixels, and a page has WebGL draw them."""

INK = "#222222"
MUTED = "#5f6368"
GRID = "#e4e6e9"
PUBLISHED = "#8a8f98"
SINGLE = "#0072b2"
LIGHTEST = 0.86
"""Where on the colour map (0 to 1) the largest value lies; beyond it yellow fades on white."""

TITLE = 13.0
SUBTITLE = 9.5
AXIS = 10.0
TICK = 9.0
LEGEND = 8.5
LABEL = 8.0
"""Font sizes, points; nothing is printed smaller than LABEL."""

SMALLEST, SMALL, LARGE, LARGEST = 5.0, 6.5, 7.5, 13.0
"""Marker sizes of what was stopped early, off and on the frontier, points; from the first to the last where an area
stands for a number."""
CIRCLE = np.pi / 4
AREA: Mapping[str, float] = MappingProxyType({"s": 1.0, "o": CIRCLE, "^": 0.5, "D": 1.0})
"""Area of a marker of size 1; a marker that is absent counts as a circle."""

FONT = "DejaVu Sans"
RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": FONT,
        "svg.hashsalt": "mobilenet-sweep",
        "svg.fonttype": "path",
        "axes.unicode_minus": False,
    }
)
"""matplotlib settings under which charts are drawn and saved."""

MARKERS: Mapping[str, str] = MappingProxyType(
    {"mobilenet_v1": "s", "mobilenet_v2": "o", "mobilenet_v3_large": "^", "mobilenet_v3_small": "D"}
)
SPARE_MARKERS = ("P", "h", "<", ">", "p")
BELOW_MARKER = "v"
PUBLISHED_MARKER = "x"
PUBLISHED_LINE: Mapping[str, Any] = MappingProxyType({"color": PUBLISHED, "linestyle": (0, (4, 2)), "linewidth": 1.2})
SOURCE_RANGE: Mapping[str, Any] = MappingProxyType({"facecolor": "#e9ebee", "edgecolor": "none", "zorder": 0.5})
WEIGHT_SHARING: Mapping[str, Any] = MappingProxyType(
    {"linestyle": "none", "marker": "*", "markersize": 4.0, "color": "#b3b7bd", "markeredgewidth": 0, "zorder": 1.5}
)
RUN: Mapping[str, Any] = MappingProxyType(
    {"linestyle": "none", "marker": "o", "markersize": 3.0, "color": PUBLISHED, "alpha": 0.6, "markeredgewidth": 0}
)
"""A single training of a setting that has several seeds."""
DEVIATION: Mapping[str, Any] = MappingProxyType(
    {"fmt": "none", "ecolor": MUTED, "elinewidth": 0.9, "capsize": 2.5, "zorder": 2.5}
)
LINESTYLES = ("-", (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1)))


def marker(model: str, models: Sequence[str]) -> str:
    """Return the marker of a model; an unknown model gets a spare marker by its place among `models`."""
    others = sorted(set(models) - set(MARKERS))
    return MARKERS.get(model) or SPARE_MARKERS[others.index(model) % len(SPARE_MARKERS)]


def diameters(values: NDArray[np.float64], smallest: float, largest: float) -> NDArray[np.float64]:
    """Return diameters of dots (n,) whose areas stand for positive values, from `smallest` to `largest`."""
    return np.maximum(smallest, largest * np.sqrt(values / values.max(initial=0.0)))


def linestyle(number: int) -> Any:
    """Return matplotlib's line style for the frontier of dataset `number`, from 0; the first is solid."""
    return LINESTYLES[number % len(LINESTYLES)]


def shades(values: NDArray[np.float64]) -> dict[float, str]:
    """Return a colour for each distinct value, ascending from dark to light, an order that grey prints keep."""
    distinct = np.unique(values).tolist()
    if len(distinct) == 1:
        return {distinct[0]: SINGLE}
    colormap = matplotlib.colormaps["viridis"]
    return {value: to_hex(colormap(LIGHTEST * i / (len(distinct) - 1))) for i, value in enumerate(distinct)}
