"""How much of the variance of top-1 each swept setting explains."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import style
from analysis.plots.cells import Array, complete_settings, spaced
from analysis.plots.sheet import Texts, label_axes, sheet, texts_of
from analysis.published.sweep_results import SweepResults
from analysis.results.settings import SAME, was_trained

LEAST_SETTINGS, LEAST_VARYING = 8, 3
MOST_SETTINGS = 1000
"""More are thinned evenly: the forests take two seconds of these."""
MOST_BARS = 14
NUM_TREES, NUM_FOLDS, NUM_PERMUTATIONS = 100, 5, 10


@dataclass(frozen=True, kw_only=True)
class ImportanceInfo:
    """Content of the chart; the most important setting first."""

    texts: Texts
    names: tuple[str, ...]
    shares: Array
    """Of the variance of top-1, from 0 to about 1; they add up to more than 1 where settings act together."""

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per setting."""
        return pd.DataFrame({"setting": self.names, "share": self.shares})


def info(results: SweepResults) -> ImportanceInfo | None:
    """Return the content of the chart; None for several datasets and for published networks.

    None also where fewer than three fields vary, which the chart of width and resolution shows better, and for fewer
    than eight COMPLETE settings.
    """
    all_complete = complete_settings(results)
    complete: pd.DataFrame = all_complete.iloc[spaced(len(all_complete), MOST_SETTINGS)]
    of_all = f" of {len(all_complete)}" if len(all_complete) > len(complete) else ""
    names = [name for name in SAME if len(set(complete[name].astype(str))) > 1]
    top1 = complete["top1"].to_numpy(dtype=float)
    if len(complete) < LEAST_SETTINGS or len(names) < LEAST_VARYING or np.ptp(top1) == 0 or not was_trained(complete):
        return None
    shares, unseen = explained(complete.loc[:, names], top1)
    order = np.argsort(-shares, kind="stable")[:MOST_BARS]
    return ImportanceInfo(
        texts=texts_of(
            results,
            f"What decides top-1, over {len(complete)}{of_all} complete settings",
            "The share of top-1's variance that goes with a setting, alone or together with others: "
            "half of the R² that a random forest",
            "loses when the setting is permuted, on settings that it was not fitted to "
            f"({NUM_TREES} trees, {NUM_FOLDS} folds), where its R² is {unseen:.2f}",
        ),
        names=tuple(names[i] for i in order),
        shares=shares[order],
    )


def explained(settings: pd.DataFrame, top1: Array) -> tuple[Array, float]:
    """The share of the variance of top-1 (n,) that each column of settings (n, k) explains, and R²; n at least 8.

    A random forest is fitted to the settings by rank, which is all that trees look at; text ranks by the alphabet,
    unset values come first. Half of what R² loses when a column is permuted is the column's total effect, interactions
    included (Jansen, Computer Physics Communications 117, 1999). Each setting is predicted by the forest of a fold that
    was not fitted to it: noise that is learnt by heart explains nothing. Same table, same answer.

    Returns:
        (k,) shares, at least 0, and R², at most 1.
    """
    ranks = np.stack([pd.factorize(settings[name], sort=True)[0] for name in settings], axis=1)
    error = _error_of_forests(ranks, top1)
    least = error(ranks[None])
    random = np.random.default_rng(0)
    stays = 1 / len(top1)  # the chance that a permutation leaves a setting where it is
    losses = np.zeros(ranks.shape[1])
    for column in range(len(losses)):
        tables = np.repeat(ranks[None], NUM_PERMUTATIONS, axis=0)
        random.permuted(tables[..., column], axis=1, out=tables[..., column])
        losses[column] = (error(tables) - least) / (1 - stays)
    variance = float(top1.var())
    return np.maximum(losses / 2 / variance, 0.0), 1 - least / variance


def _error_of_forests(ranks: NDArray[np.int64], top1: Array) -> Callable[[NDArray[np.int64]], float]:
    """The mean squared error over tables like `ranks` (t, n, k), each row predicted by the forest not fitted to it."""
    from sklearn.ensemble import RandomForestRegressor  # takes seconds to import
    from sklearn.model_selection import KFold

    folds = [
        (test, RandomForestRegressor(NUM_TREES, random_state=0).fit(ranks[train], top1[train]))
        for train, test in KFold(NUM_FOLDS, shuffle=True, random_state=0).split(ranks)
    ]

    def error(tables: NDArray[np.int64]) -> float:
        num, _, num_columns = tables.shape
        predictions = np.empty((num, len(top1)))
        for test, forest in folds:
            predictions[:, test] = forest.predict(tables[:, test].reshape(-1, num_columns)).reshape(num, -1)
        return float(((predictions - top1) ** 2).mean())

    return error


def draw(chart: ImportanceInfo) -> Figure:
    """Draw the chart as a figure."""
    with sheet(chart.texts, size=(style.SIZE[0], 1.9 + 0.3 * len(chart.names))) as figure:
        axes = figure.add_subplot()
        label_axes(axes, "Share of the variance of top-1 (%)", "")
        axes.grid(visible=False, axis="y")
        bars = axes.barh(chart.names, 100 * chart.shares, color=style.SINGLE, height=0.65)
        axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=style.LABEL, color=style.INK)
        axes.tick_params(axis="y", labelcolor=style.INK, length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, max(100.0, 110 * chart.shares.max()))
        return figure
