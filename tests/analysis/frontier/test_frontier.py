"""Each dataset in a results table has one frontier for each cost; only complete points can be on it."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.frontier.frontier import add_frontiers, frontier_mask, frontier_points
from analysis.results.schema import COLUMNS
from analysis.results.settings import by_setting

Row = dict[str, Any]


def test_each_cost_has_its_own_frontier(
    make_row: Callable[..., Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    rows = [
        make_row(macs=10, num_params=5, top1=60.0),
        make_row(macs=20, num_params=5, top1=70.0),
        make_row(macs=30, num_params=4, top1=65.0),
    ]
    table = add_frontiers(by_setting(make_table(rows)))

    assert table["on_frontier"].tolist() == [True, True, False]
    assert table["on_params_frontier"].tolist() == [False, True, True]
    assert table["on_joint_frontier"].tolist() == [True, True, True]


@pytest.mark.parametrize("state", ["PRUNED", "FAILED"])
def test_only_complete_points_are_on_a_frontier_or_dominate_others(
    state: str, make_row: Callable[..., Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    table = make_table([make_row(macs=20, top1=70.0), make_row(macs=10, top1=80.0, state=state)])

    assert frontier_mask(table, "macs").tolist() == [True, False]


@pytest.mark.parametrize("top1", [None, 99.0])
def test_failed_points_are_off_the_frontier_with_and_without_a_measurement(
    top1: float | None, make_row: Callable[..., Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    assert not frontier_mask(make_table([make_row(state="FAILED", top1=top1)]), "num_params").any()


def test_each_dataset_has_its_own_frontier(
    make_row: Callable[..., Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    table = make_table([make_row(macs=10, top1=99.0), make_row(macs=20, top1=70.0, dataset="cifar10")])

    assert frontier_mask(table, "macs").all()


def test_equal_points_are_all_on_the_frontier(
    make_row: Callable[..., Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    assert frontier_mask(make_table([make_row(dropout=0.1), make_row(dropout=0.2)]), "macs").all()


@pytest.mark.parametrize("cost", ["macs", "num_params"])
def test_empty_table_has_an_empty_frontier(cost: Any) -> None:
    assert frontier_mask(pd.DataFrame(columns=list(COLUMNS)), cost).tolist() == []


def test_frontier_points_are_ordered_by_macs(digits_rows: list[Row], make_table: Any) -> None:
    points = frontier_points(add_frontiers(by_setting(make_table(digits_rows[::-1]))))

    assert points["macs"].is_monotonic_increasing
    assert points["top1"].is_monotonic_increasing
    assert points["on_frontier"].all()
