"""README tables of published figures have the lines that their sources print."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.published.comparison import compare
from analysis.published.sweep_results import published_results, results_of
from analysis.report.readme_tables import readme_tables

Row = dict[str, Any]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("tf_slim", "| mobilenet_v2_1_224 | 301 | 3.50 | 71.8 | 91.0 | 73.8 |"),
        ("tf_slim", "| mobilenet_v2_0.35_96 | 12 | 1.68 | 45.5 | 70.4 | 4.5 |"),
        ("dli14", "| MobileNetV2 0.1 | 1.357M | 12.92 | 34.896 / 56.564 |"),
        ("dli14", "| MobileNetV2 192x192 | 3.505M | 221.32 | 71.076 / 89.760 |"),
    ],
)
def test_published_network_has_the_line_of_its_source(source: str, line: str) -> None:
    assert line in readme_tables(published_results(source)).splitlines()


def test_each_network_has_one_line_beside_its_published_figures(digits_rows: list[Row], make_table: MakeTable) -> None:
    rows = [row | {"dataset": "imagenet", "total_stride": 32} for row in digits_rows]
    better = rows[-1] | {"point": "p", "lr": 0.5, "top1": 99.5}
    table = make_table([*rows, better])

    text = readme_tables(results_of(table, compare(table, "tf_slim"), name="demo"))

    mindspore = text[text.index("In MindSpore's layout") :]
    assert mindspore.count("mobilenet_v2_1_96") == 1
    assert "| mobilenet_v2_1_96 | 99.50 | 99.00 | 60.30 | 83.20 |" in mindspore
    assert "| mobilenet_v2_1_32 | 92.67 | 99.00 |  |  |" in mindspore


@pytest.mark.parametrize("datasets", [[], ["a", "b"]])
def test_there_is_no_table_of_no_or_two_datasets(
    datasets: list[str], make_row: Callable[..., Row], make_table: MakeTable
) -> None:
    table = make_table([make_row(dataset=dataset) for dataset in datasets])

    assert "No network" in readme_tables(results_of(table, compare(table, None), name="demo"))


def test_names_are_escaped_in_readme_tables(make_row: Callable[..., Row], make_table: MakeTable) -> None:
    table = make_table([make_row(model="<b>|`x`", resolution=resolution) for resolution in (64, 96)])

    text = readme_tables(results_of(table, compare(table, None), name="<i>demo"))

    assert "<" not in text
    assert text.count("\\|") >= 2
