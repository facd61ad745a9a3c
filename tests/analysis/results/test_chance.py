"""A network that is no better than always answering the most frequent class has learned nothing."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.advice.answer import answers, no_answer
from analysis.advice.health import health_checks
from analysis.advice.promotion import worth_promoting
from analysis.advice.recommend import Caps, recommend
from analysis.frontier.frontier import frontier_mask, frontier_probability
from analysis.published.comparison import Comparison
from analysis.published.sweep_results import results_of
from analysis.results.chance import candidates, has_learned, sampling_error
from analysis.results.settings import by_setting
from trainers.errors import ConfigError

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]
MAJORITY = {"num_val": 1000, "majority_top1": 23.75}


@pytest.fixture
def table(make_row: MakeRow, make_table: MakeTable) -> pd.DataFrame:
    """The two cheapest settings have learned nothing; their two seeds agree, as constant answers do."""
    rows = [
        make_row(width_mult=i / 10, macs=10**6 * i, num_params=10**5 * i, seed=seed, top1=top1, **MAJORITY)
        for i, top1 in enumerate((23.75, 23.75, 60.0, 70.0), 1)
        for seed in range(2)
    ]
    return make_table(rows)


@pytest.mark.parametrize(
    ("top1", "num_val", "majority", "expected"),
    [
        (23.75, 1000, 23.75, False),
        (20.00, 1000, 23.75, False),  # below the majority
        (26.00, 1000, 23.75, False),  # within the interval of 2.7 points
        (27.00, 1000, 23.75, True),
        (60.0, 10, 50.0, False),  # ten images tell nothing
        (100.0, 10, 50.0, True),
        (100.0, 4, 50.0, True),
        (0.2, 50_000, 0.1, True),
        (None, 1000, 23.75, True),
        (23.75, None, None, True),  # a row of an earlier version
        (1.0, math.nan, math.nan, True),
    ],
)
def test_a_network_has_learned_if_its_interval_lies_above_the_majority(
    top1: float | None, num_val: float | None, majority: float | None, expected: bool
) -> None:
    assert has_learned({"top1": top1, "num_val": num_val, "majority_top1": majority}) is expected


def test_the_sampling_error_of_an_unknown_number_of_images_is_infinite() -> None:
    assert sampling_error(50.0, None) == math.inf
    assert sampling_error(50.0, 1000) == pytest.approx(3.1, abs=0.01)
    assert sampling_error(100.0, 1000) > 0


def test_frontiers_and_their_probabilities_leave_out_what_learned_nothing(table: pd.DataFrame) -> None:
    settings = by_setting(table)

    assert candidates(settings).tolist() == [False, False, True, True]
    assert frontier_mask(settings, "macs").tolist() == [False, False, True, True]
    probability = frontier_probability(settings, "macs")
    assert [math.isnan(p) for p in probability] == [True, True, False, False]
    assert settings.loc[candidates(settings)]["point"].tolist() == worth_promoting(settings, 90.0)["point"].tolist()


def test_advice_leaves_out_what_learned_nothing_and_says_so(table: pd.DataFrame) -> None:
    settings = by_setting(table)

    assert recommend(settings, Caps(at_most={"macs": 3e6}), lambda *_: math.nan).best["macs"] == 3e6
    with pytest.raises(ConfigError, match=r"--max-macs 2M leaves none of 2 "):
        recommend(settings, Caps(at_most={"macs": 2e6}), lambda *_: math.nan)
    [answer] = answers(settings, 1000)
    assert all(advice.best["macs"] >= 3e6 for _, advice in answer.shipped)
    assert "Left out as no better than always answering the most frequent class: 4 points." in answer.certainty
    check = health_checks(results_of(table, Comparison(), name="demo"))[0]
    assert (check.passed, check.text.split(",")[0]) == (
        False,
        "2 of 4 settings are no better than always answering the most frequent class (23.75 %)",
    )


def test_a_sweep_that_learned_nothing_has_no_answer_but_a_reason(make_row: MakeRow, make_table: MakeTable) -> None:
    settings = by_setting(make_table([make_row(width_mult=w, top1=23.0, **MAJORITY) for w in (0.5, 1.0)]))

    assert answers(settings, 1000) == []
    assert no_answer(settings) == "Left out as no better than always answering the most frequent class: 2 points."
    for advise in (lambda: recommend(settings, Caps(), lambda *_: math.nan), lambda: worth_promoting(settings, 1.0)):
        with pytest.raises(ConfigError, match="no better than always answering the most frequent class"):
            advise()
