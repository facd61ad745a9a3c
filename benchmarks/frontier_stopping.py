"""The cost and the results of early stopping: this project's `frontier` beside Ray's ASHA, Optuna's pruners and MOASHA.

    uv run benchmarks/frontier_stopping.py [--seeds 40]
    uv run benchmarks/frontier_stopping.py --real runs/GRID [runs/GRID ...]

The first command replays synthetic curves over a published table: the 22 MobileNetV2 networks of TF-slim x 4 settings,
0, 1.5, 4 and 8 points worse, top-1 a (1 - 0.75 exp(-4 t / 27)) with noise of 0.35 points, on 8 workers. `same`: one
setting is best at all widths; `drift`: the best setting moves from the first at the narrowest width to the last at the
widest; `rotate`: neighbouring widths have different best settings. Reported: how many of the 17 networks on the
frontier finish with their best setting, how many of the 6 below 60 M MACs, and the share of the full grid's epochs x
MACs.

The second command replays the measurements of a whole grid (a sweep with `--scheduler fifo` whose points all finished)
on 2 workers. Reported: hypervolume of the finished points, over log2 of the MACs and above a constant guess, as a share
of the full grid's, and the share of epochs x MACs.

All rules see equal curves. Peers are run in two orders, random and cheapest network first; ours chooses its own order.
"""

import argparse
import heapq
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

import numpy as np
import optuna

from analysis.frontier.pareto import pareto_mask, step_line
from analysis.published.tables import load_cells
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from analysis.results.read import config_of_row, latest_rows, load_measurements
from sweep.choose.schedulers import Asha, Fifo, Frontier, Scheduler
from trainers.config import TrainConfig
from trainers.models.cost import cost
from trainers.datasets.dataset import Dataset
from trainers.datasets.registry import load_dataset
from trainers.trial import Measurement, Point

EPOCHS, NOISE, GAPS = 27, 0.35, (0.0, 1.5, 4.0, 8.0)
SMALL = 60e6
"""MACs of the small networks."""


@dataclass(frozen=True)
class Case:
    """The points, each with its whole curve: top-1 by epoch."""

    points: list[PlannedPoint]
    curves: dict[str, list[float]]
    wanted: set[str]
    """The points that should finish: the best setting of each network on the frontier."""


def replayed(mode: str, seed: int) -> Case:
    """Return the published networks with four settings each."""
    generator = np.random.default_rng(seed)
    dataset = like_imagenet()
    cells = load_cells("tf_slim")
    cells = cells.loc[cells["model"] == "mobilenet_v2"].reset_index(drop=True)
    on_frontier = pareto_mask(cells["macs"], cells["top1"])
    widths = sorted(set(cells["width_mult"]))
    points: list[PlannedPoint] = []
    curves: dict[str, list[float]] = {}
    wanted: set[str] = set()
    for row, on in zip(cells.itertuples(), on_frontier, strict=True):
        for setting in range(4):
            config = TrainConfig(
                width_mult=float(row.width_mult),  # type: ignore[arg-type]
                resolution=int(row.resolution),  # type: ignore[arg-type]
                num_classes=1000,
                epochs=EPOCHS,
                lr=0.01 * 2**setting,
            )
            point = planned(f"{row.Index}-{setting}", config, dataset)
            gap = GAPS[rank(setting, widths.index(row.width_mult), len(widths), mode)]
            t = np.arange(1, EPOCHS + 1)
            curve = (row.top1 - gap) * (1 - 0.75 * np.exp(-4 * t / EPOCHS)) + generator.normal(0, NOISE, EPOCHS)
            points.append(point)
            curves[point.id] = curve.tolist()
            if on and gap == 0:
                wanted.add(point.id)
    return Case(points, curves, wanted)


def rank(setting: int, width: int, num_widths: int, mode: str) -> int:
    """Return the rank of a setting, 0 for the best, at a width given by its rank, 0 for the narrowest."""
    if mode == "same":
        return setting
    if mode == "rotate":
        return (setting - width) % len(GAPS)
    best = round((len(GAPS) - 1) * width / (num_widths - 1))
    return sorted(range(len(GAPS)), key=lambda other: (abs(other - best), other)).index(setting)


def recorded(folder: Path) -> Case:
    """Return the measurements of a whole grid."""
    rows, measurements = latest_rows(folder), load_measurements(folder)
    unfinished = [id_ for id_, row in rows.items() if row["state"] != "COMPLETE"]
    if unfinished or not rows:
        sys.exit(f"{folder}: {len(unfinished)} of {len(rows)} points did not finish; sweep with --scheduler fifo")
    configs = {id_: config_of_row(row) for id_, row in rows.items()}
    points = [planned(id_, config, load_dataset(config.data)) for id_, config in configs.items()]
    curves = {id_: [m.top1 for m in measurements[id_]] for id_ in rows}
    return Case(points, curves, set())


def planned(name: str, config: TrainConfig, dataset: Dataset) -> PlannedPoint:
    point = Point(id=name, config=config, folder=Path(name))
    return PlannedPoint(point=point, cost=cost(config), dataset=dataset, label=name)


def like_imagenet() -> Dataset:
    """Return a dataset with ImageNet's number of validation images; nothing else of it is read."""
    digits = load_dataset("digits")
    val = replace(digits.splits["val"], labels=np.zeros(50_000, dtype=np.int64))
    return replace(digits, splits={**digits.splits, "val": val})


class Rule(Protocol):
    """The calls of a scheduler that stop points, which all contestants have."""

    def add(self, point: PlannedPoint) -> None: ...

    def choose(self, waiting: Sequence[PlannedPoint]) -> PlannedPoint: ...

    def stops(self, measurement: Measurement) -> bool: ...


class Ours:
    """A scheduler of this project."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def add(self, point: PlannedPoint) -> None:
        self._scheduler.add(point, [], None)

    def choose(self, waiting: Sequence[PlannedPoint]) -> PlannedPoint:
        [point] = self._scheduler.choose(list(map(PlannedTrial.alone, waiting))).points
        return point

    def stops(self, measurement: Measurement) -> bool:
        stopped = self._scheduler.measured(measurement) is not None
        if stopped:
            self._scheduler.ended(measurement.point, "PRUNED")
        return stopped


class InOrder:
    """Takes points in their order; the base of the peers."""

    def add(self, point: PlannedPoint) -> None:
        pass

    def choose(self, waiting: Sequence[PlannedPoint]) -> PlannedPoint:
        return waiting[0]


class RayAsha(InOrder):
    """Ray Tune's own AsyncHyperBandScheduler on top-1."""

    def __init__(self) -> None:
        self._scheduler = Asha()

    def add(self, point: PlannedPoint) -> None:
        self._scheduler.add(point, [], None)

    def stops(self, measurement: Measurement) -> bool:
        return self._scheduler.measured(measurement) is not None


class OptunaPruner(InOrder):
    """A pruner of Optuna, in a study of one objective, as studies of several have no pruners."""

    def __init__(self, pruner: optuna.pruners.BasePruner) -> None:
        self._study = optuna.create_study(direction="maximize", pruner=pruner)
        self._trials: dict[str, optuna.Trial] = {}
        self._epochs: dict[str, int] = {}

    def add(self, point: PlannedPoint) -> None:
        self._epochs[point.id] = point.config.epochs

    def choose(self, waiting: Sequence[PlannedPoint]) -> PlannedPoint:
        self._trials[waiting[0].id] = self._study.ask()
        return waiting[0]

    def stops(self, measurement: Measurement) -> bool:
        trial = self._trials[measurement.point]
        trial.report(measurement.top1, measurement.epoch)
        stopped = trial.should_prune()
        if stopped:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif measurement.epoch == self._epochs[measurement.point]:
            self._study.tell(trial, measurement.top1)
        return stopped


class Moasha(InOrder):
    """Multi-objective ASHA (arXiv:2106.12639), after its idea: at rungs 1, 3, 9, ... keep the best third by
    non-dominated rank over top-1 and MACs, and within a rank the points farthest from the points kept before."""

    def __init__(self, factor: int = 3) -> None:
        self._factor = factor
        self._macs: dict[str, float] = {}
        self._rungs: dict[int, dict[str, float]] = {}

    def add(self, point: PlannedPoint) -> None:
        self._macs[point.id] = math.log2(point.cost.macs)

    def stops(self, measurement: Measurement) -> bool:
        exponent = math.log(measurement.epoch, self._factor)
        if abs(exponent - round(exponent)) > 1e-9:
            return False
        rung = self._rungs.setdefault(measurement.epoch, {})
        rung[measurement.point] = measurement.top1
        if len(rung) < self._factor:
            return False
        return measurement.point not in self._ranked(rung)[: math.ceil(len(rung) / self._factor)]

    def _ranked(self, rung: dict[str, float]) -> list[str]:
        left = list(rung)
        ranked: list[str] = []
        scale = max(rung.values()) - min(rung.values()) or 1.0
        place = {id_: np.array([self._macs[id_] / 6, rung[id_] / scale]) for id_ in rung}
        while left:
            mask = pareto_mask([self._macs[id_] for id_ in left], [rung[id_] for id_ in left])
            front = [id_ for id_, on in zip(left, mask, strict=True) if on]
            left = [id_ for id_, on in zip(left, mask, strict=True) if not on]
            while front:
                farthest = max(
                    front, key=lambda id_: min((float(np.abs(place[id_] - place[k]).sum()) for k in ranked), default=0)
                )
                ranked.append(farthest)
                front.remove(farthest)
        return ranked


PEERS: dict[str, Callable[[], Rule]] = {
    "Ray ASHA, factor 3": RayAsha,
    "Optuna MedianPruner": lambda: OptunaPruner(optuna.pruners.MedianPruner()),
    "Optuna PercentilePruner 25 %": lambda: OptunaPruner(optuna.pruners.PercentilePruner(25.0)),
    "Optuna SuccessiveHalvingPruner": lambda: OptunaPruner(optuna.pruners.SuccessiveHalvingPruner(1, 3)),
    "Optuna HyperbandPruner": lambda: OptunaPruner(optuna.pruners.HyperbandPruner(1, "auto", 3)),
    "MOASHA, factor 3": Moasha,
}


@dataclass(frozen=True)
class Run:
    """The result of one rule in one case."""

    finished: set[str]
    spent: float
    """Share of the full grid's epochs x MACs."""
    makespan: float
    """Share of the full grid's time if its workers never waited."""


def run(case: Case, rule: Rule, order: str, seed: int, num_workers: int) -> Run:
    """Train every point on `num_workers`; an epoch takes as long as the network has MACs."""
    waiting = list(case.points)
    np.random.default_rng(seed).shuffle(waiting)  # type: ignore[arg-type]
    if order == "cheapest first":
        waiting.sort(key=lambda point: point.cost.macs)
    for point in waiting:
        rule.add(point)
    running: list[tuple[float, int, PlannedPoint, int]] = []
    finished: set[str] = set()
    now, spent, count = 0.0, 0.0, 0
    while waiting or running:
        while waiting and len(running) < num_workers:
            point = rule.choose(waiting)
            waiting.remove(point)
            heapq.heappush(running, (now + point.cost.macs, count, point, 1))
            count += 1
        now, _, point, epoch = heapq.heappop(running)
        spent += point.cost.macs
        stops = rule.stops(measured(point, epoch, case.curves[point.id][epoch - 1]))
        if epoch == point.config.epochs:
            finished.add(point.id)
        elif not stops:
            heapq.heappush(running, (now + point.cost.macs, count, point, epoch + 1))
            count += 1
    whole = sum(point.cost.macs * point.config.epochs for point in case.points)
    return Run(finished, spent / whole, now * num_workers / whole)


def measured(point: PlannedPoint, epoch: int, top1: float) -> Measurement:
    return Measurement(
        point=point.id, epoch=epoch, lr=0.1, train_loss=1.0, val_loss=1.0, top1=top1, top5=top1, images_per_second=1.0,
        train_seconds=1.0, measured_at=0.0, device="replay",
    )  # fmt: skip


def hypervolume(case: Case, finished: set[str]) -> float:
    """Return the area below the frontier of the finished points over log2 of the MACs, above a constant guess."""
    macs = np.log2([point.cost.macs for point in case.points])
    top1 = np.array([max(case.curves[point.id]) if point.id in finished else np.nan for point in case.points])
    guess = 100 / (case.points[0].config.num_classes or 1)
    corners, values = step_line(macs, top1 - guess)
    end = math.log2(1.05) + float(macs.max())
    return float((np.diff(np.append(corners, end)) * values).sum())


def contestants() -> list[tuple[str, str, Callable[[], Rule]]]:
    peers = [(name, order, build) for name, build in PEERS.items() for order in ("random", "cheapest first")]
    return [
        ("none (fifo)", "longest first", lambda: Ours(Fifo())),
        *peers,
        ("frontier (ours)", "its own", lambda: Ours(Frontier())),
    ]


def spread(values: Sequence[float], digits: int = 1) -> str:
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare_replayed(num_seeds: int) -> None:
    for mode in ("same", "drift", "rotate"):
        print(f"\n{mode}: mean of {num_seeds} seeds (smallest to largest)")
        print(f"{'rule':<32}{'order':<16}{'of 17 finished':<22}{'of 6 small':<20}{'% of MACs':<22}% of time")
        for name, order, build in contestants():
            start = time.monotonic()
            runs = [
                (case, run(case, build(), order, seed, num_workers=8))
                for seed in range(num_seeds)
                for case in [replayed(mode, seed)]
            ]
            kept = [float(len(case.wanted & each.finished)) for case, each in runs]
            small = [
                float(sum(p.cost.macs < SMALL and p.id in case.wanted & each.finished for p in case.points))
                for case, each in runs
            ]
            spent, makespan = ([100 * getattr(each, what) for _, each in runs] for what in ("spent", "makespan"))
            seconds = time.monotonic() - start
            print(
                f"{name:<32}{order:<16}{spread(kept):<22}{spread(small):<20}{spread(spent):<22}"
                f"{statistics.mean(makespan):.0f}  [{seconds:.0f} s]",
                flush=True,
            )


def compare_recorded(folder: Path, num_seeds: int) -> None:
    case = recorded(folder)
    whole = hypervolume(case, {point.id for point in case.points})
    print(f"\n{folder.name}: {len(case.points)} points; mean of {num_seeds} orders (smallest to largest)")
    print(f"{'rule':<32}{'order':<16}{'hypervolume, share':<30}% of MACs")
    for name, order, build in contestants():
        runs = [run(case, build(), order, seed, num_workers=2) for seed in range(num_seeds)]
        volumes = [hypervolume(case, each.finished) / whole for each in runs]
        spent = [100 * each.spent for each in runs]
        print(f"{name:<32}{order:<16}{spread(volumes, 4):<30}{spread(spent)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40, help="repetitions, each with its own noise and order (40)")
    parser.add_argument("--real", nargs="+", type=Path, metavar="FOLDER", help="sweeps of whole grids to replay")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for folder in arguments.real or ():
        compare_recorded(folder, arguments.seeds)
    if not arguments.real:
        compare_replayed(arguments.seeds)


if __name__ == "__main__":
    main()
