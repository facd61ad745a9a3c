"""The network to ship within caps, its runner-up, and its neighbours on the frontier. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.frontier.costs import ASSESSED, COSTS, Cost
from analysis.frontier.frontier import frontier_mask
from analysis.results.chance import LEARNED_NOTHING, candidates, sampling_error
from analysis.results.settings import half_interval, pooled_deviation, pooled_freedom, with_deviation
from analysis.results.varying_settings import text_of, varying_settings
from trainers.config import network_name
from trainers.errors import ConfigError

Row = dict[str, Any]
"""Row of `by_setting`'s table with a `name`: column name to value."""
Assess = Callable[[str, Cost], float]
"""Returns the figure of a point, by id, for an assessed cost."""
Figures = dict[Cost, dict[str, float]]
"""Assessed figures by cost and point."""
LEAST_MILLIONS = 1e4
"""Fewest MACs or parameters of a network: a smaller cap lacks its M."""
ROOM = 1.2
"""Least ratio of a cap to a network's cost that leaves room for a larger network."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Limits of a network's costs, and a top-1 to reach."""

    at_most: Mapping[Cost, float] = field(default_factory=dict)
    """The highest figure by cost; a cost without a limit is absent."""
    min_top1: float | None = None
    """Least top-1, percent; None without a limit."""

    def of(self, *, assessed: bool) -> dict[Cost, float]:
        """Return the limits of assessed costs, or of counted costs."""
        return {cost: limit for cost, limit in self.at_most.items() if COSTS[cost].is_assessed == assessed}


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The setting to ship and its neighbours.

    `best` and `runner_up` have the figure of each capped assessed cost; other rows have figures that were assessed.
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
    """Next setting with fewer MACs than the best on the MACs frontier of the settings within the cap on parameters."""
    dearer: Row | None
    """Next setting with more MACs on that frontier; None where the runner-up is that setting."""
    is_largest: bool
    """Whether the best is the most accurate setting, and none has more MACs though the caps leave room."""
    reach: Mapping[Cost, float]
    """The highest cost of any network for each cap on a counted cost, if all caps allow much more; else empty."""


def assess_nothing(point: str, cost: Cost) -> float:
    """Refuse to assess: for caps on counted costs alone."""
    raise AssertionError(f"there is no cap on {cost}, and {point} needs no assessment")


def recommend(table: pd.DataFrame, caps: Caps, assess: Assess = assess_nothing) -> Recommendation:
    """Return the candidate to ship within `caps`: a COMPLETE setting that has learned something.

    Args:
        table: table of `by_setting`.
        caps: inclusive limits.
        assess: gives the figure of an assessed cost of a point; asked only where there is a cap on that cost, of the
            most accurate settings first, or of the cheapest where a top-1 must be reached, until two are within it.

    Raises:
        ConfigError: no candidate is within the caps, or there are several datasets.
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
    complete = complete.loc[candidates(complete)]
    if complete.empty:
        raise ConfigError(f"there is no network to ship: each is {LEARNED_NOTHING}; train them longer, or check lr")
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
        reach=_reach(complete, caps),
    )


def _has_room(best: Row, caps: Caps) -> bool:
    """Whether the caps would allow a larger network than `best`."""
    return all(limit > ROOM * best[cost] for cost, limit in caps.at_most.items())


def _reach(complete: pd.DataFrame, caps: Caps) -> dict[Cost, float]:
    limits = caps.of(assessed=False)
    most = {cost: complete[cost].to_numpy(dtype=float).max() for cost in limits}
    has_room = (
        caps.min_top1 is None
        and not caps.of(assessed=True)
        and all(limit > ROOM * most[cost] for cost, limit in limits.items())
    )
    return most if has_room else {}


def summary(advice: Recommendation, *, num_val: int | None, replicate: str = "") -> list[str]:
    """Write the recommendation as lines to print.

    `num_val` is as `verdict` has it; `replicate` is the command that trains with several seeds, if one can.
    """
    hint = f": no setting has several seeds; train them with: {replicate}"
    judged = f"           {verdict(advice, num_val)}{hint if replicate and math.isnan(advice.standard_error) else ''}"
    lines = [f"ship:      {_described(advice.best)}"]
    if advice.min_top1 is not None:
        safer = _described(advice.runner_up) if advice.runner_up else "none, nothing within the caps is more accurate"
        lines += [judged, f"safer:     {safer}"]
    elif advice.runner_up is not None:
        lines += [f"runner-up: {_described(advice.runner_up)}", judged]
    else:
        lines += [f"runner-up: {verdict(advice, num_val)}"]
    for title, row in (("cheaper:", advice.cheaper), ("dearer:", advice.dearer)):
        if row is not None:
            macs, top1 = (row["macs"] - advice.best["macs"]) / 1e6, row["top1"] - advice.best["top1"]
            change = f"{macs:+.2f} M MACs, {top1:+.2f} points top-1{_assessed(row)}"
            lines.append(f"{title:<11}{row['name']} on the frontier: {change}")
    if advice.reach:
        most = ", ".join(_amount(cost, value, 2) for cost, value in advice.reach.items())
        lines.append(f"note:      the caps allow more than any network here has ({most}); a larger one may be better")
    elif advice.is_largest:
        lines.append("note:      nothing here has more MACs than this one; a larger network may be more accurate")
    return lines


def verdict(advice: Recommendation, num_val: int | None) -> str:
    """Write the gap between the best and the runner-up, or the top-1 to reach, and whether noise explains the gap.

    A gap is more than the seeds' noise where it lies outside the 95 % interval of two equal settings (Student's t).
    Where no setting has several seeds, a gap that the `num_val` validation images tell (None: unknown, so none) is more
    than their noise, though perhaps not more than that between trainings.
    """
    tellable = sampling_error(advice.best["top1"], num_val)
    if advice.min_top1 is not None:
        gap, than = advice.best["top1"] - advice.min_top1, f"above {advice.min_top1:g} %"
    elif advice.runner_up is not None:
        gap, than = advice.best["top1"] - advice.runner_up["top1"], "less"
        tellable *= math.sqrt(2)  # both are measured
    else:
        return "none, nothing else is within the caps"
    if math.isnan(advice.standard_error):
        remark = ": more than the images' noise, but trained once each" if gap > tellable else ", which may be noise"
        return f"{gap:.2f} points {than}{remark}"
    noise = half_interval(advice.standard_error, advice.freedom)
    return f"{gap:.2f} points {than}: {'more than' if gap > noise else 'within'} the seeds' noise (± {noise:.2f})"


def _described(row: Row) -> str:
    seeds = f" ({row['num_seeds']} seeds)" if row["num_seeds"] > 1 else ""
    size = f"{row['macs'] / 1e6:.2f} M MACs, {row['num_params'] / 1e6:.3f} M params"
    test = "" if math.isnan(row["test_top1"]) else f" ({row['test_top1']:.2f} % on the test split)"
    return f"{row['name']}, {size}, {with_deviation(row)} % top-1{seeds}{test}{_assessed(row)}"


def _assessed(row: Row) -> str:
    figures = {cost: row.get(cost, math.nan) for cost in ASSESSED}
    return "".join(f", {_amount(cost, value, 2)}" for cost, value in figures.items() if not math.isnan(value))


def _amount(cost: Cost, value: float, digits: int | None = None) -> str:
    """Write a figure with its unit: `digits` after the point, or three significant digits."""
    figure = value / COSTS[cost].per
    return f"{figure:.3g} {COSTS[cost].unit}" if digits is None else f"{figure:.{digits}f} {COSTS[cost].unit}"


def _rows(table: pd.DataFrame, varied: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a table, each with a `name` of its network and its values of the varied settings."""
    for i in range(len(table)):  # not all at once: of thousands of rows few are looked at
        [values] = table.iloc[i : i + 1].to_dict("records")
        row = {str(name): value for name, value in values.items()}
        settings = [f"{name}={text_of(row[name])}" for name in varied]
        yield row | {"name": " ".join([network_name(row["model"], row["width_mult"], row["resolution"]), *settings])}


def _within(complete: pd.DataFrame, caps: Caps, varied: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows within the caps on counted costs and top-1, and these caps as flags."""
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
            remark = f"{'best' if least else 'smallest'}, {nearest['name']}, has {nearest[column] / scale:.6g} {unit}"
            millions = not least and limit < LEAST_MILLIONS and 1e6 * limit >= nearest[column]
            remark += f"; did you mean {flag} {limit:g}M?" if millions else ""
            enough = every.loc[every["top1"] >= limit].nsmallest(1, "macs") if least else every.iloc[:0]
            for row in _rows(enough, varied):
                remark += f"; of all the cheapest with {limit:g} % is {row['name']}, {row['macs'] / 1e6:.2f} M MACs"
            raise _nothing_fits(text, len(complete), flags, remark)
        complete = inside
        flags.append(text)
    return complete, flags


def _within_assessed(rows: Iterator[Row], caps: Caps, assess: Assess, figures: Figures) -> Iterator[Row]:
    """Yield the rows within the caps on assessed costs with their figures, assessing one row at a time.

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
