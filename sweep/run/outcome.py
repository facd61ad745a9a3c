"""Outcome: how one start of a sweep ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainers.errors import counted, duration

if TYPE_CHECKING:
    from analysis.report.report import Report  # matplotlib and scikit-learn take seconds to import


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one start of a sweep ended."""

    rows: Sequence[Mapping[str, Any]]
    """The row of every ended point of the plan, but for points that were to be trained again and were not reached."""
    num_trained: int
    """Points that ended in this start."""
    num_missing: int
    """Points that were to be trained and have not ended, because the user interrupted or the time was over."""
    ended_by: str
    """What ended the start with points to go: the time budget, failures, or a signal; empty where nothing did."""
    signal: int
    """The number of the signal that ended the start; 0 where none did."""
    seconds: float
    """Wall-clock of the start, without the time that it took to time networks."""
    predicted_seconds: float | None
    """Predicted wall-clock; None where nothing was predicted, or nothing was to be trained."""
    report: "Report | None"
    """The report; None where no point has ended."""
    tracking_error: str | None
    """Why MLflow lacks something, if it does."""

    @property
    def num_failed(self) -> int:
        """Points that failed, in this start or before."""
        return sum(row["state"] == "FAILED" for row in self.rows)

    def summary(self) -> str:
        """One line."""
        if not self.num_trained and not self.num_missing:
            return f"nothing left to train: {counted(len(self.rows), 'point')} ended before, {self.num_failed} failed"
        reused = len(self.rows) - self.num_trained
        again = f", {reused} of them already done" if reused else ""
        taken = f", in {duration(self.seconds)}"
        if self.predicted_seconds is not None and not self.num_missing:
            taken = f"; predicted {duration(self.predicted_seconds)}, took {duration(self.seconds)}"
        return f"{counted(len(self.rows), 'point')} ended{again}, {self.num_failed} failed{taken}"
