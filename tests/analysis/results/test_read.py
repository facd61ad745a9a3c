"""The results log survives a killed writer, and has a row for every ended point."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.results.read import cut_off_notes, latest_rows, load_measurements, load_table
from analysis.results.schema import COLUMNS, outcome
from sweep.plan.plan import make_plan
from sweep.run.log import ResultsLog
from tests.sweep.conftest import measurement, open_recorder, quick_config
from trainers.errors import ConfigError


def row_of(point: str, state: str = "COMPLETE") -> dict[str, Any]:
    """Return a row of the required columns alone."""
    network = {"model": "mobilenet_v2", "width_mult": 0.5, "resolution": 96, "macs": 5_000_000, "num_params": 1_000_000}
    return {"point": point, "state": state, "dataset": "digits", "top1": 90.0, **network}


def write_rows(folder: Path, *points: str, state: str = "COMPLETE") -> None:
    log = ResultsLog(folder)
    for point in points:
        log.append_result(dict.fromkeys(COLUMNS) | row_of(point, state))
    log.close()


def test_rows_are_read_back_in_order_with_every_column(tmp_path: Path) -> None:
    write_rows(tmp_path, "b", "a")

    table = load_table(tmp_path)

    assert list(table.columns) == list(COLUMNS)
    assert list(table["point"]) == ["b", "a"]


def test_pandas_reads_the_log_in_one_call(tmp_path: Path) -> None:
    write_rows(tmp_path, "a", "b")

    assert list(pd.read_json(tmp_path / "results.jsonl", lines=True)["point"]) == ["a", "b"]


def test_latest_rows_have_the_last_row_of_each_point(tmp_path: Path) -> None:
    write_rows(tmp_path, "a", state="FAILED")
    write_rows(tmp_path, "a")

    assert [row["state"] for row in latest_rows(tmp_path).values()] == ["COMPLETE"]


@pytest.mark.parametrize("torn", ['{"point": "b"', '{"point": "b"}', '{"poi', "\x00\x00"])
def test_torn_last_line_is_ignored_and_removed_by_the_next_writer(tmp_path: Path, torn: str) -> None:
    write_rows(tmp_path, "a")
    with open(tmp_path / "results.jsonl", "a") as file:
        file.write(torn)

    assert list(latest_rows(tmp_path)) == ["a"]
    write_rows(tmp_path, "c")
    assert list(latest_rows(tmp_path)) == ["a", "c"]


def test_note_names_a_log_with_a_torn_last_line(tmp_path: Path) -> None:
    write_rows(tmp_path, "a")
    assert cut_off_notes(tmp_path) == []
    with open(tmp_path / "results.jsonl", "a") as file:
        file.write('{"poi')

    assert cut_off_notes(tmp_path) == [f"note: the last line of {tmp_path}/results.jsonl was cut off and is left out"]
    write_rows(tmp_path)
    assert cut_off_notes(tmp_path) == []


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("top1", "90", "column top1 is '90', not a number from 0 to 100"),
        ("top1", 100.1, "column top1 is 100.1, not a number from 0 to 100"),
        ("top1", None, "column top1 is missing"),
        ("macs", 1e6, "column macs is 1000000.0, not a whole number of 1 or more"),
        ("macs", 0, "column macs is 0, not a whole number of 1 or more"),
        ("width_mult", 0.0, "column width_mult is 0.0, not a number above 0"),
        ("ended_at", 1e13, "column ended_at is 10000000000000.0, not seconds since 1970, before the year 10000"),
        ("val_loss", float("nan"), "column val_loss is nan, not a number of 0 or more"),
        ("sync_bn", 1, "column sync_bn is 1, not true or false"),
        ("state", "DONE", "column state is 'DONE', not one of COMPLETE, PRUNED, FAILED"),
        ("point", "../a", "column point is '../a', not the name of a folder"),
        ("dataset", None, "column dataset is missing"),
    ],
)
def test_error_names_a_value_that_is_invalid_for_its_column(
    tmp_path: Path, column: str, value: object, message: str
) -> None:
    rows = [row_of("a"), row_of("b") | {column: value}]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    with pytest.raises(ConfigError) as error:
        latest_rows(tmp_path)

    assert str(error.value) == f"{tmp_path}/results.jsonl, line 2 is damaged: {message}; repair or remove the line"


def test_measurements_with_unknown_or_missing_columns_are_read(tmp_path: Path) -> None:
    row = asdict(measurement("a", 1))
    lines = [json.dumps(row | {"later": 1}), json.dumps({name: row[name] for name in row if name != "raw_top1"})]
    (tmp_path / "measurements.jsonl").write_text("\n".join(lines) + "\n")

    assert load_measurements(tmp_path) == {"a": [measurement("a", 1)]}


@pytest.mark.parametrize("damage", ["nonsense", "[1]", "null", "{}", '{"point": "b"}', ""])
def test_error_names_a_broken_line_in_the_middle(tmp_path: Path, damage: str) -> None:
    good = json.dumps(row_of("a")) + "\n"
    (tmp_path / "results.jsonl").write_text(f"{good}{damage}\n{good}")

    with pytest.raises(ConfigError, match=r"results.jsonl, line 2 is damaged"):
        latest_rows(tmp_path)


def test_folder_without_a_log_is_refused_with_the_nearest_sweep(tmp_path: Path) -> None:
    ResultsLog(tmp_path / "small").close()

    with pytest.raises(ConfigError, match=rf"no sweep at .*/smal: .* did you mean {tmp_path}/small\?"):
        load_table(tmp_path / "smal")
    with pytest.raises(ConfigError, match="give the folder of a run, such as runs/NAME"):
        load_table(tmp_path / "small" / "points")


def test_epoch_trained_twice_has_its_last_measurement(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path)
    for epoch, top1 in [(1, 10.0), (2, 20.0), (2, 21.0), (3, 30.0)]:
        log.append_measurement(measurement("a", epoch, top1))
    log.close()

    assert [(m.epoch, m.top1) for m in load_measurements(tmp_path)["a"]] == [(1, 10.0), (2, 21.0), (3, 30.0)]


@pytest.mark.parametrize(
    ("accuracies", "best_epoch"), [([10.0, 30.0, 20.0], 2), ([10.0, 30.0, 30.0], 2), ([5.0], 1), ([0.0, 0.0], 1)]
)
def test_outcome_is_of_the_first_best_epoch_and_the_last_epoch(accuracies: list[float], best_epoch: int) -> None:
    history = [measurement("a", i, top1, top5=top1 + 1) for i, top1 in enumerate(accuracies, start=1)]

    columns = outcome(history)

    assert columns["best_epoch"] == best_epoch
    assert (columns["top1"], columns["top5"]) == (max(accuracies), max(accuracies) + 1)
    assert (columns["final_top1"], columns["epochs_trained"]) == (accuracies[-1], len(accuracies))
    assert columns["train_seconds"] == history[-1].train_seconds


def test_outcome_without_measurements_has_no_numbers() -> None:
    columns = outcome([])

    assert columns.pop("epochs_trained") == 0
    assert set(columns.values()) == {None}


def test_row_of_a_point_has_every_column(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16", epochs=2))
    log = ResultsLog(plan.folder)
    recorder = open_recorder(plan.points, log)
    for epoch in (1, 2):
        recorder.measured(measurement(plan.points[0], epoch))
    log.close()

    [row] = [json.loads(line) for line in (plan.folder / "results.jsonl").read_text().splitlines()]
    assert list(row) == list(COLUMNS)
    names = ("state", "reason", "model", "width_mult", "total_stride", "num_classes", "dataset", "epochs", "top1")
    assert [row[name] for name in names] == ["COMPLETE", "", "mobilenet_v2", 0.25, 8, 10, "digits", 2, 50.0]
    assert row["macs"] == plan.points[0].cost.macs
