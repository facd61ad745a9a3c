"""From points to settings: points that differ by nothing but their seed are one row, with mean and deviation. Pure.

Charts, pages, frontiers and recommendations all read the table of `by_setting`, where a seed was repeated or not.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from analysis.results.schema import SAME

MEANS = ("top1", "top5", "test_top1")
"""The columns that are means over the seeds."""
CONFIDENCE = 0.95
"""Share of intervals that contain the true value."""


def by_setting(table: pd.DataFrame) -> pd.DataFrame:
    """A results table with a row for each setting, in the order in which their first points ended.

    COMPLETE points that differ by nothing but their seed are one row: the one of the highest top-1 (the network to
    ship), with the means of MEANS. Other points keep a row each. New columns: `points` and `top1s` (tuples, an entry a
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
    """How many points in each state `by_setting`'s table stands for."""
    counts: Counter[str] = Counter()
    for state, num_seeds in zip(table["state"], table["num_seeds"], strict=True):
        counts[state] += num_seeds
    return counts


def is_replicated(table: pd.DataFrame) -> bool:
    """Whether a setting of `by_setting`'s table has several seeds."""
    return bool((table["num_seeds"] > 1).any())


def was_trained(table: pd.DataFrame) -> bool:
    """Whether a table's rows are of trainings; of published networks none of this is known."""
    return bool(table[["epochs", "seed", "ended_at"]].notna().to_numpy().any())


def one_seed_each(table: pd.DataFrame) -> bool:
    """Whether there are complete points that were trained in `by_setting`'s table and no setting has several seeds."""
    complete = table.loc[table["state"] == "COMPLETE"]
    return was_trained(complete) and not is_replicated(table)


def pooled_deviation(table: pd.DataFrame) -> float:
    """The deviation of top-1 over seeds that the replicated settings of `by_setting`'s table share; NaN without any."""
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
    """The top-1 of a setting: `90.12`, or `90.12 ± 0.34` where it has several seeds."""
    return f"{row['top1']:.2f} ± {row['sd_top1']:.2f}" if row["num_seeds"] > 1 else f"{row['top1']:.2f}"
