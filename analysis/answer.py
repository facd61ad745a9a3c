"""What a report says first: which network to ship for a few budgets, how sure that is, and what was spent. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frontier import frontier_mask
from analysis.markdown import escape, table
from analysis.recommend import Caps, Recommendation, recommend, verdict
from analysis.replicates import count_points, pooled_deviation, with_deviation

MANTISSAS = (1, 2, 5)
MOST_BUDGETS = 6
READ_MORE = "More: report.html, beside this page; in MLflow, among the artifacts."
CONFIDENCE = 1.96
"""Standard errors on either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The network to ship on one dataset."""

    dataset: str
    shipped: Sequence[tuple[float, Recommendation]]
    """Budgets in MACs, ascending, each with what to ship within it; infinity stands for no limit."""
    certainty: str
    """How sure the accuracies are."""
    tellable: float
    """Points of top-1 by which two networks must differ for the validation images to tell them apart; infinity where
    their number is not known."""

    @property
    def has_test(self) -> bool:
        """Whether the networks to ship were tested."""
        return any(not math.isnan(found.best["test_top1"]) for _, found in self.shipped)

    def rows(self) -> list[dict[str, str]]:
        """What to ship, a budget a row."""
        return [
            {
                "budget": _said(limit, found.best["macs"]),
                "network": found.best["name"],
                "top1": with_deviation(found.best),
                "test_top1": "" if math.isnan(found.best["test_top1"]) else f"{found.best['test_top1']:.2f}",
                "macs": f"{found.best['macs'] / 1e6:.2f}",
                "params": f"{found.best['num_params'] / 1e6:.2f}",
                "runner_up": (f"{found.runner_up['name']}: " if found.runner_up else "")
                + verdict(found, self.tellable),
            }
            for limit, found in self.shipped
        ]


def answers(settings: pd.DataFrame, num_val: int | None) -> list[Answer]:
    """The answers for each dataset of `by_setting`'s table that has a COMPLETE setting, by name.

    Args:
        settings: the table.
        num_val: images of the validation split; None where that is not known.
    """
    complete = settings.loc[settings["state"] == "COMPLETE"]
    found: list[Answer] = []
    for dataset, rows in complete.groupby("dataset", sort=True):
        shipped = [(limit, recommend(rows, Caps(max_macs=limit), lambda _: math.nan)) for limit in _budgets(rows)]
        certainty, tellable = _certainty(rows, num_val), tellable_gap(rows, num_val)
        found.append(Answer(dataset=str(dataset), shipped=shipped, certainty=certainty, tellable=tellable))
    return found


def _budgets(settings: pd.DataFrame) -> list[float]:
    """Round numbers of MACs from the cheapest of a frontier to its dearest, a few of them, and infinity."""
    macs = settings.loc[frontier_mask(settings, "macs"), "macs"].to_numpy(dtype=float)
    low, high = float(macs.min()), float(macs.max())
    between = [budget for budget in _round_numbers(low, high) if low <= budget < high]
    step = math.ceil(len(between) / (MOST_BUDGETS - 1)) if between else 1
    return [*between[::-1][::step][::-1], math.inf]


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, ascending, of which the first is at most `low` and the last at least `high`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0**decade for decade in decades for m in MANTISSAS]


def _said(limit: float, macs: float) -> str:
    """A budget, and for infinity the first round one within which the network of so many MACs is."""
    if limit < math.inf:
        return f"{limit / 1e6:g} M"
    return f"≥ {next(budget for budget in _round_numbers(macs, macs) if budget >= macs) / 1e6:g} M"


def tellable_gap(settings: pd.DataFrame, num_val: int | None) -> float:
    """Points of top-1 by which two of the settings must differ for so many images to tell them apart; see `Answer`."""
    return math.sqrt(2) * _sampling_error(settings, num_val)


def _sampling_error(settings: pd.DataFrame, num_val: int | None) -> float:
    """Half the 95 % interval that so many images give the best top-1, in points; infinity where it is not known."""
    if num_val is None:
        return math.inf
    share = settings["top1"].to_numpy(dtype=float).max() / 100
    return 100 * CONFIDENCE * math.sqrt(max(share * (1 - share), 0.25 / num_val) / num_val)


def _certainty(settings: pd.DataFrame, num_val: int | None) -> str:
    if not len(settings["epochs_trained"].dropna()):
        return "Accuracies are those that were published, each of one training; how far another one deviates is unsaid."
    deviation = pooled_deviation(settings)
    if math.isnan(deviation):
        seeds = "Every setting was trained with one seed, so what luck gave is not known: promote the sweep to see it."
    else:
        num_seeds = sorted(number for number in set(settings["num_seeds"]) if number > 1)
        seeds = (
            f"Trained again with another seed, a network's top-1 deviates by {deviation:.2f} points "
            f"(one standard deviation, {'/'.join(map(str, num_seeds))} seeds each)."
        )
    if num_val is None:
        return seeds
    error = _sampling_error(settings, num_val)
    return f"{seeds} {num_val} validation images tell the best top-1 to ± {error:.2f} points (95 %)."


def spent(points: pd.DataFrame) -> str:
    """What the points of a results table took to train, as a sentence; "" where none was trained here."""
    if not len(points["epochs_trained"].dropna()):
        return ""
    states = count_points(points.assign(num_seeds=1))
    counts = ", ".join(f"{number} {state.lower()}" for state, number in sorted(states.items())) or "none"
    own = points.loc[points["reused_from"].isna()]
    reused = f"; {len(points) - len(own)} taken over from other sweeps" if len(own) < len(points) else ""
    hours = np.nansum(own["train_seconds"].to_numpy(dtype=float)) / 3600
    epochs = np.nansum(own["epochs_trained"].to_numpy(dtype=float))
    time = f"{60 * hours:.3g} minutes" if hours < 2 else f"{hours:.3g} hours" if hours < 1000 else f"{hours:,.0f} hours"
    return f"{states.total()} points ({counts}), {epochs:.0f} epochs, {time} of training{reused}."


def answer_page(name: str, found: Sequence[Answer], points: pd.DataFrame) -> str:
    """The answers of the sweep of that name as Markdown, with what was spent and where to read more."""
    lines = [f"# {escape(name)}: which network to ship"]
    for answer in found:
        columns = {"budget": "Budget (MACs)", "network": f"Ship (on {escape(answer.dataset)})", "top1": "Top-1 (%)",
                   **({"test_top1": "Test top-1 (%)"} if answer.has_test else {}), "macs": "MACs (M)",
                   "params": "Params (M)", "runner_up": "Runner-up"}  # fmt: skip
        header = [(text, "---" if key in ("network", "runner_up") else "---:") for key, text in columns.items()]
        lines.append(table(header, [[escape(row[key]) for key in columns] for row in answer.rows()]).rstrip())
        lines.append(f"How sure: {answer.certainty}")
    paid = [f"Spent: {text}"] if (text := spent(points)) else []
    return "\n\n".join([*lines, *([] if found else ["No point is complete yet."]), *paid, READ_MORE]) + "\n"
