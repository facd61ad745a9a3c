"""Answer of a report: the network to ship for a few budgets, its certainty, and the training time. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.advice.recommend import Caps, Recommendation, recommend, verdict
from analysis.frontier.frontier import frontier_mask
from analysis.results.chance import LEARNED_NOTHING, candidates, sampling_error
from analysis.results.settings import count_points, pooled_deviation, was_trained, with_deviation
from trainers.errors import counted

MANTISSAS = (1, 2, 5)
MOST_BUDGETS = 6


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The network to ship on one dataset."""

    dataset: str
    shipped: Sequence[tuple[float, Recommendation]]
    """Budgets in MACs, ascending, each with its recommendation; the last budget is the MACs of the most accurate
    network, which a larger budget does not change."""
    certainty: str
    """Sentences about the noise of the accuracies."""
    num_val: int | None
    """Number of images of the validation split; None where unknown."""

    @property
    def has_test(self) -> bool:
        """Whether a network to ship has a top-1 on the test split."""
        return any(not math.isnan(advice.best["test_top1"]) for _, advice in self.shipped)

    def rows(self) -> list[dict[str, str]]:
        """Return the texts of a table with a row per budget."""
        return [
            {
                "budget": f"{limit / 1e6:g} M" if i < len(self.shipped) else f"≥ {_rounded_up(limit) / 1e6:g} M",
                "network": advice.best["name"],
                "top1": with_deviation(advice.best),
                "test_top1": "" if math.isnan(advice.best["test_top1"]) else f"{advice.best['test_top1']:.2f}",
                "macs": f"{advice.best['macs'] / 1e6:.2f}",
                "params": f"{advice.best['num_params'] / 1e6:.2f}",
                "runner_up": (f"{advice.runner_up['name']}: " if advice.runner_up else "")
                + verdict(advice, self.num_val),
            }
            for i, (limit, advice) in enumerate(self.shipped, 1)
        ]


def answers(settings: pd.DataFrame, num_val: int | None) -> list[Answer]:
    """Return an answer for each dataset of `by_setting`'s table with a candidate, sorted by name.

    Args:
        settings: table of `by_setting`.
        num_val: number of images of the validation split; None where unknown.
    """
    complete = settings.loc[candidates(settings)]
    dataset_answers: list[Answer] = []
    for dataset, rows in complete.groupby("dataset", sort=True):
        shipped = [(macs, recommend(rows, Caps(at_most={"macs": macs}))) for macs in _budgets(rows)]
        certainty = _certainty(rows, num_val) + _left_out(settings.loc[settings["dataset"] == dataset])
        if shipped[-1][1].is_largest and was_trained(rows):
            certainty += " The most accurate network is the largest that was tried: a larger one may be more accurate."
        dataset_answers.append(Answer(dataset=str(dataset), shipped=shipped, certainty=certainty, num_val=num_val))
    return dataset_answers


def _budgets(settings: pd.DataFrame) -> list[float]:
    """Return a few round numbers of MACs from the cheapest setting of the frontier to the dearest, and its MACs."""
    macs = settings.loc[frontier_mask(settings, "macs"), "macs"].to_numpy(dtype=float)
    low, high = float(macs.min()), float(macs.max())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    between = [budget for decade in decades for m in MANTISSAS if low <= (budget := m * 10.0**decade) < high]
    step = math.ceil(len(between) / (MOST_BUDGETS - 1)) if between else 1
    return [*between[::-1][::step][::-1], high]


def _rounded_up(macs: float) -> int:
    """Return the least whole number of three significant digits that is not below `macs`."""
    whole = math.ceil(macs)
    unit = 10 ** max(0, len(str(whole)) - 3)
    return -(-whole // unit) * unit


def no_answer(settings: pd.DataFrame) -> str:
    """Return why there is no network to ship, as a sentence."""
    return _left_out(settings).strip() or "No point is complete yet."


def _left_out(settings: pd.DataFrame) -> str:
    """Return a sentence with the number of COMPLETE points that have learned nothing; "" without any."""
    num_idle = count_points(settings)["COMPLETE"] - count_points(settings.loc[candidates(settings)])["COMPLETE"]
    return f" Left out as {LEARNED_NOTHING}: {counted(num_idle, 'point')}." if num_idle else ""


def _certainty(settings: pd.DataFrame, num_val: int | None) -> str:
    if not len(settings["epochs_trained"].dropna()):
        return "Accuracies are those that were published, each of one training; another one would give another figure."
    deviation = pooled_deviation(settings)
    if math.isnan(deviation):
        seeds = "Every setting was trained with one seed, so how much trainings differ is not known: promote the sweep."
    else:
        num_seeds = sorted(number for number in set(settings["num_seeds"]) if number > 1)
        seeds = (
            f"Trained again with another seed, a network's top-1 deviates by {deviation:.2f} points "
            f"(one standard deviation, {'/'.join(map(str, num_seeds))} seeds each)."
        )
    if num_val is None:
        return seeds
    error = sampling_error(settings["top1"].to_numpy(dtype=float).max(), num_val)
    return f"{seeds} {num_val} validation images tell the best top-1 to ± {error:.2f} points (95 %)."


def spent(points: pd.DataFrame) -> str:
    """Write a sentence with the points, epochs and time of a results table; "" where no point was trained here."""
    if not len(points["epochs_trained"].dropna()):
        return ""
    states = Counter(points["state"])
    counts = ", ".join(f"{number} {state.lower()}" for state, number in sorted(states.items())) or "none"
    own = points.loc[points["reused_from"].isna()]
    reused = f"; {len(points) - len(own)} taken over from other sweeps" if len(own) < len(points) else ""
    hours = np.nansum(own["train_seconds"].to_numpy(dtype=float)) / 3600
    epochs = np.nansum(own["epochs_trained"].to_numpy(dtype=float))
    time = f"{60 * hours:.3g} minutes" if hours < 2 else f"{hours:.3g} hours" if hours < 1000 else f"{hours:,.0f} hours"
    return f"{counted(states.total(), 'point')} ({counts}), {epochs:.0f} epochs, {time} of training{reused}."
