"""Importances of settings equal shares of variance that are known in closed form."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.plots.importance import ImportanceInfo, explained, info
from analysis.published.comparison import compare
from analysis.published.sweep_results import results_of

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]
Effect = Callable[[float, str], float]

LRS, SCHEDULES, DROPOUTS = (0.1, 0.2, 0.4, 0.8), ("linear", "cosine", "constant"), (0.0, 0.1, 0.2)


def design() -> pd.DataFrame:
    """Return the product of all lr, schedules and dropouts, so that the settings are independent."""
    cells = list(itertools.product(LRS, SCHEDULES, DROPOUTS))
    return pd.DataFrame(cells, columns=["lr", "lr_schedule", "dropout"])


def chart_of(table: pd.DataFrame) -> ImportanceInfo | None:
    return info(results_of(table, compare(table, None), name="demo"))


@pytest.mark.parametrize(
    ("of_lr", "of_schedule"),
    [([0, 0, 10, 10], [0, 0, 0]), ([0, 0, 0, 0], [0, 9, 0]), ([0, 1, 2, 3], [0, 0, 2]), ([0, 4, 8, 12], [3, 0, 6])],
)
def test_shares_of_additive_settings_equal_their_shares_of_variance(
    of_lr: list[float], of_schedule: list[float]
) -> None:
    settings = design()
    lr = settings["lr"].map(dict(zip(LRS, of_lr, strict=True))).to_numpy(dtype=float)
    schedule = settings["lr_schedule"].map(dict(zip(SCHEDULES, of_schedule, strict=True))).to_numpy(dtype=float)
    shares, unseen = explained(settings, lr + schedule)

    assert shares == pytest.approx(np.array([lr.var(), schedule.var(), 0]) / (lr + schedule).var(), abs=0.1)
    assert 0.8 < unseen <= 1


def test_settings_that_act_only_together_have_a_large_share_each() -> None:
    """The value is +1 where both settings or neither are high, so neither setting alone explains any variance."""
    settings = pd.DataFrame(list(itertools.product((0, 1), (0, 1), range(20))), columns=["lr", "dropout", "epochs"])
    together = np.where(settings["lr"] == settings["dropout"], 1.0, -1.0)
    (lr, dropout, epochs), _ = explained(settings, together)

    assert min(lr, dropout) > 0.7
    assert epochs < 0.05


def test_settings_do_not_explain_noise() -> None:
    settings = pd.DataFrame(np.random.default_rng(0).random((200, 2)), columns=["lr", "dropout"])
    shares, unseen = explained(settings, np.random.default_rng(1).random(200))

    assert max(shares) < 0.15
    assert unseen < 0.1


def test_chart_orders_settings_by_their_shares(make_row: MakeRow, make_table: MakeTable) -> None:
    cells = list(itertools.product((0.1, 0.2, 0.3, 0.4), (0.0, 0.1, 0.2, 0.3)))
    rows = [
        make_row(
            dropout=dropout, lr=lr, momentum=0.9 + (i + i // 4) % 2 / 20, top1=50 + 100 * dropout + 10 * lr, seed=i
        )
        for i, (lr, dropout) in enumerate(cells)
    ]
    chart = chart_of(make_table([*rows, make_row(state="PRUNED", weight_decay=0.5, top1=1.0)]))

    assert chart is not None
    assert chart.names == ("dropout", "lr", "momentum")  # without the seed and the stopped point's weight_decay
    assert chart.shares[0] > chart.shares[1]
    assert "16 complete settings" in chart.texts.subtitle


@pytest.mark.parametrize(
    ("num", "other", "has_chart"),
    [
        (8, {}, True),
        (7, {}, False),
        (8, {"lr": 0.1}, False),
        (8, {"top1": 50.0}, False),
        (8, {"state": "PRUNED"}, False),
    ],
)
def test_there_is_no_chart_of_few_or_equal_settings(
    num: int, other: Row, has_chart: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    settings = [{"lr": 0.1 * (i + 1), "dropout": 0.1 * (i % 2), "momentum": 0.1 * (i % 3)} for i in range(num)]
    rows = [make_row(**({"top1": 50.0 + i} | setting | other)) for i, setting in enumerate(settings)]

    assert (chart_of(make_table(rows)) is not None) is has_chart


@pytest.mark.parametrize("num_datasets", [1, 2])
def test_there_is_no_chart_of_two_datasets(num_datasets: int, make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [
        make_row(lr=i + 1, dropout=0.1 * (i % 3), momentum=0.1 * (i % 5), top1=50.0 + i, dataset=f"{i % num_datasets}")
        for i in range(16)
    ]

    assert (chart_of(make_table(rows)) is not None) is (num_datasets == 1)
