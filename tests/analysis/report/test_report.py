"""A report is a folder of charts, CSV, Markdown and HTML."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.report.report import results_csv, write_report
from analysis.results.read import load_table
from analysis.results.schema import COLUMNS
from trainers.errors import ConfigError

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeSweep = Callable[..., Path]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def test_report_has_every_chart_the_csv_and_the_page(digits_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(digits_rows)

    report = write_report(folder)

    charts = {path.name for path in report.charts}
    tables = {f"{Path(chart).stem}.csv" for chart in charts}
    assert {f"{name}_top1.{kind}" for name in ("macs", "params") for kind in ("png", "svg", "pdf")} <= charts
    assert {path.name for path in (folder / "report").iterdir()} == charts | tables | {
        "results.csv", "results.md", "summary.md",
        "readme_tables.md", "report.html"}  # fmt: skip
    assert all(path.stat().st_size > 0 for path in (folder / "report").iterdir())


@pytest.mark.usefixtures("few_charts")
def test_report_of_a_published_grid_matches_the_published_figures(
    tf_slim_rows: list[Row], make_sweep: MakeSweep
) -> None:
    """A sweep with TensorFlow's own figures has no differences, and the published frontier of 17 points."""
    report = write_report(make_sweep(tf_slim_rows))

    table = pd.read_csv(report.csv)
    assert (table["top1_difference"] == 0).all()
    assert table["on_frontier"].sum() == len(report.frontier) == 17
    assert table.loc[table["on_params_frontier"], "resolution"].eq(224).all()


@pytest.mark.usefixtures("few_charts")
def test_csv_has_every_column_and_point_in_the_order_of_the_log(mixed_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(mixed_rows)

    table = pd.read_csv(write_report(folder).csv)

    assert tuple(table.columns) == (*COLUMNS, "on_frontier", "on_params_frontier", "on_joint_frontier")
    assert table["point"].tolist() == load_table(folder)["point"].tolist()
    assert table["reason"].notna().sum() == 6


@pytest.mark.usefixtures("few_charts")
def test_csv_row_of_each_seed_has_the_statistics_of_its_setting(make_row: MakeRow, make_sweep: MakeSweep) -> None:
    rows = [make_row(seed=0, top1=88.0), make_row(width_mult=1.0, top1=95.0), make_row(seed=1, top1=90.0)]

    report = write_report(make_sweep([*rows, make_row(state="FAILED", top1=None)]))

    table = pd.read_csv(report.csv)
    frontiers = ["on_frontier", "on_params_frontier", "on_joint_frontier"]
    added = [*frontiers, "mean_top1", "sd_top1", "num_seeds", "frontier_probability"]
    assert list(table.columns)[len(COLUMNS) :] == added
    assert table["top1"].fillna(0).tolist() == [88.0, 95.0, 90.0, 0]
    assert table["mean_top1"].fillna(0).tolist() == [89.0, 95.0, 89.0, 0]
    assert table["num_seeds"].tolist() == [2, 1, 2, 1]
    assert table["on_frontier"].tolist() == [True, True, True, False]
    assert report.frontier["top1"].tolist() == [89.0, 95.0]


@pytest.mark.parametrize("column", ["activations", "best_epoch", "epochs_trained", "num_classes"])
def test_csv_writes_whole_numbers_without_decimals(column: str, make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row() | {column: count} for count in (1000, None, 25)])

    cells = pd.read_csv(StringIO(results_csv(table)), dtype=str)[column]

    assert cells.fillna("").tolist() == ["1000", "", "25"]


@pytest.mark.usefixtures("few_charts")
@pytest.mark.parametrize(
    ("published", "columns"),
    [("none", []), ("tf_slim", ["published_top1", "published_top5", "top1_difference"])],
)
def test_csv_has_published_columns_where_there_is_a_source(
    published: str, columns: list[str], digits_rows: list[Row], make_sweep: MakeSweep
) -> None:
    rows = [row | {"dataset": "imagenet"} for row in digits_rows[:2]]

    report = write_report(make_sweep(rows), published=published)

    assert list(pd.read_csv(report.csv).columns)[len(COLUMNS) + 3 :] == columns


@pytest.mark.usefixtures("few_charts")
@pytest.mark.parametrize("states", [[], ["PRUNED", "FAILED"]])
def test_report_without_a_complete_point_has_an_empty_frontier(
    states: list[str], make_row: MakeRow, make_sweep: MakeSweep
) -> None:
    report = write_report(make_sweep([make_row(state=state, top1=None, top5=None) for state in states]))

    assert report.frontier.empty
    assert len(report.charts) >= 6
    assert len(pd.read_csv(report.csv)) == len(states)


@pytest.mark.parametrize(
    ("folder", "published", "message"),
    [("absent", None, "no sweep at"), ("demo", "slim", "unknown published source 'slim'")],
)
def test_mistakes_are_refused_before_a_report_is_written(
    folder: str, published: str | None, message: str, tmp_path: Path, make_row: MakeRow, make_sweep: MakeSweep
) -> None:
    make_sweep([make_row()])

    with pytest.raises(ConfigError, match=message):
        write_report(tmp_path / folder, published=published)
    assert not (tmp_path / folder / "report").exists()


def test_report_of_a_sweep_is_reproducible_byte_for_byte(digits_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(digits_rows)

    first, second = ({path.name: path.read_bytes() for path in write_report(folder).folder.iterdir()} for _ in range(2))

    assert first == second
