"""The recommendation is the best network to ship within caps."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.advice.recommend import Caps, Recommendation, recommend, summary
from analysis.results.settings import by_setting
from trainers.errors import ConfigError

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def no_latency(point: str, cost: str) -> float:
    raise AssertionError(f"{point} was measured without need")


@pytest.fixture
def table(make_row: MakeRow, make_table: MakeTable) -> pd.DataFrame:
    """Settings p1 to p4 are the frontier of MACs, p5 has the fewest parameters; two incomplete points are better."""
    points = [(10, 20, 60.0), (20, 40, 70.0), (30, 30, 80.0), (40, 50, 90.0), (50, 10, 85.0)]
    rows = [
        make_row(width_mult=i / 10, macs=macs * 10**6, num_params=params * 10**5, top1=top1)
        for i, (macs, params, top1) in enumerate(points, 1)
    ]
    ended = [make_row(state=state, macs=1, num_params=1, top1=99.0) for state in ("PRUNED", "FAILED")]
    return by_setting(make_table([*rows, *ended]))


def points_of(recommendation: Recommendation) -> list[str | None]:
    return [
        row and row["point"]
        for row in (recommendation.best, recommendation.runner_up, recommendation.cheaper, recommendation.dearer)
    ]


@pytest.mark.parametrize(
    ("caps", "points"),
    [
        (Caps(), ["p4", "p5", "p3", None]),
        (Caps(at_most={"macs": 30e6}), ["p3", "p2", "p2", "p4"]),
        (Caps(at_most={"macs": 39e6}), ["p3", "p2", "p2", "p4"]),
        (Caps(at_most={"macs": 10e6}), ["p1", None, None, "p2"]),
        (Caps(at_most={"num_params": 2e6}), ["p5", "p1", "p1", None]),
        (Caps(at_most={"macs": 40e6, "num_params": 3e6}), ["p3", "p1", "p1", "p5"]),
    ],
)
def test_the_most_accurate_within_the_caps_is_shipped(
    caps: Caps, points: list[str | None], table: pd.DataFrame
) -> None:
    assert points_of(recommend(table, caps, no_latency)) == points


@pytest.mark.parametrize(
    ("caps", "points"),
    [
        (Caps(min_top1=90), ["p4", None, "p3", None]),
        (Caps(min_top1=70.5), ["p3", "p4", "p2", None]),
        (Caps(min_top1=0), ["p1", "p2", None, None]),
        (Caps(at_most={"num_params": 2e6}, min_top1=75), ["p5", None, "p1", None]),
        (Caps(at_most={"latency_ms": 9}, min_top1=80), ["p3", "p4", "p2", None]),
    ],
)
def test_cheapest_setting_above_min_top1_is_shipped(caps: Caps, points: list[str | None], table: pd.DataFrame) -> None:
    assert points_of(recommend(table, caps, lambda point, _: float(point[1:]))) == points


def test_most_accurate_of_equally_cheap_settings_above_min_top1_is_shipped(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(dropout=dropout, top1=top1) for dropout, top1 in ((0.1, 80.0), (0.2, 82.0), (0.3, 81.0))]

    recommendation = recommend(by_setting(make_table(rows)), Caps(min_top1=70), no_latency)

    assert points_of(recommendation) == ["p2", None, None, None]


def test_latency_of_the_cheapest_setting_above_min_top1_is_measured_first(table: pd.DataFrame) -> None:
    measured: list[str] = []

    def latency_ms(point: str, cost: str) -> float:
        measured.append(point)
        return 9.0 if point == "p3" else 1.0

    recommendation = recommend(table, Caps(at_most={"latency_ms": 5}, min_top1=75), latency_ms)

    assert points_of(recommendation)[:2] == ["p4", None]
    assert measured == ["p3", "p4"]  # p5 is no more accurate


@pytest.mark.parametrize(
    ("min_top1", "verdict"),
    [
        (67.0, "0.50 points above 67 %: more than the images' noise, but trained once each"),
        (None, "0.50 points less, which may be noise"),
    ],
)
def test_summary_compares_gaps_with_the_noise_of_the_validation_images(
    min_top1: float | None, verdict: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    """With 50,000 images the 95 % interval of a top-1 of 67.5 % is 0.41 points, and of a difference 0.58 points."""
    rows = [make_row(top1=67.5), make_row(resolution=128, top1=67.0), make_row(state="FAILED", top1=None)]

    recommendation = recommend(by_setting(make_table(rows)), Caps(min_top1=min_top1), no_latency)

    assert verdict in [line.strip() for line in summary(recommendation, num_val=50_000)]
    assert "which may be noise" in "".join(summary(recommendation, num_val=None))


@pytest.mark.parametrize(
    ("floor", "verdict"), [(66.5, "more than the seeds' noise"), (67.5, "within the seeds' noise")]
)
def test_cheapest_setting_is_judged_by_its_distance_above_min_top1(
    floor: float, verdict: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    """Two seeds have a deviation of sqrt(2) and a standard error of 1; t of one degree of freedom is 12.71."""
    rows = [
        *(make_row(seed=seed, top1=top1) for seed, top1 in enumerate((79.0, 81.0))),
        make_row(resolution=128, top1=85.0),
    ]

    lines = summary(recommend(by_setting(make_table(rows)), Caps(min_top1=floor), no_latency), num_val=None)

    assert lines == [
        "ship:      mobilenet_v2_0.5_96, 13.82 M MACs, 0.875 M params, 80.00 ± 1.41 % top-1 (2 seeds)",
        f"           {80 - floor:.2f} points above {floor} %: {verdict} (± 12.71)",
        "safer:     mobilenet_v2_0.5_128, 24.58 M MACs, 0.875 M params, 85.00 % top-1",
    ]


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        (
            Caps(at_most={"macs": 100}),
            "the smallest, mobilenet_v2_0.1_96, has 10 M MACs; did you mean --max-macs 100M?",
        ),
        (
            Caps(at_most={"macs": 9e6}),
            "--max-macs 9M leaves none of 5 complete settings; the smallest, mobilenet_v2_0.1_96, has 10 M MACs",
        ),
        (
            Caps(at_most={"macs": 20e6, "num_params": 1e6}),
            "--max-params 1M leaves none of 2 settings within --max-macs 20M; the smallest, mobilenet_v2_0.1_96, has 2 "
            "M parameters",
        ),
        (
            Caps(at_most={"macs": 30e6, "num_params": 3e6}, min_top1=80.5),
            "--min-top1 80.5 leaves none of 2 settings within --max-macs 30M and --max-params 3M; the best, "
            "mobilenet_v2_0.3_96, has 80 % top-1; of all the cheapest with 80.5 % is mobilenet_v2_0.4_96, 40.00 M MACs",
        ),
    ],
)
def test_error_names_the_cap_that_excludes_every_setting(caps: Caps, message: str, table: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=message):
        recommend(table, caps, no_latency)


@pytest.mark.parametrize(
    ("limit", "points", "timed_points"),
    [(100, ["p4", "p5"], ["p4", "p5"]), (3.5, ["p3", "p2"], ["p4", "p5", "p3", "p2"])],
)
def test_latency_is_measured_from_the_most_accurate_until_two_are_fast_enough(
    limit: float, points: list[str], timed_points: list[str], table: pd.DataFrame
) -> None:
    measured: list[str] = []

    def latency_ms(point: str, cost: str) -> float:
        measured.append(point)
        return float(point[1:])

    recommendation = recommend(table, Caps(at_most={"latency_ms": limit}), latency_ms)

    assert points_of(recommendation)[:2] == points
    assert recommendation.best["latency_ms"] == float(points[0][1:])
    assert measured == timed_points


def test_latency_is_measured_only_within_the_other_caps(table: pd.DataFrame) -> None:
    message = "--max-latency-ms 1 leaves none of 2 settings within --max-macs 20M; the least latency is 4.5 ms"

    with pytest.raises(ConfigError, match=message):
        recommend(table, Caps(at_most={"macs": 20e6, "latency_ms": 1}), lambda point, _: {"p1": 4.5, "p2": 5.5}[point])


def test_cheapest_of_equally_accurate_settings_is_shipped(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(macs=macs, top1=80.0) for macs in (30, 10, 20)]

    assert points_of(recommend(by_setting(make_table(rows)), Caps(), no_latency)) == ["p2", "p3", None, None]


@pytest.mark.parametrize(("gap", "verdict"), [(6.0, "within the seeds' noise"), (6.5, "more than the seeds' noise")])
def test_settings_are_judged_by_their_means_and_the_gap_by_their_noise(
    gap: float, verdict: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    """Two settings of two seeds have a pooled deviation and a standard error of sqrt(2); t of 2 degrees is 4.30."""
    rows = [
        *(make_row(seed=seed, dropout=0.1, top1=top1) for seed, top1 in enumerate((79.0, 81.0))),
        *(make_row(seed=seed, dropout=0.2, top1=top1 + gap) for seed, top1 in enumerate((79.0, 81.0))),
    ]
    recommendation = recommend(by_setting(make_table(rows)), Caps(), no_latency)

    assert recommendation.standard_error == pytest.approx(math.sqrt(2))
    assert (recommendation.best["point"], recommendation.best["top1"]) == ("p4", 80 + gap)
    assert summary(recommendation, num_val=None)[2].strip() == f"{gap:.2f} points less: {verdict} (± 6.08)"


def test_summary_tells_settings_of_one_network_apart_and_asks_for_seeds(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(dropout=0.1, top1=80.0), make_row(dropout=0.2, top1=81.0), make_row(resolution=64, top1=70.0)]

    recommendation = recommend(by_setting(make_table(rows)), Caps(), no_latency)
    lines = summary(recommendation, num_val=None, replicate="run_sweep.py promote")

    assert lines == [
        "ship:      mobilenet_v2_0.5_96 dropout=0.2, 13.82 M MACs, 0.875 M params, 81.00 % top-1",
        "runner-up: mobilenet_v2_0.5_96 dropout=0.1, 13.82 M MACs, 0.875 M params, 80.00 % top-1",
        "           1.00 points less, which may be noise: no setting has several seeds; train them with: "
        "run_sweep.py promote",
        "cheaper:   mobilenet_v2_0.5_64 dropout=0.2 on the frontier: -7.68 M MACs, -11.00 points top-1",
        "note:      nothing here has more MACs than this one; a larger network may be more accurate",
    ]


@pytest.mark.parametrize(
    ("caps", "is_largest"),
    [
        (Caps(), True),
        (Caps(at_most={"macs": 31e6}), False),
        (Caps(at_most={"macs": 60e6}), True),
        (Caps(min_top1=75.0), False),
        (Caps(at_most={"num_params": 1e6}), False),
        (Caps(at_most={"num_params": 9e6}), True),
        (Caps(at_most={"latency_ms": 2.1}), False),
    ],
)
def test_is_largest_is_true_where_a_larger_network_would_be_within_the_caps(
    caps: Caps, is_largest: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(macs=macs * 10**6, num_params=macs * 30_000, top1=top1) for macs, top1 in ((10, 70.0), (30, 80.0))]

    assert recommend(by_setting(make_table(rows)), caps, lambda *_: 2.0).is_largest is is_largest


def test_summary_shows_the_latency_of_a_more_accurate_but_slower_network(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(macs=macs * 10**6, top1=top1) for macs, top1 in ((10, 80.0), (11, 75.0), (12, 70.0))]

    latencies = {"p1": 3.5, "p2": 2.5, "p3": 2.0}
    recommendation = recommend(
        by_setting(make_table(rows)), Caps(at_most={"latency_ms": 3}), lambda point, _: latencies[point]
    )

    assert summary(recommendation, num_val=None)[-1] == (
        "cheaper:   mobilenet_v2_0.5_96 on the frontier: -1.00 M MACs, +5.00 points top-1, 3.50 ms"
    )


def test_summary_of_an_only_setting_has_no_runner_up(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(seed=seed, top1=top1) for seed, top1 in enumerate((80.0, 82.0))]

    recommendation = recommend(by_setting(make_table(rows)), Caps(at_most={"latency_ms": 3}), lambda *_: 2.0)

    assert summary(recommendation, num_val=None) == [
        "ship:      mobilenet_v2_0.5_96, 13.82 M MACs, 0.875 M params, 81.00 ± 1.41 % top-1 (2 seeds), 2.00 ms",
        "runner-up: none, nothing else is within the caps",
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there is no complete point yet"),
        ([{"state": "PRUNED"}], "there is no complete point yet"),
        ([{}, {"dataset": "cifar10"}], "on cifar10, digits, whose top-1 cannot be compared"),
    ],
)
def test_tables_without_an_answer_are_refused(
    rows: list[Row], message: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    with pytest.raises(ConfigError, match=message):
        recommend(by_setting(make_table([make_row(**row) for row in rows])), Caps(), no_latency)
