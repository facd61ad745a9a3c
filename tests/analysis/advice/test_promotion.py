"""Points worth training again are on a frontier or within a margin of one."""

import pandas as pd
import pytest

from analysis.advice.promotion import worth_promoting
from trainers.errors import ConfigError


def table(*rows: tuple[float, float, float, str]) -> pd.DataFrame:
    """Return a results table from rows of MACs, parameters, top-1 and state."""
    columns = ["macs", "num_params", "top1", "state"]
    points = [f"p{i}" for i in range(len(rows))]
    return pd.DataFrame(rows, columns=columns).assign(dataset="digits", point=points, num_val=1000, majority_top1=10.0)


def test_both_frontiers_and_near_neighbours_are_chosen_cheapest_first() -> None:
    points = table(
        (30, 3, 80.0, "COMPLETE"),  # p0: the most accurate
        (10, 2, 60.0, "COMPLETE"),  # p1: the cheapest
        (20, 2, 59.1, "COMPLETE"),  # p2: 0.9 below p1
        (20, 9, 58.0, "COMPLETE"),  # p3: far below on both
        (25, 1, 50.0, "COMPLETE"),  # p4: on the parameter frontier alone
        (5, 1, 90.0, "PRUNED"),  # p5: never on a frontier
    )

    assert worth_promoting(points, 1.0)["point"].tolist() == ["p1", "p2", "p4", "p0"]
    assert worth_promoting(points, 0.5)["point"].tolist() == ["p1", "p4", "p0"]


def test_a_sweep_without_a_complete_point_has_nothing_to_promote() -> None:
    with pytest.raises(ConfigError, match="no complete point"):
        worth_promoting(table((10, 1, 50.0, "FAILED")), 1.0)
