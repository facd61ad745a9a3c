"""What is said of a sweep's cost before it starts, and which points its budgets allow."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.config import SweepConfig
from sweep.forecast.prediction import Prediction, byte_size, said_of_cut, within_budget
from sweep.forecast.timings import Machine, predict_on
from sweep.plan.left import Held
from sweep.plan.plan import PlannedPoint
from trainers.errors import ConfigError
from trainers.files import nearest_folder


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A prediction, and what the budgets make of it."""

    prediction: Prediction
    cut: Sequence[PlannedPoint]
    """The points that a budget leaves out, from the cheapest on."""
    seconds: float
    """Predicted wall-clock of those that it allows; 0 where none are left to train."""
    said: str
    """The cost of the points that are left to train, and of what is left out of them: a line each, or none."""
    timing_seconds: float
    """What it took to make, which no budget counts."""

    @property
    def cut_ids(self) -> set[str]:
        """The ids of the points that a budget leaves out."""
        return {point.id for point in self.cut}


def forecast(
    held: Held,
    found: Iterable[str],
    machine: Machine,
    *,
    announce: Callable[[str], None],
    may_time: bool = True,
) -> Forecast | None:
    """What is missing of a sweep, but for points `found` elsewhere, costs on `machine` if all train to the end.

    None where that cannot be predicted, or only with timing networks and it may not, and no budget needs it; `announce`
    is told why, and when networks are timed.

    Raises:
        ConfigError: a budget allows no point, or there is one and nothing can be predicted.
    """
    start, plan, config = time.monotonic(), held.plan, held.plan.config
    missing, num_proposals = held.missing(found), held.num_proposals
    has_budget = config.time_budget or config.max_device_hours
    try:
        prediction = predict_on(
            machine,
            config,
            plan.points,
            epochs_done={id_: len(measured) for id_, measured in held.history.items()},
            longest_first=held.scheduler != "frontier",
            announce=announce if may_time or has_budget else None,
        )
    except ConfigError as error:
        if has_budget:
            raise
        announce(f"no prediction: {error}")
        return None
    kept, cut = within_budget(missing, prediction, config)
    ids = [*(point.id for point in kept), *_spread(plan.points, prediction, num_proposals)]
    notes = ["if the points are chosen evenly"] if num_proposals else []
    notes += ["less where trials are stopped early"] if held.scheduler != "fifo" else []
    lines = ["; ".join([prediction.line(ids), *notes])] if ids else []
    free = free_bytes(plan.folder)
    if prediction.checkpoint_bytes(ids) > free:
        needed = byte_size(prediction.checkpoint_bytes(ids))
        lines.append(f"warning: checkpoints will take {needed}, and {byte_size(free)} are free for {plan.folder}")
    if cut:
        lines.append(said_of_cut(cut, len(missing), config))
    return Forecast(
        prediction=prediction,
        cut=cut,
        seconds=prediction.seconds(ids),
        said="\n".join(lines),
        timing_seconds=time.monotonic() - start,
    )


def _spread(points: Sequence[PlannedPoint], prediction: Prediction, number: int) -> list[str]:
    """The ids of so many of `points`, evenly from the shortest training to the longest; some twice if they are few."""
    ascending = sorted(points, key=lambda point: prediction.points[point.id].seconds)
    return [ascending[(2 * i + 1) * len(points) // (2 * number)].id for i in range(number)]


def free_bytes(folder: Path) -> int:
    """The disk that is free for a folder, which need not be there yet."""
    return shutil.disk_usage(nearest_folder(folder)).free


def deadline(config: SweepConfig, made: Forecast | None) -> float | None:
    """When the time budget is over, on the clock of `time.monotonic`; None without one."""
    if config.time_budget is None:
        return None
    return time.monotonic() - seconds_alive() + (made.timing_seconds if made else 0.0) + config.time_budget


def seconds_alive() -> float:
    """How long ago this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # field 22, after the boot
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
