"""The cost of a trial beyond its training, for start, reports and logs, beside plain Ray Tune with its MLflow callback.

    uv run benchmarks/trial_overhead.py

Trials that train nothing run one at a time in one Ray session, in alternating blocks: ours (reused workers, results
log, tracker), then Ray Tune as its documentation shows it (`Tuner` with `MLflowLoggerCallback`, all else default).
Both report equal measurements and write to an SQLite store each. The first trials of a block, which start the worker,
are left out. Our time includes the wait until the tracker has written everything.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each of the other side's processes would compile PyTorch anew

from search_spaces.registry import get_space
from sweep.config import SweepConfig
from sweep.plan.left import all_left
from sweep.plan.plan import Plan, make_plan
from sweep.plan.points import PlannedPoint
from sweep.choose.queue import Queue
from sweep.run.recorder import Recorder
from sweep.run.log import ResultsLog
from sweep.forecast.trial_resources import Resources
from sweep.run.ray_session import ray_session
from sweep.run.ray_trials import run_trials
from sweep.choose.schedulers import Fifo
from sweep.watch.mlflow_store import connect
from sweep.watch.tracker import EPOCH_METRICS, Tracker
from trainers.trial import Measurement, Trial

from ray import tune  # after sweep.run.ray_trials, which sets what Ray reads when it is imported
from ray.air.integrations.mlflow import MLflowLoggerCallback

CPUS = os.cpu_count() or 1
WARM_UP = 2
"""Number of trials of each block that are not counted."""


def empty_training(trial: Trial) -> Iterator[Measurement]:
    """A trainer that trains nothing and reports every epoch."""
    import torch  # as any trial does

    for point in trial.points:
        for epoch in range(1, point.config.epochs + 1):
            yield Measurement(
                point=point.id,
                epoch=epoch,
                lr=0.1,
                train_loss=float(torch.ones(())),
                val_loss=1.0,
                top1=50.0,
                top5=90.0,
                images_per_second=100.0,
                train_seconds=1.0,
                measured_at=time.time(),
                device="none",
            )


class Clock:
    """A listener that notes when each point ended, and that none failed."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def started(self, point: PlannedPoint) -> None: ...

    def measured(self, measurement: Measurement) -> None: ...

    def lost(self, point: PlannedPoint, reason: str) -> None: ...

    def ended(self, row: Mapping[str, Any]) -> None:
        assert row["state"] == "COMPLETE", row["reason"]
        self.ends.append(time.monotonic())


def plan_of(num_points: int, epochs: int, runs: Path) -> Plan:
    """Return the plan of points that differ only in their seed."""
    train = get_space("mnv2_quick").base
    axes = ("width_mult=0.25", "resolution=20", f"epochs={epochs}", f"seed={','.join(map(str, range(num_points)))}")
    return make_plan(SweepConfig(space="mnv2_quick", train=train, axis=axes, runs=runs, name=f"empty{num_points}"))


LOGGED = tuple(name for name in EPOCH_METRICS if name != "raw_top1")
"""The metrics that an epoch logs without an average of the weights."""


def ours(num_trials: int, epochs: int, folder: Path) -> float:
    """Return our seconds per trial after the warm-up."""
    plan = plan_of(num_trials, epochs, folder)
    store = connect(f"sqlite:///{folder / 'ours.db'}", folder)
    tracker = Tracker(store, all_left(plan), sweep_id=str(time.time()), tags={}, say=print)
    clock = Clock()
    with closing(ResultsLog(plan.folder)) as log:
        recorder = Recorder(log, [tracker, clock], Queue(Fifo(), plan.trials), {})
        resources = Resources(num_workers=1, per_worker={"CPU": float(CPUS), "GPU": 0.0}, num_trials=1)
        run_trials(recorder, train=empty_training, resources=resources, folder=folder / "ray")
    last_trial = time.monotonic()
    error = tracker.finish("FINISHED", None)
    assert error is None, error
    assert len(clock.ends) == num_trials
    flush = time.monotonic() - last_trial
    return (clock.ends[-1] - clock.ends[WARM_UP - 1] + flush) / (num_trials - WARM_UP)


def plain_trial(config: dict[str, Any]) -> None:
    """Run an empty trial, written for plain Ray Tune."""
    for measurement in empty_training(Trial.alone(config["point"])):
        tune.report({name: value for name, value in asdict(measurement).items() if name in LOGGED})


class PlainClock(tune.Callback):
    """Notes when each trial ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ends.append(time.monotonic())


def plain(num_trials: int, epochs: int, folder: Path) -> float:
    """Return the seconds per trial of plain Ray Tune after the warm-up."""
    points = [planned.point for planned in plan_of(num_trials, epochs, folder).points]
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder / 'plain.db'}", experiment_name="plain")
    clock = PlainClock()
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0"  # plain means with Ray's own loggers
    try:
        tune.Tuner(
            tune.with_resources(plain_trial, {"cpu": CPUS}),
            param_space={"point": tune.grid_search(points)},
            run_config=tune.RunConfig(storage_path=str(folder), name="plain", callbacks=[callback, clock], verbose=0),
        ).fit()
    finally:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    assert len(clock.ends) == num_trials
    return (clock.ends[-1] - clock.ends[WARM_UP - 1]) / (num_trials - WARM_UP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=5, help="alternations (5)")
    parser.add_argument("--ours", type=int, default=52, help="trials of ours per block (52)")
    parser.add_argument("--plain", type=int, default=6, help="trials of plain Ray Tune per block (6)")
    parser.add_argument("--epochs", type=int, default=5, help="measurements per trial (5)")
    arguments = parser.parse_args()
    ours_s: list[float] = []
    plain_s: list[float] = []
    with ray_session(SweepConfig(space="mnv2_quick")):
        for block in range(arguments.blocks):
            with tempfile.TemporaryDirectory() as folder:
                ours_s.append(ours(arguments.ours, arguments.epochs, Path(folder)))
                plain_s.append(plain(arguments.plain, arguments.epochs, Path(folder)))
            print(f"block {block + 1}: ours {ours_s[-1]:.3f} s, plain {plain_s[-1]:.3f} s per trial", flush=True)
    ratios = [p / o for p, o in zip(plain_s, ours_s, strict=True)]
    for name, values, unit in (("ours", ours_s, "s"), ("plain Ray Tune", plain_s, "s"), ("plain / ours", ratios, "x")):
        print(f"{name:<15} median {statistics.median(values):.3f} {unit} ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
