"""Settings table: points that differ only in their seed become one row with mean and deviation. Pure.

Charts, pages, frontiers and recommendations all read the table of `by_setting`, with one seed or several.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from trainers.config import TrainConfig, names_of

SAME = names_of(TrainConfig, "network", "schedule", "training")
"""Fields that the points of one setting share, besides images and costs; the place of the images does not count."""
MEANS = ("top1", "top5", "test_top1")
"""Columns that are means over the seeds."""
CONFIDENCE = 0.95
"""Share of intervals that contain the true value."""


def by_setting(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row for each setting, in the order in which their first points ended.

    COMPLETE points that differ only in their seed become one row: the point of the highest top-1 (the network to
    ship), with the means of MEANS. Every other point keeps a row. New columns: `points` and `top1s` (tuples, an entry a
    seed), `num_seeds`, and `sd_top1`, the deviation of top-1 over the seeds (ddof 1; NaN for one seed).
    """
    alone = table["point"].where(table["state"] != "COMPLETE", "")
    shared = [table[name] for name in (*SAME, "dataset", "fingerprint", "macs", "num_params")]
    number = table.groupby([*shared, alone], sort=False, dropna=False).ngroup()
    top1 = table["top1"].astype(float)
    best_first = table.assign(number=number, top1=top1).sort_values("top1", ascending=False, kind="stable")
    best = best_first.drop_duplicates("number").set_index("number").sort_index().rename_axis(None)
    return best.assign(
        **{name: table[name].astype(float).groupby(number).mean() for name in MEANS},
        points=table["point"].groupby(number).agg(tuple),
        top1s=top1.groupby(number).agg(tuple),
        num_seeds=number.groupby(number).size(),
        sd_top1=top1.groupby(number).std(),
    )


def count_points(table: pd.DataFrame) -> Counter[str]:
    """Count the points in each state behind the rows of `by_setting`'s table."""
    counts: Counter[str] = Counter()
    for state, num_seeds in zip(table["state"], table["num_seeds"], strict=True):
        counts[state] += num_seeds
    return counts


def is_replicated(table: pd.DataFrame) -> bool:
    """Whether a setting of `by_setting`'s table has several seeds."""
    return bool((table["num_seeds"] > 1).any())


def was_trained(table: pd.DataFrame) -> bool:
    """Whether the rows are trainings; published networks have no epochs, seed or end."""
    return bool(table[["epochs", "seed", "ended_at"]].notna().to_numpy().any())


def one_seed_each(table: pd.DataFrame) -> bool:
    """Whether `by_setting`'s table has trained, COMPLETE points and no setting with several seeds."""
    complete = table.loc[table["state"] == "COMPLETE"]
    return was_trained(complete) and not is_replicated(table)


def pooled_deviation(table: pd.DataFrame) -> float:
    """Return the pooled standard deviation of top-1 over the seeds of replicated settings; NaN without any."""
    repeated = table.loc[table["num_seeds"] > 1]
    freedom = repeated["num_seeds"].to_numpy(dtype=float) - 1
    squares = freedom * repeated["sd_top1"].to_numpy(dtype=float) ** 2
    return math.sqrt(squares.sum() / freedom.sum()) if len(freedom) else math.nan


def pooled_freedom(table: pd.DataFrame) -> int:
    """Return the degrees of freedom of `pooled_deviation`: seeds less one, summed over the replicated settings."""
    return int(table["num_seeds"].to_numpy(dtype=int).sum()) - len(table)


def half_interval(standard_error: float, freedom: int) -> float:
    """Return half the width of the 95 % interval of a mean or a difference, by Student's t; NaN without freedom.

    Args:
        standard_error: of the mean or the difference, from a pooled deviation.
        freedom: degrees of freedom of the deviation.
    """
    return standard_error * float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) if freedom else math.nan


def with_deviation(row: Mapping[str, Any]) -> str:
    """Write the top-1 of a setting: `90.12`, or `90.12 ± 0.34` for several seeds."""
    return f"{row['top1']:.2f} ± {row['sd_top1']:.2f}" if row["num_seeds"] > 1 else f"{row['top1']:.2f}"
