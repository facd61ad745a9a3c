"""What a reader should know before trusting a sweep: each check says what it found, in a sentence. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frontier.frontier import frontier_points
from analysis.published.sweep_results import SweepResults
from analysis.results.settings import half_interval, pooled_deviation, pooled_freedom, was_trained
from trainers.errors import counted

LAST_SHARE = 0.1
"""The last epochs of a training, as a share, over which it should gain little."""
RISING = 0.5
"""Points of top-1: a training that gains more in its last epochs had not converged."""
EDGES = ("width_mult", "resolution")


@dataclass(frozen=True)
class Check:
    """What one check found."""

    title: str
    passed: bool | None
    """None where it cannot be told."""
    text: str


def health_checks(results: SweepResults) -> list[Check]:
    """All checks of a sweep."""
    checks: Sequence[Callable[[SweepResults], Check]] = (_edge, _convergence, _noise, _failures)
    if len(results.points) and not was_trained(results.points):
        checks = (_edge,)  # how others trained is not known
    return [check(results) for check in checks]


def _edge(results: SweepResults) -> Check:
    """Whether larger networks than were tried may be better still."""
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
    """Whether longer training would change the picture."""
    title = "Trainings had converged"
    complete = results.points.loc[results.points["state"] == "COMPLETE", "point"]
    found = (_late_gain([m.top1 for m in results.curves.get(point, ())]) for point in complete)
    gains = [gain for gain in found if gain is not None]
    if not gains:
        return Check(title, None, "No training has two epochs to compare.")
    rising = sum(gain > RISING for gain in gains)
    said = f"{rising} of {len(gains)} trainings gained more than {RISING} points in the last tenth of their epochs"
    return Check(title, rising == 0, f"{said}{'; more epochs may change the order.' if rising else '.'}")


def _late_gain(top1: Sequence[float]) -> float | None:
    """What the best of the last tenth of epochs, the last one at least, is above the best before; None of one epoch."""
    late = max(1, round(LAST_SHARE * len(top1)))
    return max(top1[-late:]) - max(top1[:-late]) if len(top1) > 1 else None


def _noise(results: SweepResults) -> Check:
    """Whether neighbours on the frontier differ by more than luck."""
    title = "Neighbours on the frontier differ by more than the seeds' noise"
    close = num_gaps = 0
    for _, rows in results.settings.groupby("dataset"):
        frontier, half = frontier_points(rows), half_interval(pooled_deviation(rows), pooled_freedom(rows))
        if not np.isnan(half):
            close, num_gaps = close + _close_gaps(frontier, half), num_gaps + len(frontier) - 1
    if not num_gaps:
        return Check(title, None, "No neighbours with several seeds; `promote` trains the best networks again.")
    said = f"{close} of {counted(num_gaps, 'gap')} lie within the 95 % interval of the seeds' noise"
    return Check(title, close == 0, f"{said}{'; more seeds would tell.' if close else '.'}")


def _close_gaps(frontier: pd.DataFrame, half: float) -> int:
    """Return how many gaps between neighbours are noise; `half` is the half interval of a setting of one seed."""
    top1, variance = frontier["top1"].to_numpy(dtype=float), 1 / frontier["num_seeds"].to_numpy(dtype=float)
    return int((np.diff(top1) <= half * np.sqrt(variance[1:] + variance[:-1])).sum())


def _failures(results: SweepResults) -> Check:
    """Whether points are missing from the picture."""
    title = "Every training ended well"
    failed = results.points.loc[results.points["state"] == "FAILED", "reason"].fillna("no reason").astype(str)
    if failed.empty:
        return Check(title, True, "None failed.")
    reason, times = Counter(failed).most_common(1)[0]
    return Check(title, False, f"{len(failed)} failed and count for nothing above, most often ({times}): {reason}")
