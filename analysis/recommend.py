"""Which network to ship within caps, what comes close to it, and what a step more or less would buy. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.frontier import frontier_mask
from analysis.replicates import pooled_deviation, with_deviation
from analysis.results_table import network_name, text_of
from analysis.settings import varying_settings
from trainers.errors import ConfigError

Row = dict[str, Any]
"""A row of `by_setting`'s table and its `name`, column name to value."""
SURE = 2.0
"""A gap of more standard errors than this is more than noise."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What a network may cost, and what it must reach; None where that does not matter."""

    max_macs: float | None = None
    max_params: float | None = None
    max_latency_ms: float | None = None
    min_top1: float | None = None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The setting to ship and those around it. The first two have a `latency_ms` where there is a cap on it."""

    best: Row
    """Within the caps the most accurate, by the mean over its seeds, and of equals the one with fewer MACs; where a
    top-1 must be reached, the one with the fewest MACs."""
    runner_up: Row | None
    """The next within the caps by the same order."""
    min_top1: float | None
    """The top-1 that had to be reached, percent."""
    standard_error: float
    """Of the gap between these two, or between the best and the top-1 to reach: percent points, from the deviation that
    all replicated settings share; NaN where no setting has several seeds."""
    cheaper: Row | None
    """The next on the MACs frontier with fewer MACs than the best, within the caps or not."""
    dearer: Row | None
    """The next on it with more."""


def recommend(table: pd.DataFrame, caps: Caps, latency_ms: Callable[[str], float]) -> Recommendation:
    """The COMPLETE setting to ship within `caps`.

    Args:
        table: that of `by_setting`.
        caps: limits, each inclusive.
        latency_ms: the milliseconds of a point by its id; asked only where there is a cap on them, of the most accurate
            settings first, or of the cheapest where a top-1 must be reached, until two are fast enough.

    Raises:
        ConfigError: no COMPLETE setting is within the caps, or there are several datasets.
    """
    complete = table.loc[table["state"] == "COMPLETE"]
    datasets = sorted(set(complete["dataset"]))
    if not datasets:
        raise ConfigError("there is no complete point yet; run the sweep's command again")
    if len(datasets) > 1:
        raise ConfigError(
            f"the sweep is on {', '.join(datasets)}, whose top-1 cannot be compared; sweep each by itself"
        )
    varied = [name for name in varying_settings(complete) if name != "seed"]
    fitting, within = _within(complete, caps)
    order = {"top1": False, "macs": True} if caps.min_top1 is None else {"macs": True, "top1": False}
    best_first = fitting.sort_values([*order], ascending=[*order.values()], kind="stable")
    if caps.max_latency_ms is None:
        rows = [*_rows(best_first.head(2), varied)]
    else:
        rows = _fast_enough(best_first, varied, caps.max_latency_ms, latency_ms, within)
    best, runner_up = rows[0], rows[1] if len(rows) > 1 else None
    frontier = complete.loc[frontier_mask(complete, "macs")].sort_values("macs", kind="stable")
    cheaper = _rows(frontier.loc[frontier["macs"] < best["macs"]].tail(1), varied)
    dearer = _rows(frontier.loc[frontier["macs"] > best["macs"]].head(1), varied)
    compared = rows if caps.min_top1 is None else rows[:1]
    return Recommendation(
        best=best,
        runner_up=runner_up,
        min_top1=caps.min_top1,
        standard_error=pooled_deviation(complete) * math.sqrt(sum(1 / row["num_seeds"] for row in compared)),
        cheaper=next(cheaper, None),
        dearer=next(dearer, None),
    )


def summary(found: Recommendation, *, replicate: str = "", tellable: float = math.inf) -> list[str]:
    """The recommendation as lines to print.

    `replicate` is the command that trains with several seeds, if one can; `tellable` is as `verdict` has it.
    """
    unknown = math.isnan(found.standard_error)
    advice = f": no setting has several seeds; train them with: {replicate}" if unknown and replicate else ""
    judged = f"           {verdict(found, tellable)}{advice}"
    next_best = _described(found.runner_up) if found.runner_up else "none, nothing else is within the caps"
    lines = [f"ship:      {_described(found.best)}", f"runner-up: {next_best}"]
    if found.min_top1 is not None:
        lines.insert(1, judged)
    elif found.runner_up is not None:
        lines.append(judged)
    for title, row in (("cheaper:", found.cheaper), ("dearer:", found.dearer)):
        if row is not None:
            macs, top1 = (row["macs"] - found.best["macs"]) / 1e6, row["top1"] - found.best["top1"]
            lines.append(f"{title:<11}{row['name']} on the frontier: {macs:+.2f} M MACs, {top1:+.2f} points top-1")
    return lines


def verdict(found: Recommendation, tellable: float = math.inf) -> str:
    """What is known of the gap between the best and the runner-up, or the top-1 that had to be reached.

    Where no setting has several seeds, a gap above `tellable`, points that the number of validation images tells, is
    more than luck with the images, though perhaps not with the seed.
    """
    if found.min_top1 is not None:
        gap, than = found.best["top1"] - found.min_top1, f"above {found.min_top1:g} %"
    elif found.runner_up is not None:
        gap, than = found.best["top1"] - found.runner_up["top1"], "less"
    else:
        return "nothing else is within the caps"
    if math.isnan(found.standard_error):
        return f"{gap:.2f} points {than}{', one training each' if gap > tellable else ', which may be noise'}"
    said = "more than the seeds' noise" if gap > SURE * found.standard_error else "within the seeds' noise"
    return f"{gap:.2f} points {than}: {said} (standard error {found.standard_error:.2f})"


def _described(row: Row) -> str:
    seeds = f" ({row['num_seeds']} seeds)" if row["num_seeds"] > 1 else ""
    latency = f", {row['latency_ms']:.2f} ms" if "latency_ms" in row else ""
    size = f"{row['macs'] / 1e6:.2f} M MACs, {row['num_params'] / 1e6:.3f} M params"
    test = "" if math.isnan(row["test_top1"]) else f" ({row['test_top1']:.2f} % on the test split)"
    return f"{row['name']}, {size}, {with_deviation(row)} % top-1{seeds}{test}{latency}"


def _rows(table: pd.DataFrame, varied: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, each with its network and the settings that tell its rows apart as `name`."""
    for i in range(len(table)):  # not all at once: of thousands of rows few are looked at
        [values] = table.iloc[i : i + 1].to_dict("records")
        row = {str(name): value for name, value in values.items()}
        settings = [f"{name}={text_of(row[name])}" for name in varied]
        yield row | {"name": " ".join([network_name(row["model"], row["width_mult"], row["resolution"]), *settings])}


def _within(complete: pd.DataFrame, caps: Caps) -> tuple[pd.DataFrame, list[str]]:
    """The rows within all caps but that on latency, and these caps as flags."""
    flags: list[str] = []
    for flag, column, limit, unit in (
        ("--max-macs", "macs", caps.max_macs, "M MACs"),
        ("--max-params", "num_params", caps.max_params, "M parameters"),
        ("--min-top1", "top1", caps.min_top1, "% top-1"),
    ):
        if limit is None:
            continue
        values = complete[column].to_numpy(dtype=float)
        least = column == "top1"
        scale, prefix = (1.0, "") if least else (1e6, "M")
        inside = complete.loc[values >= limit if least else values <= limit]
        text = f"{flag} {limit / scale:g}{prefix}"
        if inside.empty:
            nearest = (values.max() if least else values.min()) / scale
            raise _nothing_fits(
                text, len(complete), flags, f"{'best' if least else 'smallest'} has {nearest:.4g} {unit}"
            )
        complete = inside
        flags.append(text)
    return complete, flags


def _fast_enough(
    best_first: pd.DataFrame,
    varied: Sequence[str],
    limit: float,
    latency_ms: Callable[[str], float],
    flags: Sequence[str],
) -> list[Row]:
    """The first two rows that take at most `limit` milliseconds, with their `latency_ms`."""
    found: list[Row] = []
    fastest = math.inf
    for row in _rows(best_first, varied):
        milliseconds = latency_ms(row["point"])
        fastest = min(fastest, milliseconds)
        if milliseconds <= limit:
            found.append(row | {"latency_ms": milliseconds})
        if len(found) == 2:
            break
    if not found:
        raise _nothing_fits(f"--max-latency-ms {limit:g}", len(best_first), flags, f"fastest takes {fastest:.3g} ms")
    return found


def _nothing_fits(flag: str, num: int, within: Sequence[str], nearest: str) -> ConfigError:
    settings = f"settings within {' and '.join(within)}" if within else "complete settings"
    return ConfigError(f"nothing fits: {flag} leaves none of {num} {settings}; the {nearest}")
