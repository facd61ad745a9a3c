"""Labels at the right ends of lines, beside the axes, without overlaps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis import style
from analysis.plots.cells import Array

HEIGHT = 11.0
"""Least distance between two labels, in typographic points."""
LEADER = {"arrowstyle": "-", "color": style.PUBLISHED, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3}


def label_ends(axes: Axes, ends: Array, texts: Sequence[str]) -> None:
    """Label the ends (n, 2) of lines; place, size and limits of the axes must be final, and the labels fit above
    each other."""
    height = float(axes.get_window_extent().height) * 72 / axes.figure.dpi
    low, high = axes.get_ylim()
    heights = spread((ends[:, 1] - low) / (high - low), gap=HEIGHT / height)
    for end, text, y in zip(ends.tolist(), texts, heights.tolist(), strict=True):
        axes.annotate(
            text,
            end,
            xytext=(1.04, y),
            textcoords="axes fraction",
            va="center",
            fontsize=style.LABEL,
            color=style.INK,
            arrowprops=LEADER,
            annotation_clip=False,
        )


def spread(heights: Array, *, gap: float) -> Array:
    """Heights (n,) from 0 to 1 moved apart: in the same order, at least `gap` from each other, and within 0 to 1 where
    (n - 1) gaps fit."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    lowered = heights[order] - steps  # apart where these never fall
    pushed_up, pushed_down = np.maximum.accumulate(lowered), np.minimum.accumulate(lowered[::-1])[::-1]
    apart = np.empty(len(heights))
    apart[order] = np.clip((pushed_up + pushed_down) / 2, 0, 1 - gap * (len(heights) - 1)) + steps
    return apart
