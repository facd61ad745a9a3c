"""The Markdown page of a sweep."""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.comparison import add_published, compare
from analysis.frontier import add_frontiers
from analysis.published import load_cells
from analysis.results_table import network_name, results_page, varying_settings

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]

FIRST_COLUMNS = ["Network", "MACs (M)", "Parameters (M)", "Top 1", "Top 5"]


def page_of(table: pd.DataFrame, published: str | None = None) -> str:
    comparison = compare(table, published)
    points = add_published(add_frontiers(table), comparison)
    return results_page(points, comparison, sweep="demo", charts={"a chart": "a.png"})


def page_table(page: str) -> list[list[str]]:
    """The cells of the one table of a page, header first."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "---" not in line]


def test_page_of_a_published_grid_has_upstreams_columns_and_order(make_row: MakeRow, make_table: MakeTable) -> None:
    cells = load_cells("tf_slim").query("model == 'mobilenet_v2'")
    rows = [
        make_row(
            dataset="imagenet",
            width_mult=cell.width_mult,
            resolution=int(cell.resolution),
            macs=int(cell.macs),
            num_params=int(cell.num_params),
            top1=cell.top1,
            top5=cell.top5,
        )
        for cell in cells.itertuples()
    ]

    header, *lines = page_table(page_of(make_table(rows[::-1])))

    assert header == [*FIRST_COLUMNS, "Published top 1", "Difference", "Dropout", "LR schedule", "Epochs", "State"]
    assert [line[0].strip("*") for line in lines] == list(cells["variant"])
    first = ("mobilenet_v2_1.4_224", "582.20", "6.11", "75.00", "92.50", "75.00", "+0.00")
    assert lines[0][:7] == [f"**{cell}**" for cell in first]
    assert sum(line[0].startswith("**") for line in lines) == 17


def test_figures_of_another_task_have_no_difference(digits_rows: list[Row], make_table: MakeTable) -> None:
    page = page_of(make_table(digits_rows), "tf_slim")

    assert page_table(page)[0][5:7] == ["Published top 1", "Dropout"]
    assert "The figures of tf_slim are ImageNet accuracies: another task than digits." in page


def test_page_heading_counts_states_and_says_what_is_left_out(mixed_rows: list[Row], make_table: MakeTable) -> None:
    page = page_of(make_table(mixed_rows))

    assert page.startswith("# Sweep demo: 22 points on digits\n\nPoints: 16 complete, 3 failed, 3 pruned.")
    assert "Published ImageNet figures left out: this sweep is on digits; draw them with --published tf_slim." in page
    assert len(page_table(page)) == 23


def test_page_shows_settings_that_vary_and_no_others(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(lr=0.05, seed=0, dropout=0.1), make_row(lr=0.1, seed=0, dropout=0.2)]

    header, *lines = page_table(page_of(make_table(rows)))

    assert header == [*FIRST_COLUMNS, "Dropout", "LR schedule", "lr", "Epochs", "State"]
    assert [(line[5].strip("*"), line[7].strip("*")) for line in lines] == [("0.1", "0.05"), ("0.2", "0.1")]


@pytest.mark.parametrize(
    "reason",
    ["a | b", "two\nlines", "<script>alert(1)</script>", r"C:\runs\p1", "**bold** `code` [link](x)", "", None],
)
def test_reasons_cannot_break_the_page(reason: str | None, make_row: MakeRow, make_table: MakeTable) -> None:
    row = make_row(state="FAILED", reason=reason, top1=None, top5=None)

    page = page_of(make_table([row]))

    header, line = page_table(page)
    assert len(line) == len(header)
    assert line[-1].startswith("FAILED")
    assert "<script>" not in page
    assert line[3:5] == ["", ""]


@pytest.mark.parametrize(
    ("width_mult", "name"), [(1.0, "mobilenet_v2_1.0_96"), (0.35, "mobilenet_v2_0.35_96"), (1, "mobilenet_v2_1.0_96")]
)
def test_network_is_named_as_in_the_published_tables(width_mult: float, name: str) -> None:
    assert network_name("mobilenet_v2", width_mult, 96) == name


def test_unset_and_set_classes_vary(make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row(), make_row(num_classes=5)])

    assert varying_settings(table) == ["num_classes"]
