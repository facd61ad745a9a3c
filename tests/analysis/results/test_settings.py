"""Points that differ by their seed only, as one setting."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.frontier.frontier import frontier_mask, frontier_probability
from analysis.results.schema import COLUMNS
from analysis.results.settings import by_setting, one_seed_each, pooled_deviation, with_deviation

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def seeds(make_row: MakeRow, top1s: list[float], **given: Any) -> list[Row]:
    """Points of one setting, a seed for each top-1."""
    return [make_row(seed=seed, top1=top1, **given) for seed, top1 in enumerate(top1s)]


def test_a_setting_is_its_best_point_with_the_means_of_its_seeds(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = seeds(make_row, [80.0, 90.0, 82.0])
    for row, test_top1 in zip(rows, (70.0, 71.0, 75.0), strict=True):
        row["test_top1"] = test_top1

    [setting] = by_setting(make_table(rows)).to_dict("records")

    assert (setting["point"], setting["seed"], setting["num_seeds"]) == ("p2", 1, 3)
    assert (setting["points"], setting["top1s"]) == (("p1", "p2", "p3"), (80.0, 90.0, 82.0))
    assert (setting["top1"], setting["test_top1"]) == (84.0, 72.0)
    assert setting["sd_top1"] == pytest.approx(np.std([80.0, 90.0, 82.0], ddof=1))
    assert with_deviation(setting) == "84.00 ± 5.29"


def test_points_that_differ_otherwise_or_did_not_complete_keep_their_rows(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    others = [{"dropout": 0.1}, {"dataset": "cifar10"}, {"state": "PRUNED"}, {"state": "FAILED", "top1": None}]
    table = by_setting(make_table([make_row(), *(make_row(**{"seed": 1} | given) for given in others)]))

    assert table["point"].tolist() == ["p1", "p2", "p3", "p4", "p5"]
    assert table["num_seeds"].eq(1).all()
    assert table["sd_top1"].isna().all()
    assert with_deviation(table.iloc[0].to_dict()) == "90.00"


def test_settings_without_replicates_are_the_points(mixed_rows: list[Row], make_table: MakeTable) -> None:
    table = make_table(mixed_rows)

    settings = by_setting(table)[list(COLUMNS)]

    assert settings.astype(str).replace("None", "nan").equals(table.astype(str).replace("None", "nan"))


def test_settings_of_no_point_are_none() -> None:
    assert by_setting(pd.DataFrame(columns=list(COLUMNS))).empty


def test_the_pooled_deviation_weighs_settings_by_their_degrees_of_freedom(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    groups = [[80.0, 82.0], [90.0, 93.0, 99.0], [95.0]]
    rows = [row for i, top1s in enumerate(groups, 1) for row in seeds(make_row, top1s, lr=i)]

    squares = sum((top1 - np.mean(top1s)) ** 2 for top1s in groups for top1 in top1s)
    assert pooled_deviation(by_setting(make_table(rows))) == pytest.approx(math.sqrt(squares / 3))


def test_the_frontier_is_of_the_means(make_row: MakeRow, make_table: MakeTable) -> None:
    """One lucky seed of the dearer network does not put it on the frontier."""
    rows = [*seeds(make_row, [80.0, 80.0], macs=10), *seeds(make_row, [90.0, 60.0], macs=20)]

    assert frontier_mask(by_setting(make_table(rows)), "macs").tolist() == [True, False]


def test_probabilities_of_a_frontier_are_those_of_every_draw_counted(make_row: MakeRow, make_table: MakeTable) -> None:
    cheap, dear = [80.0, 84.0], [79.0, 83.0, 86.0]
    rows = [*seeds(make_row, cheap, macs=10), *seeds(make_row, dear, macs=20)]
    means = [
        [np.mean(draw) for draw in np.stack(np.meshgrid(*[top1s] * len(top1s)), axis=-1).reshape(-1, len(top1s))]
        for top1s in (cheap, dear)
    ]
    wins = np.mean([d > c for c in means[0] for d in means[1]])

    chances = frontier_probability(by_setting(make_table(rows)), "macs", num_resamples=4000)

    assert chances[0] == 1
    assert chances[1] == pytest.approx(wins, abs=0.04)


def test_a_single_seed_is_as_noisy_as_the_replicated_settings(make_row: MakeRow, make_table: MakeTable) -> None:
    """Two single seeds apart by one deviation of their difference: the better one is better with 84 %."""
    rows = [*seeds(make_row, [9.0, 11.0], macs=1), make_row(macs=20, top1=80.0), make_row(macs=30, top1=82.0)]

    chances = frontier_probability(by_setting(make_table(rows)), "macs", num_resamples=4000)

    assert chances.tolist() == [1, 1, pytest.approx(0.841, abs=0.03)]


def test_chances_are_unknown_where_nothing_was_repeated(make_row: MakeRow, make_table: MakeTable) -> None:
    """Each dataset has its own noise, and what did not complete has no chance."""
    rows = [*seeds(make_row, [80.0, 81.0]), make_row(dataset="cifar10"), make_row(state="PRUNED")]

    chances = frontier_probability(by_setting(make_table(rows)), "num_params")

    assert chances[0] == 1
    assert np.isnan(chances).tolist() == [False, True, True]


def test_the_same_table_has_the_same_probabilities(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [row for macs in range(1, 6) for row in seeds(make_row, [80.0 + macs, 83.0], macs=macs)]
    table = by_setting(make_table(rows))

    assert frontier_probability(table, "macs").tolist() == frontier_probability(table, "macs").tolist()


@pytest.mark.parametrize(
    ("others", "one"),
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
def test_a_seed_is_repeated_where_complete_points_differ_by_nothing_else(
    others: list[Row], one: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    assert one_seed_each(by_setting(make_table([make_row(), *(make_row(**given) for given in others)]))) == one


@pytest.mark.parametrize("states", [[], ["FAILED"]])
def test_without_a_complete_point_there_is_no_seed(states: list[str], make_row: MakeRow, make_table: MakeTable) -> None:
    assert not one_seed_each(by_setting(make_table([make_row(state=state) for state in states])))
