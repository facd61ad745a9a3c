"""Places for the labels of points, where they overlap neither each other nor the points. Pure geometry, in points.

Boxes are rows (x0, y0, x1, y1); segments are rows (x0, y0, x1, y1) from one end to the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DIRECTIONS = (
    (-1, 1),
    (-0.5, 1),
    (0, 1),
    (-1, 0.5),
    (-1, 0),
    (1, -1),
    (1, -0.5),
    (0.5, -1),
    (1, 0),
    (0, -1),
    (1, 1),
    (-1, -1),
)
"""Directions of a label from its anchor, the best first: nothing lies above and to the left of a frontier."""
DISTANCES = (6.0, 11.0, 19.0, 28.0, 38.0)
"""Distances from an anchor to its label; beyond the first distance a leader line joins the two."""
CLEAR = 7.0
"""A label without a leader is nearer to its own anchor than to others by this many typographic points, or more."""
FAINT_COST, CROSSING_COST, DISTANCE_COST, RANK_COST = 5.0, 1.0, 1.5, 0.1
MOST_LABELS = 60
"""Most labels that a chart holds."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The lower left corner of a label, and whether a line leads from the label to its point."""

    corner: tuple[float, float]
    leader: bool


def place_labels(anchors: Array, sizes: Array, *, solid: Array, faint: Array, bounds: Array) -> list[Place | None]:
    """Return the place of each label; None for a label without a free place near its anchor.

    Args:
        anchors: (n, 2), the points that are labelled.
        sizes: (n, 2), width and height of each label.
        solid: (m, 4), boxes that no label may touch, and leaders avoid where they can; nor does a label touch another
            label or its leader.
        faint: (k, 4), boxes that labels avoid where they can.
        bounds: (4,), the box that labels stay inside.
    """
    places: list[Place | None] = [None] * len(anchors)
    labels, leaders = np.empty((0, 4)), np.empty((0, 4))
    for i in _ends_first(len(anchors))[:MOST_LABELS]:
        free = [
            (cost + FAINT_COST * _overlaps(box, faint) + CROSSING_COST * _crossings(solid, leader), box, leader)
            for cost, box, leader in _candidates(anchors[i], sizes[i])
            if _inside(box, bounds)
            and (len(leader) or _is_clear(box, anchors, i))
            and not _overlaps(box, solid)
            and not _overlaps(box, labels)
            and not _crossings(box[None], leaders)
            and not _crossings(labels, leader)
        ]
        if free:
            _, box, leader = min(free, key=lambda candidate: candidate[0])
            places[i] = Place(corner=(float(box[0]), float(box[1])), leader=len(leader) > 0)
            labels, leaders = np.vstack([labels, box]), np.vstack([leaders, leader])
    return places


def _candidates(anchor: Array, size: Array) -> Iterator[tuple[float, Array, Array]]:
    """Return boxes around an anchor: cost, box, and leader to the middle of the box, (1, 4) or (0, 4) without one."""
    for ring, distance in enumerate(DISTANCES):
        for rank, direction in enumerate(DIRECTIONS):
            towards = np.array(direction, dtype=float)
            reach = distance * (0.75 if towards.all() else 1.0)
            corner = anchor + towards * reach + (towards - 1) / 2 * size
            leader = np.concatenate([anchor, corner + size / 2])[None]
            cost = DISTANCE_COST * ring + RANK_COST * rank
            yield cost, np.concatenate([corner, corner + size]), leader if ring else np.empty((0, 4))


def _is_clear(box: Array, anchors: Array, own: int) -> bool:
    """Whether a reader sees which anchor a label without a leader belongs to."""
    distances = np.hypot(*np.maximum(np.maximum(box[:2] - anchors, anchors - box[2:]), 0).T)
    return bool((np.delete(distances, own) >= distances[own] + CLEAR).all())


def _overlaps(box: Array, boxes: Array) -> int:
    apart = (boxes[:, 0] >= box[2]) | (boxes[:, 2] <= box[0]) | (boxes[:, 1] >= box[3]) | (boxes[:, 3] <= box[1])
    return int(len(boxes) - apart.sum())


def _crossings(boxes: Array, segments: Array) -> int:
    """Return how many pairs of a segment and a box touch, judged by the part of the segment within the box's width."""
    start, along = segments[:, :2], segments[:, 2:] - segments[:, :2]
    along = np.where(along == 0, 1e-12, along)
    near, far = (boxes[:, None, :2] - start) / along, (boxes[:, None, 2:] - start) / along
    enters, leaves = np.minimum(near, far).max(axis=2), np.maximum(near, far).min(axis=2)
    return int(((enters <= leaves) & (enters <= 1) & (leaves >= 0)).sum())


def _inside(box: Array, bounds: Array) -> bool:
    return bool((box[:2] >= bounds[:2]).all() and (box[2:] <= bounds[2:]).all())


def _ends_first(num: int) -> list[int]:
    """Return 0 to num - 1 in the order first, last, then middles of the gaps, which spreads the labels that fit."""
    order, gaps = list(dict.fromkeys([0, num - 1]))[:num], [(0, num - 1)]
    for low, high in gaps:  # grows while it is walked
        middle = (low + high) // 2
        if high - low >= 2:
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return order
