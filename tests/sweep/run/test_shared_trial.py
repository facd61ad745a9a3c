"""A trial of points that share weights runs from its plan to its report, although its driver is killed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis.results.read import latest_rows, load_measurements
from sweep.choose.schedulers import Frontier
from sweep.commands.sweep import sweep_config
from sweep.plan.left import read_left
from sweep.plan.plan import make_plan
from sweep.run import sweep as sweeps
from tests.sweep.conftest import start
from tests.sweep.run import shared_trainer
from trainers.config import network_name
from trainers.errors import ConfigError
from trainers.registry import TRAINERS
from trainers.trial import Measurement

ROOT = Path(__file__).parents[3]
EPOCHS = 8
SPACE = ["--space", "mnv2_quick", "--axis", "resolution=16", "--train.epochs", str(EPOCHS), "--trainer", "slices"]
WIDTHS = ["--axis", "width_mult=0.25,0.5,1.0"]

pytestmark = pytest.mark.usefixtures("slices")


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the trainer of slices during a test."""
    monkeypatch.setitem(TRAINERS, "slices", shared_trainer.SLICES)


class StopSmallest(Frontier):
    """A scheduler that stops the point of width 0.25 at its sixth epoch."""

    def measured(self, measurement: Measurement) -> str | None:
        super().measured(measurement)
        return "seen enough" if "_0.25_" in measurement.point and measurement.epoch == 6 else None


def kill_driver_in_training(arguments: list[str], log: Path) -> None:
    """Start a sweep, and kill its driver once every point has two epochs."""
    command = [sys.executable, "-m", "tests.sweep.run.shared_trainer", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not (log.is_file() and log.read_bytes().count(b"\n") >= 6):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_shared_trial_resumes_after_a_killed_driver_and_one_of_its_points_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*SPACE, *WIDTHS, "--scheduler", "frontier", "--runs", str(tmp_path)]
    plan = make_plan(sweep_config(arguments))
    kill_driver_in_training(arguments, plan.folder / "measurements.jsonl")
    monkeypatch.setattr(sweeps, "SCHEDULERS", {"frontier": StopSmallest})

    exit_code, printed = start(arguments)

    assert exit_code == 0, printed
    assert "mnv2_quick-digits: 3 points in 1 trial on digits" in printed
    assert re.search(r"0 of 3 points done, 3 begun \(\d+ epochs\)", printed)
    rows = latest_rows(plan.folder)
    states = {row["width_mult"]: (row["state"], row["epochs_trained"], row["reason"]) for row in rows.values()}
    assert states == {
        0.25: ("PRUNED", 6, "seen enough"),
        0.5: ("COMPLETE", EPOCHS, ""),
        1.0: ("COMPLETE", EPOCHS, ""),
    }
    assert all(row["top1"] > 50 for row in rows.values())
    measurements = load_measurements(plan.folder)
    assert {len(history) for history in measurements.values()} == {6, EPOCHS}
    clock = [m.measured_at for history in measurements.values() for m in history if m.epoch <= 2]
    assert max(clock) < min(m.measured_at for history in measurements.values() for m in history if m.epoch >= 3)
    table = pd.read_csv(plan.folder / "report" / "results.csv")
    assert set(table["point"]) == {point.id for point in plan.points}
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    children = {run.data.tags["point"]: run.data.tags["state"] for run in runs if "point" in run.data.tags}
    assert children == {id_: row["state"] for id_, row in rows.items()}
    left = read_left(make_plan(sweep_config(arguments)))
    assert not left.needs_training

    again = make_plan(sweep_config([*arguments, "--name", "again"]))
    two_widths = ["--axis", "width_mult=0.5,1.0", "--runs", str(tmp_path), "--name", "two"]
    narrower = make_plan(sweep_config([*SPACE, *two_widths]))
    taken = {id_ for id_, row in rows.items() if row["state"] == "COMPLETE"}
    assert set(read_left(again).elsewhere) == taken
    assert read_left(narrower).elsewhere == {}  # weights shared by two widths are others


def test_ids_of_points_that_share_weights_hash_their_group(tmp_path: Path) -> None:
    runs = ["--runs", str(tmp_path)]
    alone = make_plan(sweep_config([*SPACE, "--axis", "width_mult=0.5", *runs]))
    group, other = (
        make_plan(sweep_config([*SPACE, "--axis", f"width_mult={widths}", *runs])) for widths in ("0.5,1.0", "0.5,0.75")
    )

    [trial], [other_trial] = group.trials, other.trials
    assert len({plan.points[0].id for plan in (alone, group, other)}) == 3
    assert trial.id != other_trial.id
    assert trial.trial.folder == tmp_path.absolute() / "mnv2_quick-digits" / "trials" / trial.id
    assert [point.point for point in trial.points] == list(trial.trial.points)
    for point in trial.points:
        config = point.config
        assert point.id.startswith(f"{network_name(config.model, config.width_mult, config.resolution)}-")


def test_points_with_one_key_form_a_group_in_the_order_of_the_plan(tmp_path: Path) -> None:
    arguments = [*SPACE, "--axis", "width_mult=0.25,0.5", "--axis", "lr=0.1,0.2", "--runs", str(tmp_path)]

    plan = make_plan(sweep_config(arguments))

    assert [[(p.config.width_mult, p.config.lr) for p in trial.points] for trial in plan.trials] == [
        [(0.25, 0.1), (0.5, 0.1)],
        [(0.25, 0.2), (0.5, 0.2)],
    ]
    assert "4 points in 2 trials" in plan.summary


def test_an_adaptive_sampler_is_an_error_for_a_trainer_of_groups(tmp_path: Path) -> None:
    config = sweep_config([*SPACE, *WIDTHS, "--sampler", "optuna", "--runs", str(tmp_path)])

    with pytest.raises(ConfigError, match="optuna proposes points one by one, but slices trains several together"):
        make_plan(config)
