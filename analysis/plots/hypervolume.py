"""The hypervolume of the complete points after each ended point and after each hour of training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.frontier.pareto import hypervolume_over_time
from analysis.plots.cells import Array
from analysis.plots.sheet import Texts, label_axes, sheet, texts_of
from analysis.published.sweep_results import SweepResults

MOST = 0.9
"""The share that the subtitle says was reached when."""


@dataclass(frozen=True, kw_only=True)
class HypervolumeInfo:
    """Content of the chart: (n + 1,) each, for 0 to n ended points."""

    texts: Texts
    share: Array
    """Of the final hypervolume, from 0 to 1."""
    hours: Array
    """Hours of training until then."""

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per number of ended points, from 0."""
        return pd.DataFrame({"ended_points": range(len(self.share)), "hours": self.hours, "share": self.share})


def info(results: SweepResults) -> HypervolumeInfo | None:
    """Return the content of the chart; None where the COMPLETE points span no hypervolume, for several datasets and
    for published networks.

    The hypervolume is that of log10 MACs and top-1, from a reference at twice the MACs of the largest and at the top-1
    of the worst COMPLETE point. Points count in the order in which they ended; only COMPLETE ones add to it.
    """
    points = results.points.sort_values("ended_at", kind="stable", na_position="first")  # run again: not where it was
    complete = points["state"] == "COMPLETE"
    if len(set(points.loc[complete, "dataset"])) != 1 or not len(points["ended_at"].dropna()):
        return None  # published networks end at no time
    macs = points["macs"].where(complete).to_numpy(dtype=float)
    top1 = points["top1"].where(complete).to_numpy(dtype=float)
    most_macs, least_top1 = 2 * float(np.nanmax(macs)), float(np.nanmin(top1))
    volumes = np.r_[0.0, hypervolume_over_time(np.log10(macs), top1, (np.log10(most_macs), least_top1))]
    if volumes[-1] == 0:
        return None
    share = volumes / volumes[-1]
    seconds = points["train_seconds"].where(points["reused_from"].isna()).astype(float).fillna(0)
    hours = np.r_[0.0, seconds.cumsum() / 3600]
    enough = int((share >= MOST).argmax())
    reached = f"{enough} of {len(points)} points and {hours[enough]:.3g} of {hours[-1]:.3g} hours of training"
    return HypervolumeInfo(
        texts=texts_of(
            results,
            f"{100 * MOST:.0f} % of the hypervolume after {reached}",
            f"Of log10 MACs and top-1, from the reference {most_macs / 1e6:.4g} M MACs (twice the most) and "
            f"{least_top1:.2f} % (the lowest)",
            "Only complete points add to it · hours: of all points but those taken over, one after the other",
        ),
        share=share,
        hours=hours,
    )


def draw(chart: HypervolumeInfo) -> Figure:
    """Draw the chart as a figure."""
    with sheet(chart.texts) as figure:
        left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.08})
        for axes, x_label, x in (
            (left, "Ended points", np.arange(len(chart.share))),
            (right, "Hours of training", chart.hours),
        ):
            label_axes(axes, x_label, "" if axes is right else "Hypervolume (share of the final one)")
            axes.step(x, chart.share, where="post", color=style.SINGLE, linewidth=1.6, clip_on=False)
            axes.set(xlim=(0, 1.03 * x[-1] or 1), ylim=(0, 1.03))
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure
