"""Fields that differ among the points of a results table, and fields that all points share. Pure."""

import math

import pandas as pd

from analysis.results.schema import SETTINGS

NAMED = ("data", "model", "width_mult", "resolution")
"""Fields that a report writes as the dataset and the network's name."""


def varying_settings(points: pd.DataFrame) -> list[str]:
    """Return the fields besides NAMED that differ among the points, in the order of SETTINGS."""
    return [name for name in SETTINGS if name not in NAMED and len(points[name].unique()) > 1]


def names_repeat(points: pd.DataFrame) -> bool:
    """Whether several points share network and dataset, so that a network's name does not identify a point."""
    return bool(points.duplicated(["dataset", "model", "width_mult", "resolution"]).any())


def text_of(value: object) -> str:
    """Write a value for people: nothing for an unset value, 0.2 and not 0.20000000000000001."""
    return "" if is_unset(value) else f"{value:g}" if isinstance(value, float) else str(value)


def is_unset(value: object) -> bool:
    """Whether a cell of a table holds nothing."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
