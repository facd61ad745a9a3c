"""Which network to ship within caps, what comes close to it, and what a step more or less would buy. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.frontier.frontier import frontier_mask
from analysis.frontier.quantities import ASSESSED, COSTS, Cost
from analysis.results.settings import half_interval, pooled_deviation, pooled_freedom, with_deviation
from analysis.results.varying import text_of, varying_settings
from trainers.config import network_name
from trainers.errors import ConfigError

Row = dict[str, Any]
"""A row of `by_setting`'s table and its `name`, column name to value."""
Assess = Callable[[str, Cost], float]
"""Gives the figure of a point, by its id, for an assessed cost."""
Figures = dict[Cost, dict[str, float]]
"""Assessed figures by cost and point."""
LEAST_MILLIONS = 1e4
"""No network has so few MACs or parameters: a cap below this lacks its M."""
ROOM = 1.2
"""A cap of so many times a network's MACs leaves room for a larger one."""
CONFIDENCE = 1.96
"""Standard errors on either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Limits of a network's costs, and a top-1 that it must reach."""

    at_most: Mapping[Cost, float] = field(default_factory=dict)
    """The highest figure by cost; a cost without a limit is absent."""
    min_top1: float | None = None
    """Percent; None where any top-1 will do."""

    def of(self, *, assessed: bool) -> dict[Cost, float]:
        """The limits of the costs that are assessed, or of those that are counted."""
        return {cost: limit for cost, limit in self.at_most.items() if COSTS[cost].is_assessed == assessed}


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The setting to ship and those around it.

    The first two have the figure of each assessed cost with a cap; the others have it where it was assessed.
    """

    best: Row
    """Within the caps the most accurate, by the mean over its seeds, and of equals the one with fewer MACs; where a
    top-1 must be reached, the one with the fewest MACs, and of equals the most accurate."""
    runner_up: Row | None
    """The next within the caps by the same order; where a top-1 must be reached, the next that is more accurate."""
    min_top1: float | None
    """The top-1 that had to be reached, percent."""
    standard_error: float
    """Standard error of the gap between these two, or between the best and the top-1 to reach: percent points, from the
    pooled deviation of all replicated settings; NaN where no setting has several seeds."""
    freedom: int
    """Degrees of freedom of the pooled deviation; 0 where no setting has several seeds."""
    cheaper: Row | None
    """The next on the MACs frontier, of the settings within the cap on parameters, with fewer MACs than the best."""
    dearer: Row | None
    """The next on it with more; None where that is the runner-up."""
    is_largest: bool
    """Whether the best is the most accurate that there is, and none has more MACs though the caps would allow it."""


def recommend(table: pd.DataFrame, caps: Caps, assess: Assess) -> Recommendation:
    """The COMPLETE setting to ship within `caps`.

    Args:
        table: that of `by_setting`.
        caps: limits, each inclusive.
        assess: gives the figure of an assessed cost of a point; asked only where there is a cap on that cost, of the
            most accurate settings first, or of the cheapest where a top-1 must be reached, until two are within it.

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
    fitting, within = _within(complete, caps, varied)
    order = {"top1": False, "macs": True} if caps.min_top1 is None else {"macs": True, "top1": False}
    rows = _rows(fitting.sort_values([*order], ascending=[*order.values()], kind="stable"), varied)
    figures: Figures = {cost: {} for cost in caps.of(assessed=True)}
    best = next(_within_assessed(rows, caps, assess, figures), None)
    if best is None:
        limits = [f"{COSTS[cost].flag} {limit:g}" for cost, limit in caps.of(assessed=True).items()]
        least = [
            f"least {COSTS[cost].name.lower()} is {_amount(cost, min(known.values()))}"
            for cost, known in figures.items()
        ]
        raise _nothing_fits(" and ".join(limits), len(fitting), within, " and the ".join(least))
    others = (row for row in rows if caps.min_top1 is None or row["top1"] > best["top1"])
    runner_up = next(_within_assessed(others, caps, assess, figures), None)
    params = {cost: limit for cost, limit in caps.at_most.items() if cost == "num_params"}
    small, _ = _within(complete, Caps(at_most=params), varied)
    frontier = small.loc[frontier_mask(small, "macs")].sort_values("macs", kind="stable")
    frontier = frontier.assign(**{cost: frontier["point"].map(known) for cost, known in figures.items()})
    cheaper = _rows(frontier.loc[frontier["macs"] < best["macs"]].tail(1), varied)
    dearer = _rows(frontier.loc[frontier["macs"] > best["macs"]].head(1), varied)
    is_largest = caps.min_top1 is None and best["macs"] == complete["macs"].max() > complete["macs"].min()
    compared = [best, *([runner_up] if runner_up and caps.min_top1 is None else [])]
    return Recommendation(
        best=best,
        runner_up=runner_up,
        min_top1=caps.min_top1,
        standard_error=pooled_deviation(complete) * math.sqrt(sum(1 / row["num_seeds"] for row in compared)),
        freedom=pooled_freedom(complete),
        cheaper=next(cheaper, None),
        dearer=next((row for row in dearer if not runner_up or row["point"] != runner_up["point"]), None),
        is_largest=is_largest and _has_room(best, caps),
    )


def _has_room(best: Row, caps: Caps) -> bool:
    """Whether the caps would allow a larger network than `best`."""
    return all(limit > ROOM * best[cost] for cost, limit in caps.at_most.items())


def summary(found: Recommendation, *, num_val: int | None, replicate: str = "") -> list[str]:
    """The recommendation as lines to print.

    `num_val` is as `verdict` has it; `replicate` is the command that trains with several seeds, if one can.
    """
    advice = f": no setting has several seeds; train them with: {replicate}"
    judged = f"           {verdict(found, num_val)}{advice if replicate and math.isnan(found.standard_error) else ''}"
    lines = [f"ship:      {_described(found.best)}"]
    if found.min_top1 is not None:
        safer = _described(found.runner_up) if found.runner_up else "none, nothing within the caps is more accurate"
        lines += [judged, f"safer:     {safer}"]
    elif found.runner_up is not None:
        lines += [f"runner-up: {_described(found.runner_up)}", judged]
    else:
        lines += [f"runner-up: {verdict(found, num_val)}"]
    for title, row in (("cheaper:", found.cheaper), ("dearer:", found.dearer)):
        if row is not None:
            macs, top1 = (row["macs"] - found.best["macs"]) / 1e6, row["top1"] - found.best["top1"]
            change = f"{macs:+.2f} M MACs, {top1:+.2f} points top-1{_assessed(row)}"
            lines.append(f"{title:<11}{row['name']} on the frontier: {change}")
    if found.is_largest:
        lines.append("note:      nothing here has more MACs than this one; a larger network may be more accurate")
    return lines


def verdict(found: Recommendation, num_val: int | None) -> str:
    """What is known of the gap between the best and the runner-up, or the top-1 that had to be reached.

    A gap is more than the seeds' noise where it lies outside the 95 % interval of two equal settings (Student's t).
    Where no setting has several seeds, a gap that the `num_val` validation images tell (None: unknown, so none) is more
    than their noise, though perhaps not more than that between trainings.
    """
    tellable = sampling_error(found.best["top1"], num_val)
    if found.min_top1 is not None:
        gap, than = found.best["top1"] - found.min_top1, f"above {found.min_top1:g} %"
    elif found.runner_up is not None:
        gap, than = found.best["top1"] - found.runner_up["top1"], "less"
        tellable *= math.sqrt(2)  # both are measured
    else:
        return "none, nothing else is within the caps"
    if math.isnan(found.standard_error):
        said = ": more than the images' noise, but trained once each" if gap > tellable else ", which may be noise"
        return f"{gap:.2f} points {than}{said}"
    noise = half_interval(found.standard_error, found.freedom)
    return f"{gap:.2f} points {than}: {'more than' if gap > noise else 'within'} the seeds' noise (± {noise:.2f})"


def sampling_error(top1: float, num_val: int | None) -> float:
    """Half the 95 % interval that so many validation images give a top-1, in points; infinity where it is not known."""
    if num_val is None:
        return math.inf
    share = top1 / 100
    return 100 * CONFIDENCE * math.sqrt(max(share * (1 - share), 0.25 / num_val) / num_val)


def _described(row: Row) -> str:
    seeds = f" ({row['num_seeds']} seeds)" if row["num_seeds"] > 1 else ""
    size = f"{row['macs'] / 1e6:.2f} M MACs, {row['num_params'] / 1e6:.3f} M params"
    test = "" if math.isnan(row["test_top1"]) else f" ({row['test_top1']:.2f} % on the test split)"
    return f"{row['name']}, {size}, {with_deviation(row)} % top-1{seeds}{test}{_assessed(row)}"


def _assessed(row: Row) -> str:
    figures = {cost: row.get(cost, math.nan) for cost in ASSESSED}
    return "".join(f", {_amount(cost, value, 2)}" for cost, value in figures.items() if not math.isnan(value))


def _amount(cost: Cost, value: float, digits: int | None = None) -> str:
    """A figure with its unit: so many digits after the point, or three in all."""
    figure = value / COSTS[cost].per
    return f"{figure:.3g} {COSTS[cost].unit}" if digits is None else f"{figure:.{digits}f} {COSTS[cost].unit}"


def _rows(table: pd.DataFrame, varied: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, each with its network and the settings that tell its rows apart as `name`."""
    for i in range(len(table)):  # not all at once: of thousands of rows few are looked at
        [values] = table.iloc[i : i + 1].to_dict("records")
        row = {str(name): value for name, value in values.items()}
        settings = [f"{name}={text_of(row[name])}" for name in varied]
        yield row | {"name": " ".join([network_name(row["model"], row["width_mult"], row["resolution"]), *settings])}


def _within(complete: pd.DataFrame, caps: Caps, varied: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """The rows within all caps but those on assessed costs, and these caps as flags."""
    flags, every = list[str](), complete
    counted = caps.of(assessed=False)
    limits = [(COSTS[cost].flag, cost, counted[cost], COSTS[cost].unit) for cost in COSTS if cost in counted]
    limits += [("--min-top1", "top1", caps.min_top1, "% top-1")] if caps.min_top1 is not None else []
    for flag, column, limit, unit in limits:
        values = complete[column].to_numpy(dtype=float)
        least = column == "top1"
        scale = 1.0 if least else 1e6
        inside = complete.loc[values >= limit if least else values <= limit]
        text = f"{flag} {limit:g}" if least or limit < LEAST_MILLIONS else f"{flag} {limit / 1e6:g}M"
        if inside.empty:
            [nearest] = _rows(complete.iloc[[values.argmax() if least else values.argmin()]], varied)
            said = f"{'best' if least else 'smallest'}, {nearest['name']}, has {nearest[column] / scale:.6g} {unit}"
            millions = not least and limit < LEAST_MILLIONS and 1e6 * limit >= nearest[column]
            said += f"; did you mean {flag} {limit:g}M?" if millions else ""
            enough = every.loc[every["top1"] >= limit].nsmallest(1, "macs") if least else every.iloc[:0]
            for row in _rows(enough, varied):
                said += f"; of all the cheapest with {limit:g} % is {row['name']}, {row['macs'] / 1e6:.2f} M MACs"
            raise _nothing_fits(text, len(complete), flags, said)
        complete = inside
        flags.append(text)
    return complete, flags


def _within_assessed(rows: Iterator[Row], caps: Caps, assess: Assess, figures: Figures) -> Iterator[Row]:
    """The rows within the caps on assessed costs, each with its figures, which are assessed when a row is asked for.

    Every figure is added to `figures`.
    """
    limits = caps.of(assessed=True)
    for row in rows:
        own = {cost: assess(row["point"], cost) for cost in limits}
        for cost, value in own.items():
            figures[cost][row["point"]] = value
        if all(own[cost] <= limit for cost, limit in limits.items()):
            yield row | own


def _nothing_fits(flag: str, num: int, within: Sequence[str], nearest: str) -> ConfigError:
    settings = f"settings within {' and '.join(within)}" if within else "complete settings"
    return ConfigError(f"nothing fits: {flag} leaves none of {num} {settings}; the {nearest}")
