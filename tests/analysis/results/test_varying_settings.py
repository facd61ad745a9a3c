"""Settings vary between the points of a sweep, beside those in the name of a network."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.results.varying_settings import names_repeat, varying_settings

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


@pytest.mark.parametrize(
    ("settings", "varying"),
    [
        ({}, []),
        ({"width_mult": 1.0, "resolution": 64, "model": "mobilenet_v1", "data": "other"}, []),
        ({"num_classes": 5}, ["num_classes"]),
        ({"seed": 1, "lr": 0.1, "dropout": 0.0}, ["dropout", "lr", "seed"]),
    ],
)
def test_varying_settings_leave_out_those_in_the_name_of_a_network(
    settings: Row, varying: list[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    assert varying_settings(make_table([make_row(), make_row(**settings)])) == varying


@pytest.mark.parametrize(
    ("settings", "repeat"),
    [
        ({}, True),
        ({"lr": 0.1}, True),
        ({"data": "a/folder"}, True),
        ({"width_mult": 1.0}, False),
        ({"resolution": 64}, False),
        ({"model": "mobilenet_v1"}, False),
        ({"dataset": "other"}, False),
    ],
)
def test_names_repeat_where_two_points_share_network_and_dataset(
    settings: Row, repeat: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    assert names_repeat(make_table([make_row(), make_row(**settings)])) == repeat
