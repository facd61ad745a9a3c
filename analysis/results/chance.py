"""Whether a network learned anything: its top-1 against always answering the most frequent class. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CONFIDENCE = 1.96
"""Standard errors on either side that hold 95 % of a normal distribution."""
LEARNED_NOTHING = "no better than always answering the most frequent class"
_COLUMNS = ("top1", "num_val", "majority_top1")


def sampling_error(top1: float, num_images: float | None) -> float:
    """Return half the 95 % interval of a top-1 on `num_images` images, in points; infinity for an unknown number."""
    return math.inf if num_images is None else float(_half_interval(np.float64(top1), np.float64(num_images)))


def has_learned(row: Mapping[str, Any]) -> bool:
    """Whether a row of the results log has learned something; see `learned`."""
    values = (math.nan if row.get(name) is None else row[name] for name in _COLUMNS)
    return bool(_above_majority(*map(np.float64, values)))


def learned(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return for which rows of a table the 95 % interval of top-1 lies above the share of the most frequent class.

    Rows of earlier versions do not know that share and count as learned, as published networks do.

    Returns:
        (rows,), for a table of points or of settings.
    """
    return _above_majority(*(table[name].to_numpy(dtype=float) for name in _COLUMNS))


def candidates(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows of a table can be shipped: they are COMPLETE and have learned something; (rows,)."""
    return (table["state"] == "COMPLETE").to_numpy(dtype=bool) & learned(table)


def _above_majority(top1: Any, num_val: Any, majority_top1: Any) -> Any:
    return ~(top1 - _half_interval(top1, num_val) <= majority_top1)  # a comparison with NaN is false


def _half_interval(top1: Any, num_images: Any) -> Any:
    share = top1 / 100
    return 100 * CONFIDENCE * np.sqrt(np.maximum(share * (1 - share), 0.25 / num_images) / num_images)
