"""A health check is passed, failed or open, and its text states the reason."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.advice.health import health_checks
from analysis.published.comparison import compare
from analysis.published.sweep_results import SweepResults, results_of
from trainers.trial import Measurement

Row = dict[str, Any]
MakeRow = Callable[..., Row]
Results = Callable[..., SweepResults]


@pytest.fixture
def results(make_table: Callable[[Sequence[Row]], pd.DataFrame]) -> Results:
    def make(rows: Sequence[Row], top1: Sequence[float] = ()) -> SweepResults:
        """Return the results of `rows`, with the learning curve `top1` for every point."""
        table = make_table(rows)
        curves = {row["point"]: [_epoch(row["point"], i + 1, value) for i, value in enumerate(top1)] for row in rows}
        return results_of(table, compare(table, None), name="demo", curves=curves)

    return make


def _epoch(point: str, epoch: int, top1: float) -> Measurement:
    return Measurement(
        point=point, epoch=epoch, lr=0.1, train_loss=1.0, val_loss=1.0, top1=top1, top5=100.0, images_per_second=1.0,
        train_seconds=1.0, measured_at=0.0, device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("best", "passed", "message"),
    [
        ((1.0, 96), False, "largest width_mult 1 and resolution 96"),
        ((0.5, 96), False, "largest resolution 96 that"),
        ((0.5, 64), True, "not the largest"),
    ],
)
def test_edge_check_fails_where_the_best_network_is_at_the_edge_of_the_space(
    best: tuple[float, int], passed: bool, message: str, make_row: MakeRow, results: Results
) -> None:
    cells = [(width, resolution) for width in (0.35, 0.5, 1.0) for resolution in (32, 64, 96)]
    rows = [make_row(width_mult=w, resolution=r, top1=90.0 + 5 * ((w, r) == best)) for w, r in cells]

    edge = health_checks(results(rows))[1]

    assert edge.passed is passed
    assert message in edge.text


@pytest.mark.parametrize(
    ("top1", "passed"),
    [
        ([50 + 2.0 * i for i in range(20)], False),
        ([90.0] * 20, True),
        ([90.0] * 18 + [80.0, 90.4], True),
        ([50.0, 90.0], False),
        ([90.0], None),
    ],
)
def test_training_check_fails_where_top1_still_rises_at_the_end(
    top1: list[float], passed: bool | None, make_row: MakeRow, results: Results
) -> None:
    assert health_checks(results([make_row()], top1))[2].passed is passed


@pytest.mark.parametrize(("gap", "passed"), [(5.0, True), (1.0, False)])
def test_noise_check_fails_where_the_gap_is_within_the_noise(
    gap: float, passed: bool, make_row: MakeRow, results: Results
) -> None:
    """Two networks of three seeds each, deviation 1: the standard error of their difference is 0.82."""
    rows = [
        make_row(width_mult=width, seed=seed, top1=80.0 + up + deviation)
        for width, up in ((0.5, 0.0), (1.0, gap))
        for seed, deviation in enumerate((-1.0, 0.0, 1.0))
    ]

    assert health_checks(results(rows))[3].passed is passed


def test_failures_are_counted_with_their_commonest_reason(make_row: MakeRow, results: Results) -> None:
    failed = [make_row(state="FAILED", top1=None, reason=reason) for reason in ("a", "b", "b")]

    assert health_checks(results([make_row(), *failed]))[4].text == (
        "3 failed and count for nothing above, most often (2): b"
    )


@pytest.mark.parametrize(("check", "passed"), [(3, None), (4, True)])
def test_single_point_leaves_the_noise_check_open_and_passes_the_failure_check(
    check: int, passed: bool | None, make_row: MakeRow, results: Results
) -> None:
    assert health_checks(results([make_row()]))[check].passed is passed


def test_empty_sweep_has_health_checks(results: Results) -> None:
    assert [check.passed for check in health_checks(results([]))] == [None, None, None, None, True]
