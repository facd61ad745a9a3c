"""The answer of a report: networks to ship within budgets, their certainty, and the time spent."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.advice.answer import answers, spent
from analysis.results.settings import by_setting

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]


@pytest.mark.parametrize(
    ("macs", "budgets"),
    [
        ([12e6, 40e6, 90e6, 210e6, 580e6], [20e6, 50e6, 100e6, 200e6, 500e6]),
        ([3e6, 4e6], []),
        ([7e6], []),
        ([10e6, 30e6], [10e6, 20e6]),
        ([1e3, 1e9], [2e3, 5e4, 1e6, 2e7, 5e8]),
    ],
)
def test_budgets_are_a_few_round_numbers_that_a_network_fits_into(
    macs: list[float], budgets: list[float], make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(macs=int(cost), top1=50.0 + i) for i, cost in enumerate(macs)]

    [answer] = answers(by_setting(make_table(rows)), None)

    limits = [limit for limit, _ in answer.shipped]
    assert limits == pytest.approx([*budgets, max(macs)])
    assert answer.rows()[-1]["budget"] == f"≥ {max(macs) / 1e6:g} M"
    for limit, recommendation in answer.shipped:
        assert recommendation.best["macs"] == max(cost for cost in macs if cost <= limit)


def test_every_dataset_has_its_own_answer(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(top1=90.0), make_row(top1=60.0, dataset="imagenet"), make_row(state="FAILED", dataset="other")]

    all_answers = answers(by_setting(make_table(rows)), None)

    assert [(answer.dataset, answer.shipped[-1][1].best["top1"]) for answer in all_answers] == [
        ("digits", 90.0),
        ("imagenet", 60.0),
    ]


def test_certainty_depends_on_seeds_and_the_number_of_images(make_row: MakeRow, make_table: MakeTable) -> None:
    seeds = [make_row(seed=i, top1=top1) for i, top1 in enumerate([79.0, 80.0, 81.0])]

    [one] = answers(by_setting(make_table(seeds[:1])), 400)
    [three] = answers(by_setting(make_table(seeds)), None)

    assert "one seed" in one.certainty
    assert f"400 validation images tell the best top-1 to ± {196 * math.sqrt(0.79 * 0.21 / 400):.2f} points" in (
        one.certainty
    )
    assert "deviates by 1.00 points" in three.certainty
    assert "validation images" not in three.certainty


def test_time_spent_includes_stopped_and_failed_points(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [
        make_row(train_seconds=3600.0, epochs_trained=3),
        make_row(train_seconds=1800.0, epochs_trained=1, state="PRUNED"),
        make_row(train_seconds=None, epochs_trained=0, state="FAILED", top1=None),
    ]

    text = spent(make_table(rows))

    assert text == "3 points (1 complete, 1 failed, 1 pruned), 4 epochs, 90 minutes of training."
