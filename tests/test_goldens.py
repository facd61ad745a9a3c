"""Behaviour that no change of the code may change: ids and costs of points, rows, and the charts of an old folder.

The goldens were made by commit 049a1d3: `ids.json` by planning its commands, the folders by real sweeps, of which the
logs and the CSV files of the report are kept.
"""

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.report.report import write_report
from analysis.results.read import latest_rows, load_measurements
from sweep.commands.sweep import sweep_config
from sweep.config import load_config
from sweep.plan.left import read_left
from sweep.plan.plan import make_plan
from sweep.run.log import ResultsLog
from tests.sweep.conftest import make_checkpoints, open_recorder

GOLDENS = Path(__file__).parent / "goldens"
PLANS: dict[str, Any] = json.loads((GOLDENS / "ids.json").read_text())
SWEEPS = {"mnv2_quick": "mnv2_quick-digits", "old_sweep": "old_sweep"}
"""The folders of goldens, and the names of their sweeps."""


@pytest.fixture(params=SWEEPS)
def golden(request: pytest.FixtureRequest) -> str:
    """The name of each folder of goldens in turn."""
    return str(request.param)


@pytest.fixture
def folder(golden: str, tmp_path: Path) -> Path:
    """The folder of an old sweep with its logs, among other runs."""
    return shutil.copytree(GOLDENS / golden, tmp_path / SWEEPS[golden], ignore=shutil.ignore_patterns("charts"))


@pytest.mark.parametrize("name", PLANS)
def test_points_keep_their_ids_and_costs(name: str, tmp_path: Path) -> None:
    config = sweep_config([*PLANS[name]["command"].split(), "--runs", str(tmp_path)])

    plan = make_plan(config)

    points = [[p.id, p.cost.macs, p.cost.num_params, p.cost.activations] for p in plan.points]
    assert points == PLANS[name]["points"]


def test_an_old_folder_gives_the_figures_of_every_chart(golden: str, folder: Path) -> None:
    write_report(folder)

    charts = {path.name for path in (GOLDENS / golden / "charts").iterdir()}
    assert {path.name for path in (folder / "report").glob("*.csv")} == charts
    for chart in charts:
        expected, table = (pd.read_csv(place / chart) for place in (GOLDENS / golden / "charts", folder / "report"))
        pd.testing.assert_frame_equal(table[list(expected)], expected, rtol=1e-6)


def test_an_old_folder_has_nothing_left_to_train(golden: str, folder: Path) -> None:
    config = load_config(folder / "config.json")

    plan = make_plan(sweep_config(["--config", str(folder / "config.json"), "--runs", str(folder.parent)]))
    make_checkpoints(plan)

    left = read_left(plan)

    assert left.other_sweep == ""
    assert not left.needs_training
    assert left.ended.keys() == latest_rows(folder).keys()
    assert config.name in (None, SWEEPS[golden])


def test_the_measurements_of_an_old_sweep_give_its_rows(golden: str, folder: Path, tmp_path: Path) -> None:
    """The recorder receives the measurements of the old sweep again, and stops its stopped points at their epochs."""
    expected = latest_rows(folder)
    plan = make_plan(sweep_config(["--config", str(folder / "config.json"), "--runs", str(tmp_path / "again")]))
    with closing(ResultsLog(plan.folder)) as log:
        recorder = open_recorder(plan.points, log)
        for point, history in load_measurements(folder).items():
            for measurement in history:
                recorder.measured(measurement)
            if expected[point]["state"] == "PRUNED":
                recorder._end(next(p for p in plan.points if p.id == point), "PRUNED", expected[point]["reason"])

    rows = latest_rows(plan.folder)
    assert rows.keys() == expected.keys()
    for point, row in rows.items():
        kept = {name: row[name] for name in expected[point]}  # later versions add columns
        assert {**kept, "ended_at": None} == {**expected[point], "ended_at": None}
