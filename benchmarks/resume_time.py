"""The time until a sweep of many finished points trains its missing point, beside a sweep of one point.

    uv run benchmarks/resume_time.py

The finished points are in the results log, with five epochs each, and in the MLflow store; their measurements are
synthetic. The time is from the command to the first training step of the missing point. Starts of Ray Tune alone
(`bare_tune.py`) alternate with the sweeps, as the least time of any sweep under Ray Tune.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the project is run from its checkout, not installed

from sweep.commands.sweep import sweep_config
from sweep.plan.left import all_left
from sweep.plan.plan import make_plan
from sweep.choose.queue import Queue
from sweep.run.recorder import Recorder
from analysis.results.read import load_measurements
from sweep.run.log import ResultsLog
from sweep.choose.schedulers import Fifo
from sweep.run.environment import write_identity
from sweep.watch.mlflow_store import connect
from sweep.watch.tracker import Tracker
from trainers.trial import Measurement

EPOCHS = 5


def arguments_of(num_points: int, runs: Path) -> list[str]:
    """Return the command line of a sweep of points that differ in their seed."""
    shape = ["--axis", "width_mult=0.25", "--axis", "resolution=16", "--train.epochs", str(EPOCHS)]
    seeds = ["--axis", f"seed={','.join(map(str, range(num_points)))}", "--name", f"points{num_points}"]
    return ["--space", "mnv2_quick", "--gpus-per-trial", "0", "--scheduler", "fifo", "--quiet", *shape, *seeds,
            "--runs", str(runs)]  # fmt: skip


def finish(num_points: int, runs: Path) -> None:
    """Write the logs of a sweep whose points are finished, except for the last one."""
    config = sweep_config(arguments_of(num_points, runs))
    plan = make_plan(config)
    plan.folder.mkdir(parents=True)
    identity = write_identity(plan)
    store = connect(f"sqlite:///{runs / 'mlflow.db'}", runs)
    tracker = Tracker(store, all_left(plan), sweep_id=identity["sweep_id"], tags={}, say=print)
    with closing(ResultsLog(plan.folder)) as log:
        recorder = Recorder(log, [tracker], Queue(Fifo(), plan.trials[:-1]), {})
        while trial := recorder.take():
            recorder.started(trial.id)
            for epoch in range(1, EPOCHS + 1):
                recorder.measured(made_up(trial.id, epoch))
    error = tracker.finish("FINISHED", None)
    assert error is None, error


def made_up(point: str, epoch: int) -> Measurement:
    """Return a synthetic measurement."""
    return Measurement(
        point=point, epoch=epoch, lr=0.1, train_loss=1.0, val_loss=1.0, top1=50.0, top5=90.0, images_per_second=100.0,
        train_seconds=1.0, measured_at=time.time(), device="none",
    )  # fmt: skip


def ready(num_points: int, runs: Path) -> float:
    """Return the seconds from the command to the first training step of the last point."""
    folder = runs / f"points{num_points}"
    start = time.time()
    process = subprocess.Popen([sys.executable, "run_sweep.py", *arguments_of(num_points, runs)], cwd=ROOT)
    process.wait()
    assert process.returncode == 0
    last = max(load_measurements(folder).values(), key=lambda history: history[-1].measured_at)
    return last[0].measured_at - last[0].train_seconds - start


def bare() -> float:
    """Return the seconds from the command until the first trial of Ray Tune alone has imported PyTorch."""
    command = [sys.executable, str(Path(__file__).with_name("bare_tune.py")), str(time.time())]
    return float(subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).split()[-1])


def median_and_spread(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.1f}{unit} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Start the three programs a few times in turn, and print their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000, help="finished points (10000)")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="resume-"))
    sizes = [arguments.points + 1, 2]
    for size in sizes:
        finish(size, folder / "before")
    resumed: dict[int, list[float]] = {size: [] for size in sizes}
    alone: list[float] = []
    for i in range(arguments.repeats + 1):
        shutil.rmtree(folder / "now", ignore_errors=True)
        shutil.copytree(folder / "before", folder / "now")
        for size in sizes if i else sizes[1:]:  # first, not counted, the network is timed, as the sweep once did
            seconds = ready(size, folder / "now")
            resumed[size] += [seconds] if i else []
        alone += [bare()] if i else []
    shutil.rmtree(folder)
    for size, seconds in resumed.items():
        print(f"{size - 1} finished points: {median_and_spread(seconds, ' s')} until the next one trains")
    many, few = resumed.values()
    more = [a - b for a, b in zip(many, few, strict=True)]
    print(f"for the finished points: {median_and_spread(more, ' s')}")
    print(f"Ray Tune alone: {median_and_spread(alone, ' s')} until its trial has imported PyTorch")
    for size, seconds in resumed.items():
        ratios = [a / b for a, b in zip(seconds, alone, strict=True)]
        print(f"{size - 1} finished points / Ray Tune alone: {median_and_spread(ratios, 'x')}")


if __name__ == "__main__":
    main()
