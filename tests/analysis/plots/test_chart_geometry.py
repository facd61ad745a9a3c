"""Axes have round ticks, and labels have places of their own."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.plots.labels import Place, place_labels
from analysis.plots.ticks import log_limits, log_ticks, percent_limits, percent_ticks

BOUNDS = np.array([0.0, 0.0, 500.0, 300.0])
NO_BOXES = np.empty((0, 4))
SIZE = (34.0, 9.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (9, 700, [10, 20, 50, 100, 200, 500]),
        (0.9, 70, [1, 2, 5, 10, 20, 50]),
        (0.3, 2000, [1, 10, 100, 1000]),
        (10, 40, [10, 15, 20, 30, 40]),
        (45, 62, [45, 50, 55, 60]),
        (7, 8, [7, 7.2, 7.4, 7.6, 7.8, 8]),
    ],
)
def test_log_axis_has_enough_round_ticks(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("low", [0.02, 0.7, 3.4, 96, 4321])
@pytest.mark.parametrize("factor", [1.4, 1.7, 2.5, 4, 9, 40, 3000])
def test_every_log_axis_has_three_to_twelve_ticks_within_its_limits(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)

    assert 3 <= len(ticks) <= 12
    assert low <= min(ticks) <= max(ticks) <= low * factor
    assert all(len(f"{tick:g}") <= 6 for tick in ticks)


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [1.0, 1000.0], [99.0, 100.0]])
def test_log_limits_leave_room_around_all_values(values: list[float]) -> None:
    low, high = log_limits(np.array(values))

    assert low < min(values) <= max(values) < high
    assert high / low >= 1.3999


@pytest.mark.parametrize("values", [[90.0], [98.0, 98.0], [0.0, 100.0], [99.9, 100.0]])
def test_percent_axis_has_room_but_no_tick_below_0_or_above_100(values: list[float]) -> None:
    low, high = percent_limits(np.array(values))
    ticks = percent_ticks(low, high)

    assert low < min(values) <= max(values) < high
    assert len(ticks) >= 2
    assert 0 <= min(ticks) <= max(ticks) <= 100


def frontier(num: int) -> NDArray[np.float64]:
    steps = np.random.default_rng(num).random((num, 2)).cumsum(axis=0)
    return np.array([20, 20]) + steps / steps[-1] * np.array([440, 250])


@pytest.mark.parametrize(("num", "min_labels"), [(1, 1), (2, 2), (9, 9), (22, 20), (100, 25), (400, 15)])
def test_labels_touch_neither_each_other_nor_a_point_nor_the_edge(num: int, min_labels: int) -> None:
    anchors = frontier(num)
    solid = np.concatenate([anchors - 4, anchors + 4], axis=1)

    places = place_labels(anchors, np.tile(SIZE, (num, 1)), solid=solid, faint=NO_BOXES, bounds=BOUNDS)

    boxes = [np.array([*p.corner, p.corner[0] + SIZE[0], p.corner[1] + SIZE[1]]) for p in places if p is not None]
    assert len(boxes) >= min_labels
    assert all(apart(a, b) for a, b in itertools.combinations(boxes, 2))
    assert all(apart(box, point) for box in boxes for point in solid)
    assert all((box[:2] >= BOUNDS[:2]).all() and (box[2:] <= BOUNDS[2:]).all() for box in boxes)


def apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1])


def test_single_label_is_above_and_to_the_left_of_its_point_without_a_leader() -> None:
    anchor = np.array([[100.0, 100.0]])

    (place,) = place_labels(anchor, np.array([SIZE]), solid=NO_BOXES, faint=NO_BOXES, bounds=BOUNDS)

    assert place is not None
    assert not place.leader
    assert place.corner[0] + SIZE[0] < 100 < place.corner[1]


@pytest.mark.parametrize("num", [2, 9, 22])
def test_label_without_a_leader_is_nearest_to_its_own_point(num: int) -> None:
    anchors = frontier(num)
    solid = np.concatenate([anchors - 4, anchors + 4], axis=1)

    places = place_labels(anchors, np.tile(SIZE, (num, 1)), solid=solid, faint=NO_BOXES, bounds=BOUNDS)

    bare = [(i, place) for i, place in enumerate(places) if place is not None and not place.leader]
    assert bare
    for own, place in bare:
        distances = [distance(place, anchor) for anchor in anchors]
        assert all(other >= 1.5 * distances[own] for i, other in enumerate(distances) if i != own)


def distance(place: Place, anchor: NDArray[np.float64]) -> float:
    """Return the distance from the box of a label to a point."""
    nearest = np.clip(anchor, place.corner, np.add(place.corner, SIZE))
    return float(np.linalg.norm(anchor - nearest))


def test_leader_avoids_a_point_in_its_way() -> None:
    anchor, sizes = np.array([[100.0, 100.0]]), np.array([SIZE])
    around = np.array([[92.0, 92.0, 108.0, 108.0]])  # leaves no room without a leader
    dot = np.array([[93.0, 102.0, 94.0, 104.5]])

    (place,) = place_labels(anchor, sizes, solid=around, faint=NO_BOXES, bounds=BOUNDS)
    (other,) = place_labels(anchor, sizes, solid=np.vstack([around, dot]), faint=NO_BOXES, bounds=BOUNDS)

    assert place is not None
    assert other is not None
    assert place.leader
    assert other.leader
    assert place.corner != other.corner


def test_label_covers_a_faint_point_only_where_no_other_place_is_free() -> None:
    anchor, sizes = np.array([[100.0, 100.0]]), np.array([SIZE])
    everywhere = BOUNDS[None]
    above = np.array([[0.0, 100.0, 500.0, 300.0]])

    (below,) = place_labels(anchor, sizes, solid=NO_BOXES, faint=above, bounds=BOUNDS)
    (covering,) = place_labels(anchor, sizes, solid=NO_BOXES, faint=everywhere, bounds=BOUNDS)
    (none,) = place_labels(anchor, sizes, solid=everywhere, faint=NO_BOXES, bounds=BOUNDS)

    assert below is not None
    assert below.corner[1] + SIZE[1] <= 100
    assert covering is not None
    assert none is None


def test_place_labels_of_no_label_returns_no_place() -> None:
    nothing = np.empty((0, 2))

    assert place_labels(nothing, nothing, solid=NO_BOXES, faint=NO_BOXES, bounds=BOUNDS) == []
