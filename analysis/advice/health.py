"""Checks before a reader trusts a sweep, each with its result as a sentence. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frontier.frontier import frontier_points
from analysis.published.sweep_results import SweepResults
from analysis.results.chance import LEARNED_NOTHING, candidates, learned
from analysis.results.settings import half_interval, pooled_deviation, pooled_freedom, was_trained
from trainers.errors import counted

LAST_SHARE = 0.1
"""Share of epochs at the end of a training in which top-1 should rise little."""
RISING = 0.5
"""Points of top-1: a training that gains more in its last epochs has not converged."""
EDGES = ("width_mult", "resolution")


@dataclass(frozen=True)
class Check:
    """Result of a check."""

    title: str
    passed: bool | None
    """Whether the sweep passes; None where the data cannot tell."""
    text: str


def health_checks(results: SweepResults) -> list[Check]:
    """Run all checks of a sweep."""
    checks: Sequence[Callable[[SweepResults], Check]] = (_learning, _edge, _convergence, _noise, _failures)
    if len(results.points) and not was_trained(results.points):
        checks = (_edge,)  # how others trained is not known
    return [check(results) for check in checks]


def _learning(results: SweepResults) -> Check:
    """Check that every network is better than always answering the most frequent class."""
    title = "Every network learned something"
    complete = results.settings.loc[results.settings["state"] == "COMPLETE"]
    if complete.empty:
        return Check(title, None, "No point is complete yet.")
    if complete["majority_top1"].isna().all():
        return Check(title, None, "The log does not hold the share of the most frequent class.")
    idle = complete.loc[~learned(complete)]
    if idle.empty:
        return Check(title, True, "Each is better than always answering the most frequent class.")
    share = idle["majority_top1"].max()
    result = f"{len(idle)} of {counted(len(complete), 'setting')} are {LEARNED_NOTHING} ({share:.2f} %)"
    return Check(title, False, f"{result}, and count for nothing here: train longer, or check the learning rate.")


def _edge(results: SweepResults) -> Check:
    """Check that the best network is not the largest of the search space."""
    title = "The space reaches far enough"
    frontier = frontier_points(results.settings)
    if frontier.empty:
        return Check(title, None, "No point is complete yet.")
    swept = [name for name in EDGES if len(set(results.settings[name])) > 1]
    if not swept:
        return Check(title, None, "Neither width nor resolution was swept.")
    best = frontier.sort_values("top1", kind="stable").iloc[-1]
    at_edge = [f"{name} {best[name]:g}" for name in swept if best[name] == results.settings[name].max()]
    if not at_edge:
        return Check(title, True, "The most accurate network is not the largest one that was tried.")
    largest = f"The most accurate network has the largest {' and '.join(at_edge)} that was tried"
    return Check(title, False, f"{largest}: larger ones may be more accurate still.")


def _convergence(results: SweepResults) -> Check:
    """Check that trainings no longer rise at their end."""
    title = "Trainings had converged"
    complete = results.points.loc[candidates(results.points), "point"]
    late_gains = (_late_gain([m.top1 for m in results.curves.get(point, ())]) for point in complete)
    gains = [gain for gain in late_gains if gain is not None]
    if not gains:
        return Check(title, None, "No training has two epochs to compare.")
    rising = sum(gain > RISING for gain in gains)
    result = f"{rising} of {len(gains)} trainings gained more than {RISING} points in the last tenth of their epochs"
    return Check(title, rising == 0, f"{result}{'; more epochs may change the order.' if rising else '.'}")


def _late_gain(top1: Sequence[float]) -> float | None:
    """What the best of the last tenth of epochs, the last one at least, is above the best before; None of one epoch."""
    late = max(1, round(LAST_SHARE * len(top1)))
    return max(top1[-late:]) - max(top1[:-late]) if len(top1) > 1 else None


def _noise(results: SweepResults) -> Check:
    """Check that neighbours on the frontier differ by more than the seeds' noise."""
    title = "Neighbours on the frontier differ by more than the seeds' noise"
    close = num_gaps = 0
    for _, rows in results.settings.groupby("dataset"):
        frontier, half = frontier_points(rows), half_interval(pooled_deviation(rows), pooled_freedom(rows))
        if not np.isnan(half):
            close, num_gaps = close + _close_gaps(frontier, half), num_gaps + len(frontier) - 1
    if not num_gaps:
        return Check(title, None, "No neighbours with several seeds; `promote` trains the best networks again.")
    result = f"{close} of {counted(num_gaps, 'gap')} lie within the 95 % interval of the seeds' noise"
    return Check(title, close == 0, f"{result}{'; more seeds would tell.' if close else '.'}")


def _close_gaps(frontier: pd.DataFrame, half: float) -> int:
    """Count the gaps within the noise; `half` is half the 95 % interval of the mean of one seed."""
    top1, variance = frontier["top1"].to_numpy(dtype=float), 1 / frontier["num_seeds"].to_numpy(dtype=float)
    return int((np.diff(top1) <= half * np.sqrt(variance[1:] + variance[:-1])).sum())


def _failures(results: SweepResults) -> Check:
    """Check that no point failed."""
    title = "Every training ended well"
    failed = results.points.loc[results.points["state"] == "FAILED", "reason"].fillna("no reason").astype(str)
    if failed.empty:
        return Check(title, True, "None failed.")
    reason, times = Counter(failed).most_common(1)[0]
    return Check(title, False, f"{len(failed)} failed and count for nothing above, most often ({times}): {reason}")
