"""Metrics per second into MLflow: this project's tracker beside Ray Tune's MLflow callback.

    uv run benchmarks/tracking.py

Both log equal measurements (6 metrics an epoch) of equal points, each to its own SQLite store, as fast as they can, in
alternating blocks; the time of ours includes the last write. Ray's callback receives these metrics alone, without the
dozen that Tune adds to every result and that the callback would log too.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

from benchmarks.trial_overhead import LOGGED, empty_training, plan_of
from sweep.plan.left import all_left
from sweep.watch.mlflow_store import connect
from sweep.watch.tracker import Tracker

from ray.air.integrations.mlflow import MLflowLoggerCallback  # after sweep.watch.tracker, which sets what MLflow reads
from ray.tune.experiment import Trial


def ours(num_points: int, epochs: int, folder: Path) -> float:
    """Return the metrics per second through the tracker."""
    plan = plan_of(num_points, epochs, folder)
    store = connect(f"sqlite:///{folder / 'ours.db'}", folder)
    tracker = Tracker(store, all_left(plan), sweep_id="benchmark", tags={}, say=print)
    start = time.monotonic()
    for planned in plan.trials:
        tracker.started(planned.points[0])
        for measurement in empty_training(planned.trial):
            tracker.measured(measurement)
    error = tracker.finish("FINISHED", None)
    assert error is None, error
    return num_points * epochs * len(LOGGED) / (time.monotonic() - start)


def rays(num_points: int, epochs: int, folder: Path) -> float:
    """Return the metrics per second through Ray Tune's callback."""
    plan = plan_of(num_points, epochs, folder)
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder / 'ray.db'}", experiment_name="benchmark")
    callback.setup()
    start = time.monotonic()
    for planned in plan.trials:
        trial = Trial("empty", config={"seed": planned.points[0].config.seed}, stub=True)
        callback.log_trial_start(trial)
        for measurement in empty_training(planned.trial):
            metrics = {name: getattr(measurement, name) for name in LOGGED}
            callback.log_trial_result(measurement.epoch, trial, metrics | {"training_iteration": measurement.epoch})
        callback.log_trial_end(trial)
    return num_points * epochs * len(LOGGED) / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=5, help="alternations (5)")
    parser.add_argument("--points", type=int, default=4, help="points per block (4)")
    parser.add_argument("--epochs", type=int, default=150, help="epochs per point (150)")
    arguments = parser.parse_args()
    ours_rate: list[float] = []
    rays_rate: list[float] = []
    for block in range(arguments.blocks):
        with tempfile.TemporaryDirectory() as folder:
            ours_rate.append(ours(arguments.points, arguments.epochs, Path(folder)))
            rays_rate.append(rays(arguments.points, arguments.epochs, Path(folder)))
        print(f"block {block + 1}: ours {ours_rate[-1]:.0f}, Ray's {rays_rate[-1]:.0f} metrics/s", flush=True)
    ratios = [o / r for o, r in zip(ours_rate, rays_rate, strict=True)]
    for name, values, unit in (
        ("ours", ours_rate, "metrics/s"),
        ("Ray's callback", rays_rate, "metrics/s"),
        ("ours / Ray's", ratios, "x"),
    ):
        print(f"{name:<15} median {statistics.median(values):.1f} {unit} ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
