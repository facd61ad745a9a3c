"""Points that differ only by their seed are one setting."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.frontier.frontier import frontier_mask
from analysis.results.schema import COLUMNS
from analysis.results.settings import (
    by_setting,
    half_interval,
    one_seed_each,
    pooled_deviation,
    pooled_freedom,
    with_deviation,
)

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def seeds(make_row: MakeRow, top1s: list[float], **changes: Any) -> list[Row]:
    """Return the points of one setting, with a seed for each top-1."""
    return [make_row(seed=seed, top1=top1, **changes) for seed, top1 in enumerate(top1s)]


def test_setting_is_its_best_point_with_the_means_of_its_seeds(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = seeds(make_row, [80.0, 90.0, 82.0])
    for row, test_top1 in zip(rows, (70.0, 71.0, 75.0), strict=True):
        row["test_top1"] = test_top1

    [setting] = by_setting(make_table(rows)).to_dict("records")

    assert (setting["point"], setting["seed"], setting["num_seeds"]) == ("p2", 1, 3)
    assert (setting["points"], setting["top1s"]) == (("p1", "p2", "p3"), (80.0, 90.0, 82.0))
    assert (setting["top1"], setting["test_top1"]) == (84.0, 72.0)
    assert setting["sd_top1"] == pytest.approx(np.std([80.0, 90.0, 82.0], ddof=1))
    assert with_deviation(setting) == "84.00 ± 5.29"


def test_incomplete_points_and_points_of_other_settings_keep_their_rows(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    others = [{"dropout": 0.1}, {"dataset": "cifar10"}, {"state": "PRUNED"}, {"state": "FAILED", "top1": None}]
    table = by_setting(make_table([make_row(), *(make_row(**{"seed": 1} | changes) for changes in others)]))

    assert table["point"].tolist() == ["p1", "p2", "p3", "p4", "p5"]
    assert table["num_seeds"].eq(1).all()
    assert table["sd_top1"].isna().all()
    assert with_deviation(table.iloc[0].to_dict()) == "90.00"


def test_settings_without_replicates_are_the_points(mixed_rows: list[Row], make_table: MakeTable) -> None:
    table = make_table(mixed_rows)

    settings = by_setting(table)[list(COLUMNS)]

    assert settings.astype(str).replace("None", "nan").equals(table.astype(str).replace("None", "nan"))


def test_empty_table_has_no_settings() -> None:
    assert by_setting(pd.DataFrame(columns=list(COLUMNS))).empty


def test_pooled_deviation_weighs_settings_by_their_degrees_of_freedom(make_row: MakeRow, make_table: MakeTable) -> None:
    groups = [[80.0, 82.0], [90.0, 93.0, 99.0], [95.0]]
    rows = [row for i, top1s in enumerate(groups, 1) for row in seeds(make_row, top1s, lr=i)]

    squares = sum((top1 - np.mean(top1s)) ** 2 for top1s in groups for top1 in top1s)
    assert pooled_deviation(by_setting(make_table(rows))) == pytest.approx(math.sqrt(squares / 3))


def test_frontier_is_computed_from_the_means_of_seeds(make_row: MakeRow, make_table: MakeTable) -> None:
    """One lucky seed of the dearer network does not put it on the frontier."""
    rows = [*seeds(make_row, [80.0, 80.0], macs=10), *seeds(make_row, [90.0, 60.0], macs=20)]

    assert frontier_mask(by_setting(make_table(rows)), "macs").tolist() == [True, False]


@pytest.mark.parametrize("groups", [[2, 2], [3], [2]])
def test_half_interval_misses_the_true_mean_in_one_of_twenty_samples(groups: list[int]) -> None:
    """The interval is around the mean of the first setting, and its width is from the noise of all settings."""
    random = np.random.default_rng(0)
    num, misses = 1000, 0
    for _ in range(num):
        samples = [random.standard_normal(seeds) for seeds in groups]
        deviations = [sample.std(ddof=1) if len(sample) > 1 else math.nan for sample in samples]
        table = pd.DataFrame({"num_seeds": groups, "sd_top1": deviations})
        error = pooled_deviation(table) / math.sqrt(groups[0])
        misses += abs(samples[0].mean()) > half_interval(error, pooled_freedom(table))

    assert misses / num == pytest.approx(0.05, abs=0.02)


def test_half_interval_of_many_seeds_is_normal_and_of_single_seeds_undefined() -> None:
    assert half_interval(2.0, 10_000) == pytest.approx(2 * 1.96, abs=1e-3)
    assert math.isnan(half_interval(2.0, 0))


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], True),
        ([{"width_mult": 1.0}], True),
        ([{"width_mult": 1.0, "seed": 1}], True),
        ([{"seed": 1}], False),
        ([{"seed": 1, "data": "moved/elsewhere"}], False),
        ([{"seed": 1, "fingerprint": "1" * 8}], True),
        ([{"seed": 1, "state": "FAILED"}], True),
        ([{"width_mult": 1.0}, {"width_mult": 1.0, "seed": 1}], False),
    ],
)
def test_one_seed_each_is_false_where_complete_points_differ_only_by_seed(
    others: list[Row], expected: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    assert one_seed_each(by_setting(make_table([make_row(), *(make_row(**changes) for changes in others)]))) == expected


@pytest.mark.parametrize("states", [[], ["FAILED"]])
def test_one_seed_each_is_false_without_a_complete_point(
    states: list[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    assert not one_seed_each(by_setting(make_table([make_row(state=state) for state in states])))
