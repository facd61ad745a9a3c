"""The report as files: charts, CSV and Markdown."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.plots.registry import PLOTS
from analysis.report import write_atomically, write_report
from analysis.results_table import network_name, varying_settings
from sweep.results import COLUMNS, load_table
from trainers.errors import ConfigError

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeSweep = Callable[..., Path]

FIRST_COLUMNS = ["Network", "MACs (M)", "Parameters (M)", "Top 1", "Top 5"]


def page_table(page: str) -> list[list[str]]:
    """The cells of the one table of a page, header first."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "---" not in line]


def test_report_has_every_chart_the_csv_and_the_page(digits_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(digits_rows)

    report = write_report(folder)

    charts = {f"{name}.{kind}" for name in PLOTS for kind in ("png", "svg")}
    assert {path.name for path in report.charts} == charts
    assert {path.name for path in (folder / "report").iterdir()} == charts | {"results.csv", "results.md"}
    assert all(path.stat().st_size > 0 for path in (folder / "report").iterdir())


def test_report_of_a_published_grid_matches_the_published_figures(make_row: MakeRow, make_sweep: MakeSweep) -> None:
    """The grid's networks with TensorFlow's own figures: no difference, and the published frontier of 17."""
    from analysis.published import load_cells

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
    start = time.perf_counter()
    report = write_report(make_sweep(rows))
    seconds = time.perf_counter() - start

    table = pd.read_csv(report.csv)
    header, *lines = page_table(report.markdown.read_text())
    assert seconds < 3
    assert (table["top1_difference"] == 0).all()
    assert table["on_frontier"].sum() == len(report.frontier) == 17
    assert table.loc[table["on_params_frontier"], "resolution"].eq(224).all()
    assert header == [
        *FIRST_COLUMNS,
        "Published top 1",
        "Difference",
        "Dropout",
        "LR schedule",
        "Epochs",
        "State",
    ]
    assert [line[0].strip("*") for line in lines] == [
        f"mobilenet_v2_{w}_{r}" for w, r in zip(cells["width_mult"], cells["resolution"], strict=True)
    ]
    assert lines[0][:7] == [
        f"**{v}**" for v in ("mobilenet_v2_1.4_224", "582.20", "6.11", "75.00", "92.50", "75.00", "+0.00")
    ]
    assert sum(line[0].startswith("**") for line in lines) == 17


def test_csv_has_every_column_and_point_in_the_order_of_the_log(mixed_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(mixed_rows)

    table = pd.read_csv(write_report(folder).csv)

    assert tuple(table.columns) == (*COLUMNS, "on_frontier", "on_params_frontier")
    assert table["point"].tolist() == load_table(folder)["point"].tolist()
    assert table["reason"].notna().sum() == 6


@pytest.mark.parametrize("column", ["macs", "num_params", "epochs_trained"])
def test_csv_writes_whole_numbers_as_such(column: str, mixed_rows: list[Row], make_sweep: MakeSweep) -> None:
    mixed_rows[0][column] = None

    cells = pd.read_csv(write_report(make_sweep(mixed_rows)).csv, dtype=str)[column]

    assert pd.isna(cells[0])
    assert cells[1:].str.fullmatch(r"\d+").all()


@pytest.mark.parametrize(
    ("published", "columns"),
    [(None, []), ("none", []), ("tf_slim", ["published_top1", "published_top5", "top1_difference"])],
)
def test_csv_has_published_columns_where_there_is_a_source(
    published: str | None, columns: list[str], digits_rows: list[Row], make_sweep: MakeSweep
) -> None:
    table = pd.read_csv(write_report(make_sweep(digits_rows), published=published).csv)

    assert list(table.columns)[len(COLUMNS) + 2 :] == columns


def test_page_heading_counts_states_and_says_what_is_left_out(mixed_rows: list[Row], make_sweep: MakeSweep) -> None:
    page = write_report(make_sweep(mixed_rows)).markdown.read_text()

    assert page.startswith("# Sweep demo: 22 points on digits\n\nPoints: 16 complete, 3 failed, 3 pruned.")
    assert "Published ImageNet figures left out: this sweep is on digits; draw them with --published tf_slim." in page
    assert len(page_table(page)) == 23


def test_page_shows_settings_that_vary_and_no_others(make_row: MakeRow, make_sweep: MakeSweep) -> None:
    rows = [make_row(lr=0.05, seed=0, dropout=0.1), make_row(lr=0.1, seed=0, dropout=0.2)]

    header, *lines = page_table(write_report(make_sweep(rows)).markdown.read_text())

    assert header == [*FIRST_COLUMNS, "Dropout", "LR schedule", "lr", "Epochs", "State"]
    assert [(line[5].strip("*"), line[7].strip("*")) for line in lines] == [("0.1", "0.05"), ("0.2", "0.1")]


@pytest.mark.parametrize(
    "reason",
    ["a | b", "two\nlines", "<script>alert(1)</script>", r"C:\runs\p1", "**bold** `code` [link](x)", "", None],
)
def test_reasons_cannot_break_the_page(reason: str | None, make_row: MakeRow, make_sweep: MakeSweep) -> None:
    row = make_row(state="FAILED", reason=reason, top1=None, top5=None)

    page = write_report(make_sweep([row])).markdown.read_text()

    header, line = page_table(page)
    assert len(line) == len(header)
    assert line[-1].startswith("FAILED") and "<script>" not in page
    assert line[3:5] == ["", ""]


@pytest.mark.parametrize("states", [[], ["FAILED"], ["PRUNED", "FAILED"]])
def test_report_without_a_complete_point_has_an_empty_frontier(
    states: list[str], make_row: MakeRow, make_sweep: MakeSweep
) -> None:
    report = write_report(make_sweep([make_row(state=state, top1=None, top5=None) for state in states]))

    assert report.frontier.empty
    assert len(report.charts) == 2 * len(PLOTS)
    assert len(pd.read_csv(report.csv)) == len(states)


@pytest.mark.parametrize(
    ("folder", "published", "message"),
    [("absent", None, "no sweep at"), ("demo", "slim", "unknown published source 'slim'")],
)
def test_mistakes_are_refused_before_anything_is_written(
    folder: str, published: str | None, message: str, tmp_path: Path, make_row: MakeRow, make_sweep: MakeSweep
) -> None:
    make_sweep([make_row()])

    with pytest.raises(ConfigError, match=message):
        write_report(tmp_path / folder, published=published)
    assert not (tmp_path / folder / "report").exists()


def test_the_same_sweep_gives_the_same_bytes(digits_rows: list[Row], make_sweep: MakeSweep) -> None:
    folder = make_sweep(digits_rows)

    first, second = ({path.name: path.read_bytes() for path in write_report(folder).folder.iterdir()} for _ in range(2))

    assert first == second


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]

    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("width_mult", "name"), [(1.0, "mobilenet_v2_1.0_96"), (0.35, "mobilenet_v2_0.35_96"), (1, "mobilenet_v2_1.0_96")]
)
def test_network_is_named_as_in_the_published_tables(width_mult: float, name: str) -> None:
    assert network_name("mobilenet_v2", width_mult, 96) == name


def test_unset_and_set_classes_vary(make_row: MakeRow, make_sweep: MakeSweep) -> None:
    table = load_table(make_sweep([make_row(), make_row(num_classes=5)]))

    assert varying_settings(table) == ["num_classes"]
