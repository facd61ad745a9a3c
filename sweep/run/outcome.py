"""The outcome of one start of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainers.errors import counted, duration

if TYPE_CHECKING:
    from analysis.report.report import Report  # matplotlib and scikit-learn take seconds to import


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one start of a sweep."""

    rows: Sequence[Mapping[str, Any]]
    """The row of every ended point of the plan, without points that were to be trained again but were not reached."""
    num_trained: int
    """Number of points that ended in this start."""
    num_missing: int
    """Number of points that were to be trained and have not ended."""
    ended_by: str
    """Why the start ended with points to go: the time budget, failures, or a signal; "" if no point was left."""
    signal: int
    """Number of the signal that ended the start; 0 without one."""
    seconds: float
    """Wall-clock seconds of the start, without the timing of networks."""
    predicted_seconds: float | None
    """Predicted wall-clock seconds; None without a prediction or without points to train."""
    report: "Report | None"
    """The report; None if no point has ended."""
    tracking_error: str | None
    """Why MLflow lacks part of the results; None if it lacks nothing."""

    @property
    def num_failed(self) -> int:
        """Number of points that failed, in this start or an earlier one."""
        return sum(row["state"] == "FAILED" for row in self.rows)

    def summary(self) -> str:
        """Return the outcome in one line."""
        if not self.num_trained and not self.num_missing:
            return f"nothing left to train: {counted(len(self.rows), 'point')} ended before, {self.num_failed} failed"
        reused = len(self.rows) - self.num_trained
        again = f", {reused} of them already done" if reused else ""
        time_text = f", in {duration(self.seconds)}"
        if self.predicted_seconds is not None and not self.num_missing:
            time_text = f"; predicted {duration(self.predicted_seconds)}, took {duration(self.seconds)}"
        return f"{counted(len(self.rows), 'point')} ended{again}, {self.num_failed} failed{time_text}"
