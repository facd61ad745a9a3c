"""Plans, measurements and one real sweep, shared by the tests of the package."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import run_sweep
from search_spaces.registry import get_space
from sweep.choose.queue import Queue
from sweep.choose.schedulers import Fifo
from sweep.config import SweepConfig
from sweep.forecast.trial_resources import Resources
from sweep.plan.plan import Plan, make_plan
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from sweep.run.log import ResultsLog
from sweep.run.recorder import Listener, Recorder
from tests.conftest import shared_folder
from trainers.trial import Measurement

ARGUMENTS = ["--space", "mnv2_quick", "--axis", "width_mult=0.25", "--axis", "resolution=16", "--axis", "lr=0.005,1e30",
             "--axis", "dropout=0,0.2", "--train.epochs", "2"]  # fmt: skip
"""Four points that take seconds each; points with a learning rate of 1e30 diverge."""


@pytest.fixture(autouse=True)
def quick_reports(few_charts: None) -> None:
    """Limit the reports of sweeps in these tests to few charts."""


def quick_config(runs: Path, *axes: str, **train: Any) -> SweepConfig:
    """Return the configuration of a sweep of `mnv2_quick` with other axes and training settings."""
    base = replace(get_space("mnv2_quick").base, **train)
    return SweepConfig(space="mnv2_quick", train=base, axis=axes, runs=runs)


def quick_plan(runs: Path, num_points: int, **train: Any) -> Plan:
    """Return a plan of one cell with `num_points` seeds."""
    seeds = ",".join(map(str, range(num_points)))
    return make_plan(quick_config(runs, "width_mult=0.25", "resolution=16", f"seed={seeds}", **train))


def measurement(point: PlannedPoint | str, epoch: int, top1: float = 50.0, **fields: Any) -> Measurement:
    """Return a measurement with every field set."""
    id_ = point if isinstance(point, str) else point.id
    values: dict[str, Any] = {
        "lr": 0.1, "train_loss": 1.0, "val_loss": 2.0, "top5": 90.0, "images_per_second": 100.0 * epoch,
        "train_seconds": 3.0 * epoch, "measured_at": 1e9 + epoch, "device": "cpu fp32",
    }  # fmt: skip
    return Measurement(point=id_, epoch=epoch, top1=top1, **(values | fields))


def open_recorder(
    points: Sequence[PlannedPoint],
    log: ResultsLog,
    listeners: Sequence[Listener] = (),
    history: Mapping[str, list[Measurement]] | None = None,
) -> Recorder:
    """Return a recorder of a sweep that stops no point, with the trials of all points open."""
    recorder = Recorder(log, listeners, Queue(Fifo(), list(map(PlannedTrial.alone, points))), history or {})
    while recorder.take():
        pass
    return recorder


def resources(num_trials: int = 2, num_workers: int = 1, cpus: float = 1.0, gpus: float = 0.0) -> Resources:
    """Return the resources of each trial."""
    return Resources(num_workers=num_workers, per_worker={"CPU": cpus, "GPU": gpus}, num_trials=num_trials)


def make_checkpoints(plan: Plan) -> None:
    """Make an empty best checkpoint of every point of a plan, as plans and tables look for its file alone."""
    for point in plan.points:
        point.folder.mkdir(parents=True, exist_ok=True)
        (point.folder / "best.pt").touch()


class Follower:
    """A listener that records events and point ids."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.rows: list[Mapping[str, Any]] = []

    def started(self, point: PlannedPoint) -> None:
        self.events.append(("started", point.id))

    def measured(self, measurement: Measurement) -> None:
        self.events.append((f"epoch {measurement.epoch}", measurement.point))

    def lost(self, point: PlannedPoint, reason: str) -> None:
        self.events.append((f"lost: {reason}", point.id))

    def ended(self, row: Mapping[str, Any]) -> None:
        self.events.append((row["state"], row["point"]))
        self.rows.append(row)


@dataclass(frozen=True)
class Sweep:
    """A sweep that the command line has run."""

    arguments: list[str]
    exit_code: int
    printed: str
    runs: Path
    folder: Path


@pytest.fixture(scope="session")
def real_sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep of four points with real Ray and MLflow, two of which diverge; shared by all workers of pytest."""
    shared = shared_folder(tmp_path_factory)
    runs, outcome = shared / "real_sweep", shared / "real_sweep.json"
    arguments = [*ARGUMENTS, "--runs", str(runs)]
    with FileLock(shared / "real_sweep.lock"):
        if not outcome.is_file():
            shutil.rmtree(runs, ignore_errors=True)  # left by a failed attempt of another worker
            printed = StringIO()
            with redirect_stdout(printed):
                exit_code = run_sweep.main(arguments)
            outcome.write_text(json.dumps([exit_code, printed.getvalue()]))
    return Sweep(arguments, *json.loads(outcome.read_text()), runs, runs / "mnv2_quick-digits")


def start(arguments: list[str]) -> tuple[int, str]:
    """Run a command line; return its exit code and its output."""
    printed = StringIO()
    with redirect_stdout(printed):
        return run_sweep.main(arguments), printed.getvalue()
