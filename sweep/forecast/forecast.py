"""The cost of a sweep before it starts, and the trials that its budgets allow."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.config import SweepConfig
from sweep.forecast.machine import Machine
from sweep.forecast.prediction import Prediction, cut_text, within_budget
from sweep.forecast.timings import predict_on
from sweep.plan.left import Left
from sweep.plan.trials import PlannedTrial
from trainers.errors import ConfigError, byte_size
from trainers.files import nearest_folder


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A prediction, and what the budgets make of it."""

    prediction: Prediction
    cut: Sequence[PlannedTrial]
    """The trials that a budget leaves out, from the shortest on."""
    seconds: float
    """Predicted wall-clock of the trials that it allows; 0 where none are left to run."""
    text: str
    """The cost of what is left to train, and what is left out: a line each, or none."""
    timing_seconds: float
    """Time that it took to time networks, which no budget counts."""

    @property
    def cut_ids(self) -> set[str]:
        """The ids of the points that a budget leaves out."""
        return {point.id for trial in self.cut for point in trial.points}


def forecast(
    left: Left, machine: Machine, *, announce: Callable[[str], None], may_time: bool = True
) -> Forecast | None:
    """Predict the cost of what no sweep has trained yet, on `machine` and if every point trains to its end.

    None where that cannot be predicted, or only with timing networks although `may_time` is false and no budget needs
    it; `announce` is told why, and when networks are timed.

    Raises:
        ConfigError: a budget allows no point, or there is one and nothing can be predicted.
    """
    start, plan, config = time.monotonic(), left.plan, left.plan.config
    has_budget = config.time_budget or config.max_device_hours
    candidates = [PlannedTrial.alone(point) for point in plan.candidates]
    try:
        prediction = predict_on(
            machine,
            config,
            candidates or plan.trials,
            epochs_done={id_: len(measured) for id_, measured in left.history.items()},
            longest_first=plan.scheduler.longest_first,
            announce=announce if may_time or has_budget else None,
        )
    except ConfigError as error:
        if has_budget:
            raise
        announce(f"no prediction: {error}")
        return None
    allowed, cut = within_budget(left.to_train, prediction, config)
    trials = [*allowed, *_spread(candidates, prediction, left.num_proposals)]
    lines = [_cost_line(trials, prediction, left)] if trials else []
    free, needed = free_bytes(plan.folder), prediction.checkpoint_bytes(trials)
    if needed > free:
        lines.append(
            f"warning: checkpoints will take {byte_size(needed)}, and {byte_size(free)} are free for {plan.folder}"
        )
    if cut:
        lines.append(cut_text(cut, sum(len(trial.points) for trial in left.to_train), config))
    return Forecast(
        prediction=prediction,
        cut=cut,
        seconds=prediction.seconds(trials),
        text="\n".join(lines),
        timing_seconds=time.monotonic() - start,
    )


def _cost_line(trials: Sequence[PlannedTrial], prediction: Prediction, left: Left) -> str:
    notes = ["if the points are chosen evenly"] if left.num_proposals else []
    notes += ["less where trials are stopped early"] if left.plan.scheduler.stops_early else []
    return "; ".join([prediction.line(trials), *notes])


def _spread(trials: Sequence[PlannedTrial], prediction: Prediction, number: int) -> list[PlannedTrial]:
    """So many of `trials`, evenly from the shortest to the longest; some of them twice if there are few."""
    ascending = sorted(trials, key=prediction.trial_seconds)
    return [ascending[(2 * i + 1) * len(trials) // (2 * number)] for i in range(number)]


def free_bytes(folder: Path) -> int:
    """The disk that is free for a folder, which need not be there yet."""
    return shutil.disk_usage(nearest_folder(folder)).free


def deadline(config: SweepConfig, made: Forecast | None, started_at: float) -> float | None:
    """The time of the monotonic clock at which the time budget is over; None without a budget.

    The budget began at `started_at`, on the same clock, and does not count the timing of networks.
    """
    if config.time_budget is None:
        return None
    return started_at + (made.timing_seconds if made else 0.0) + config.time_budget
