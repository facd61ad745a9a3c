"""The predicted cost of a sweep, and the trials that its budgets allow."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.config import SweepConfig
from sweep.forecast.prediction import Prediction, cut_text, within_budget
from sweep.forecast.timings import predict_on
from sweep.forecast.trial_resources import Machine
from sweep.plan.left import Left
from sweep.plan.trials import PlannedTrial
from trainers.errors import ConfigError, byte_size
from trainers.files import nearest_folder


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The predicted cost of a sweep, and the trials that a budget leaves out."""

    prediction: Prediction
    cut: Sequence[PlannedTrial]
    """The trials that a budget leaves out, the shortest first."""
    seconds: float
    """Predicted wall-clock seconds of the allowed trials; 0 if no trial is left to run."""
    text: str
    """Up to one line each for cost, disk space and trials left out; "" if nothing is left to train."""
    timing_seconds: float
    """Seconds that the timing of networks took; no budget counts them."""

    @property
    def cut_ids(self) -> set[str]:
        """The ids of the points that a budget leaves out."""
        return {point.id for trial in self.cut for point in trial.points}


def forecast(
    left: Left, machine: Machine, *, announce: Callable[[str], None], may_time: bool = True
) -> Forecast | None:
    """Predict the cost of the points that no sweep has trained, on `machine`, if all of them train to their last epoch.

    Returns None, with the reason passed to `announce`, if no prediction is possible. That includes networks without a
    timing where `may_time` is false and no budget is set. `announce` also receives a line before networks are timed.

    Raises:
        ConfigError: a budget allows no point, or a budget is set but nothing can be predicted.
    """
    start, plan, config = time.monotonic(), left.plan, left.plan.config
    has_budget = config.time_budget or config.max_device_hours
    candidates = [PlannedTrial.alone(point) for point in plan.candidates]
    try:
        prediction = predict_on(
            machine,
            config,
            candidates or plan.trials,
            epochs_done={id_: len(measurements) for id_, measurements in left.history.items()},
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
    """Return `number` of `trials`, evenly spread from the shortest to the longest; trials repeat if there are fewer."""
    ascending = sorted(trials, key=prediction.trial_seconds)
    return [ascending[(2 * i + 1) * len(trials) // (2 * number)] for i in range(number)]


def free_bytes(folder: Path) -> int:
    """Return the free disk space for a folder, which need not exist yet."""
    return shutil.disk_usage(nearest_folder(folder)).free


def deadline(config: SweepConfig, predicted: Forecast | None, started_at: float) -> float | None:
    """Return the time on the monotonic clock at which the time budget is over; None without a budget.

    The budget began at `started_at`, on the monotonic clock, and does not count the timing of networks.
    """
    if config.time_budget is None:
        return None
    return started_at + (predicted.timing_seconds if predicted else 0.0) + config.time_budget
