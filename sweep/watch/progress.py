"""The live view of a sweep: a panel refreshed in place on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from analysis.frontier.pareto import pareto_mask
from analysis.results.chance import has_learned
from sweep.plan.points import PlannedPoint
from trainers.config import network_name
from trainers.errors import counted, duration
from trainers.trial import Measurement

FRONTIER_SHOWN = 8
RUNNING_SHOWN = 8
BAR_CELLS = 24
"""Length of the longest bar of the frontier, in characters."""
SECONDS_BETWEEN_LINES = 30.0
"""Most seconds between two lines without a terminal, as long as epochs end."""


class Progress:
    """A listener that shows counts, running points, the time left and the frontier, while its context is open."""

    def __init__(
        self,
        points: Sequence[PlannedPoint],
        total: int,
        console: Console,
        *,
        num_ended: int,
        earlier: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Prepare the view of one start.

        Args:
            points: the known points to train; other points are yet to be proposed.
            total: number of points of the sweep.
            console: shows the view.
            num_ended: number of points that ended in earlier starts.
            earlier: rows of earlier starts, which the frontier includes.
        """
        self._points = {point.id: point for point in points}
        self._total = total
        self._num_ended = num_ended
        self._rows: list[Mapping[str, Any]] = []
        self._earlier = [row for row in earlier if row["point"] not in self._points]
        self._latest: dict[str, Measurement | None] = {}
        self._epochs = dict.fromkeys(self._points, 0)
        self._work_done = 0.0
        self._epochs_done = 0
        self._started_at: float | None = None
        self._worked_at = 0.0
        self._clock_then = 0.0
        self._printed_at = time.monotonic()
        self._console = console
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, point: PlannedPoint) -> None:
        """Show the point as running."""
        if self._started_at is None:
            self._started_at, self._clock_then = time.monotonic(), time.time()
        self._points[point.id] = point
        self._epochs.setdefault(point.id, 0)
        self._rows = [row for row in self._rows if row["point"] != point.id]  # a stopped point may be revived
        self._latest[point.id] = None

    def measured(self, measurement: Measurement) -> None:
        """Show the point's newest epoch."""
        self._latest[measurement.point] = measurement
        if measurement.epoch > self._epochs[measurement.point]:
            self._epochs[measurement.point] = measurement.epoch
            if measurement.measured_at >= self._clock_then:  # else an earlier start trained the epoch
                self._work_done += self._points[measurement.point].work
                self._epochs_done += 1
                self._worked_at = time.monotonic()
        if time.monotonic() - self._printed_at > SECONDS_BETWEEN_LINES:
            top1 = f"top-1 {measurement.top1:.2f} %"
            self._print_line(f"{self._points[measurement.point].label}: epoch {measurement.epoch}, {top1}")

    def lost(self, point: PlannedPoint, reason: str) -> None:
        """Print that the point waits again."""
        self._latest.pop(point.id, None)
        epoch = self._epochs[point.id]
        self._console.print(f"{point.label} goes on after epoch {epoch}: its process died ({reason})", soft_wrap=True)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Count the point as ended; without a terminal, print a line."""
        self._latest.pop(row["point"], None)
        self._rows.append(row)
        self._print_line(f"{self._describe(row)}{self._best()}")

    def _describe(self, row: Mapping[str, Any]) -> str:
        top1 = f"top-1 {row['top1']:.2f} %" if row["state"] == "COMPLETE" else ""
        outcome = ", ".join(filter(None, [top1, row["reason"]]))
        return f"{row['state']} {self._points[row['point']].label}: {outcome} at {row['macs'] / 1e6:.2f} M MACs"

    def _print_line(self, news: str) -> None:
        """Print counts and news as a line, unless a terminal shows the panel."""
        if not self._console.is_terminal:
            self._printed_at = time.monotonic()
            self._console.print(f"{self._counts()}  {news}", soft_wrap=True)

    def _best(self) -> str:
        best = self._frontier()[-1:]
        return f"  (best: {self._label(best[0])}, {best[0]['top1']:.2f} %)" if best else ""

    def _label(self, row: Mapping[str, Any]) -> str:
        """Return the label of a point; for a point of an earlier start, the name of its network."""
        point = self._points.get(row["point"])
        return point.label if point else network_name(row["model"], row["width_mult"], row["resolution"])

    def _frontier(self) -> list[Mapping[str, Any]]:
        """Return the rows of the points on the frontier of MACs, the cheapest first."""
        rows = (*self._earlier, *self._rows)
        complete = [row for row in rows if row["state"] == "COMPLETE" and has_learned(row)]
        on_frontier = pareto_mask([row["macs"] for row in complete], [row["top1"] for row in complete])
        return sorted((row for row, is_on in zip(complete, on_frontier, strict=True) if is_on), key=lambda r: r["macs"])

    def seconds_left(self) -> float | None:
        """Estimate the seconds left from the work (activations x images) per second of this start, counting down.

        None before the first epoch of this start.
        """
        if not self._work_done or self._started_at is None:
            return None
        then = self._work_left() * (self._worked_at - self._started_at) / self._work_done
        return max(0.0, then - (time.monotonic() - self._worked_at))

    def _work_left(self) -> float:
        ended = {row["point"] for row in self._rows}
        known = [point.work * point.config.epochs for point in self._points.values()]
        num_unknown = self._total - self._num_ended - len(known)
        left = [
            point.work * (point.config.epochs - self._epochs[point.id])
            for point in self._points.values()
            if point.id not in ended
        ]
        return sum(left) + (num_unknown * sum(known) / len(known) if known else 0.0)

    def _counts(self) -> str:
        failed, stopped = (sum(row["state"] == state for row in self._rows) for state in ("FAILED", "PRUNED"))
        done = self._num_ended + len(self._rows) - failed
        left = self.seconds_left()
        eta = f", about {duration(left)} left" if left is not None and self._work_left() else ""
        early = f", {stopped} of them stopped early" if stopped else ""
        return f"{done}/{self._total} done{early}, {len(self._latest)} running, {failed} failed{eta}"

    def _render(self) -> RenderableType:
        total = sum(point.work * point.config.epochs for point in self._points.values())
        bar = ProgressBar(total=total, completed=max(0.0, total - self._work_left()), width=40)
        tables = [table for table in (self._running_table(), self._frontier_table()) if table.row_count]
        basis = [Text(f"estimated from {counted(self._epochs_done, 'epoch')} of this start")] if self._work_done else []
        return Group(Text(self._counts()), Padding(bar, (0, 0, 0, 0)), *basis, *tables)

    def _running_table(self) -> Table:
        devices = sorted({latest.device for latest in self._latest.values() if latest})
        table = Table(f"running on {', '.join(devices)}" if devices else "running", box=None, pad_edge=False)
        for header in ("epoch", "top-1 %", "images/s"):
            table.add_column(header, no_wrap=True)
        for id_, latest in list(self._latest.items())[:RUNNING_SHOWN]:
            epochs = f"{latest.epoch if latest else 0}/{self._points[id_].config.epochs}"
            cells = (f"{latest.top1:.2f}", f"{latest.images_per_second:.0f}") if latest else ("", "")
            table.add_row(self._points[id_].label, epochs, *cells)
        if len(self._latest) > RUNNING_SHOWN:
            table.add_row(f"... and {len(self._latest) - RUNNING_SHOWN} more")
        return table

    def _frontier_table(self) -> Table:
        """Draw the most expensive part of the frontier as bars, the least accurate point first."""
        frontier = self._frontier()[-FRONTIER_SHOWN:]
        table = Table("frontier so far", "M MACs", "top-1 %", "", box=None, pad_edge=False)
        lowest = min((row["top1"] for row in frontier), default=0.0)
        spread = max((row["top1"] for row in frontier), default=0.0) - lowest
        block = "#" if self._console.options.ascii_only else "\u2588"
        for row in frontier:
            cells = 1 + round((BAR_CELLS - 1) * ((row["top1"] - lowest) / spread if spread else 1.0))
            table.add_row(self._label(row), f"{row['macs'] / 1e6:.2f}", f"{row['top1']:.2f}", block * cells)
        return table
