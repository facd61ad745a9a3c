"""The Markdown page of a sweep has a table of its settings and explains their columns."""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.frontier.frontier import add_frontiers
from analysis.published.comparison import add_published, compare
from analysis.published.tables import load_cells
from analysis.report.results_table import ONE_SEED, SEVERAL_SEEDS, network_name, results_page
from analysis.results.settings import by_setting

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]

FIRST_COLUMNS = ["Network", "MACs (M)", "Parameters (M)", "Top 1", "Top 5"]


def page_of(table: pd.DataFrame, published: str | None = None) -> str:
    comparison = compare(table, published)
    points = add_published(add_frontiers(by_setting(table)), comparison)
    return results_page(points, comparison, sweep="demo", charts={"a chart": "a.png"})


def page_table(page: str) -> list[list[str]]:
    """Return the cells of the only table of a page, header first."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "---" not in line]


def test_page_of_a_published_grid_has_the_columns_and_order_of_its_source(
    tf_slim_rows: list[Row], make_table: MakeTable
) -> None:
    header, *lines = page_table(page_of(make_table(tf_slim_rows[::-1])))

    assert header == [*FIRST_COLUMNS, "Published top 1", "Difference", "State"]
    upstream = load_cells("tf_slim").query("model == 'mobilenet_v2'")
    names = upstream["variant"].str.replace("_1.0_", "_1_")  # as ids write a width
    assert [line[0].strip("*") for line in lines] == names.tolist()
    first = ("mobilenet_v2_1.4_224", "582.20", "6.11", "75.00", "92.50", "75.00", "+0.00")
    assert lines[0][:7] == [f"**{cell}**" for cell in first]
    assert sum(line[0].startswith("**") for line in lines) == 17


def test_page_heading_counts_states_and_explains_missing_published_figures(
    mixed_rows: list[Row], make_table: MakeTable
) -> None:
    page = page_of(make_table(mixed_rows))

    assert page.startswith("# Sweep demo: 22 points on digits\n\nPoints: 16 complete, 3 failed, 3 pruned.")
    assert "Published figures left out: they are ImageNet's, and this sweep is on digits." in page
    assert len(page_table(page)) == 23


def test_page_shows_settings_that_vary_and_no_others(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(lr=0.05, seed=0, dropout=0.1), make_row(lr=0.1, seed=0, dropout=0.2)]

    header, *lines = page_table(page_of(make_table(rows)))

    assert header == [*FIRST_COLUMNS, "dropout", "lr", "Point", "State"]
    assert [[cell.strip("*") for cell in line[5:8]] for line in lines] == [["0.1", "0.05", "p1"], ["0.2", "0.1", "p2"]]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ([{}, {"width_mult": 1.0}], "All points: dropout 0.2, lr_schedule cosine, epochs 3."),
        ([{"lr_schedule": "cosine"}, {"lr_schedule": "linear"}], "All points: dropout 0.2, epochs 3."),
        ([{"dropout": 0.1, "epochs": 2}, {"dropout": 0.2, "epochs": 3}], "All points: lr_schedule cosine."),
    ],
)
def test_page_states_shared_settings_once(
    settings: list[Row], sentence: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    page = page_of(make_table([make_row(**row) for row in settings]))

    assert f"Published figures: none. {sentence}\n" in page
    assert not [name for name in page_table(page)[0] if name in sentence]


def test_page_of_an_empty_sweep_has_no_settings_and_no_seeds(make_table: MakeTable) -> None:
    page = page_of(make_table([]))

    assert "Points: none yet. Published figures: none.\n" in page
    assert ONE_SEED not in page


@pytest.mark.parametrize(("resolutions", "column"), [([96, 64], []), ([96, 96], ["Point"])])
def test_page_shows_point_ids_where_points_share_a_network(
    resolutions: list[int], column: list[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(resolution=r, fingerprint=str(i)) for i, r in enumerate(resolutions)]

    assert page_table(page_of(make_table(rows)))[0] == [*FIRST_COLUMNS, *column, "State"]


@pytest.mark.parametrize(("test_top1", "cells"), [(None, []), (88.5, [["Test top 1", "**88.50**", ""]])])
def test_page_has_a_column_of_test_top1_where_there_is_a_test_split(
    test_top1: float | None, cells: list[list[str]], make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(width_mult=1.0, top1=95.0, test_top1=test_top1), make_row(state="FAILED", top1=None)]

    assert [list(column) for column in zip(*page_table(page_of(make_table(rows))), strict=True)][5:-1] == cells


@pytest.mark.parametrize(
    ("width_mult", "source"), [(0.35, "tf_slim"), (0.36, "tf_slim, which has none of these networks")]
)
def test_page_notes_a_source_without_the_networks_of_the_sweep(
    width_mult: float, source: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    page = page_of(make_table([make_row(dataset="imagenet", width_mult=width_mult)]))

    assert f"Published figures: {source}. All points" in page


@pytest.mark.parametrize(("seeds", "one_seed"), [([0], True), ([0, 1], False)])
def test_page_explains_one_seed_or_several(
    seeds: list[int], one_seed: bool, make_row: MakeRow, make_table: MakeTable
) -> None:
    page = page_of(make_table([make_row(seed=seed) for seed in seeds]))

    assert (ONE_SEED in page, SEVERAL_SEEDS in page) == (one_seed, not one_seed)


def test_page_has_a_row_per_setting_with_mean_deviation_and_probability(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(seed=seed, top1=top1) for seed, top1 in enumerate((88.0, 90.0))]
    page = page_of(make_table([*rows, make_row(seed=7, width_mult=1.0, top1=80.0), make_row(state="FAILED", seed=5)]))

    header, single, failed, setting = page_table(page)
    assert page.startswith("# Sweep demo: 4 points on digits\n\nPoints: 3 complete, 1 failed.")
    assert header == [*FIRST_COLUMNS, "Seeds", "P(frontier)", "Point", "State"]
    assert (single[3], *single[5:7]) == ("80.00", "1", "6%")  # t of 1 degree of freedom: 9 points are 5.2 errors
    assert [setting[i].strip("*") for i in (3, 5, 6, 7)] == ["89.00 ± 1.41", "2", "100%", "p2"]
    assert setting[0].startswith("**")
    assert (failed[5:7], failed[-1]) == (["1", ""], "FAILED")


def test_bold_row_with_the_most_macs_within_a_budget_is_the_most_accurate(
    digits_rows: list[Row], make_table: MakeTable
) -> None:
    """The page tells its reader to ship this row."""
    better = {"point": "better", "resolution": 48, "macs": 2_000_000, "top1": 93.0}
    page = page_of(make_table([*digits_rows, digits_rows[0] | better]))
    rows = [
        (line[0].startswith("**"), *(float(cell.strip("*")) for cell in line[1:4:2])) for line in page_table(page)[1:]
    ]

    assert "For a budget of N million MACs, ship the bold row with the most MACs at or below N." in page
    assert 0 < sum(bold for bold, _, _ in rows) < len(rows)
    for _, budget, _ in rows:
        _, shipped = max((macs, top1) for bold, macs, top1 in rows if bold and macs <= budget)
        assert shipped == max(top1 for _, macs, top1 in rows if macs <= budget)


@pytest.mark.parametrize(
    "reason",
    ["a | b", "two\nlines", "<script>alert(1)</script>", r"C:\runs\p1", "**bold** `code` [link](x)", "", None],
)
def test_reasons_are_escaped_in_the_page(reason: str | None, make_row: MakeRow, make_table: MakeTable) -> None:
    row = make_row(state="FAILED", reason=reason, top1=None, top5=None)

    page = page_of(make_table([row]))

    header, line = page_table(page)
    assert len(line) == len(header)
    assert line[-1].startswith("FAILED")
    assert "<script>" not in page
    assert line[3:5] == ["", ""]


@pytest.mark.parametrize(
    ("width_mult", "name"), [(1.0, "mobilenet_v2_1_96"), (0.35, "mobilenet_v2_0.35_96"), (1, "mobilenet_v2_1_96")]
)
def test_network_name_is_the_beginning_of_its_point_ids(width_mult: float, name: str) -> None:
    assert network_name("mobilenet_v2", width_mult, 96) == name
