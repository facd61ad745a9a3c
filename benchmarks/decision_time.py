"""Driver time per decision of the `frontier` scheduler after 10,000 finished trials.

    uv run benchmarks/decision_time.py [--trials 10000]

`grid`: 2,500 networks x 4 settings, as in a grid of many widths. `sampled`: 22 networks, whose settings are all
different draws. Each trial has 20 epochs; two thirds were stopped after 5. Two calls are timed: a measurement of a new
trial, with the decision whether to stop it, and the choice of the next point among 100 waiting points.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

import numpy as np

from analysis.published.tables import load_cells
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from analysis.results.schema import State
from sweep.choose.schedulers import Frontier
from trainers.config import TrainConfig
from trainers.models.cost import cost
from trainers.datasets.registry import load_dataset
from trainers.trial import Measurement, Point

EPOCHS = 20
WAITING = 100


def grid() -> Iterator[TrainConfig]:
    """Yield four settings each of endlessly many networks; their costs do not matter here."""
    for i in range(10**6):
        for lr in (0.01, 0.02, 0.04, 0.08):
            yield TrainConfig(width_mult=0.1 + 0.0004 * i, resolution=96, num_classes=10, epochs=EPOCHS, lr=lr)


def sampled() -> Iterator[TrainConfig]:
    """Yield settings that never repeat, on the published networks."""
    generator = np.random.default_rng(0)
    cells = load_cells("tf_slim")
    cells = cells.loc[cells["model"] == "mobilenet_v2"]
    shapes = [(float(w), int(r)) for w, r in zip(cells["width_mult"], cells["resolution"], strict=True)]
    while True:
        for width_mult, resolution in shapes:
            lr, dropout, weight_decay = generator.uniform((-3, 0.0, -5), (-1, 0.4, -3))
            yield TrainConfig(
                width_mult=width_mult, resolution=resolution, num_classes=10, epochs=EPOCHS, lr=10**lr,
                dropout=float(dropout), weight_decay=10**weight_decay,
            )  # fmt: skip


def measured(point: PlannedPoint, epoch: int, top1: float) -> Measurement:
    return Measurement(
        point=point.id, epoch=epoch, lr=0.1, train_loss=1.0, val_loss=1.0, top1=top1, top5=top1, images_per_second=1.0,
        train_seconds=1.0, measured_at=0.0, device="none",
    )  # fmt: skip


def timed(configs: Iterator[TrainConfig], num_trials: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of 200 measurements and of 50 choices after `num_trials` trials."""
    generator = np.random.default_rng(1)
    one_cost, dataset = cost(TrainConfig(num_classes=10)), load_dataset("digits")

    def new(i: int) -> PlannedPoint:
        point = Point(id=str(i), config=next(configs), folder=Path(str(i)))
        return PlannedPoint(point=point, cost=one_cost, dataset=dataset, label=str(i))

    scheduler = Frontier()
    for i in range(num_trials):
        state: State = "COMPLETE" if i % 3 == 0 else "PRUNED"
        point = new(i)
        curve = 60 - 40 * np.exp(-np.arange(1, (EPOCHS if state == "COMPLETE" else 5) + 1) / 5)
        curve += generator.normal(0, 0.5, len(curve))
        scheduler.add(point, [measured(point, epoch, top1) for epoch, top1 in enumerate(curve.tolist(), 1)], state)
    waiting = [new(num_trials + i) for i in range(WAITING)]
    for point in waiting:
        scheduler.add(point, [], None)
    decisions: list[float] = []
    for epoch in range(1, 11):
        for point in waiting[:20]:
            told = measured(point, epoch, 25.0 + 3 * epoch)
            decisions.append(milliseconds(lambda told=told: scheduler.measured(told)))
    trials = list(map(PlannedTrial.alone, waiting[20:]))
    choices = [milliseconds(lambda: scheduler.choose(trials)) for _ in range(50)]
    return decisions, choices


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="finished trials (10000)")
    num_trials = parser.parse_args().trials
    for name, configs in (("grid", grid()), ("sampled", sampled())):
        for what, values in zip(("measurement", "choice"), timed(configs, num_trials), strict=True):
            low, high = min(values), max(values)
            print(f"{name:<10}{what:<14}{statistics.median(values):8.2f} ms ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
