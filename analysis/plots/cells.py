"""Data of several charts: complete settings, the best setting of each network, names of networks. Pure."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.published.sweep_results import SweepResults
from analysis.results.chance import candidates

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CELL = ["model", "width_mult", "resolution"]
"""Columns that identify a network."""


def complete_settings(results: SweepResults) -> pd.DataFrame:
    """Return the candidates of `results.settings`; none for several datasets, whose accuracies are never mixed."""
    complete = results.settings.loc[candidates(results.settings)]
    return complete if len(set(complete["dataset"])) == 1 else complete.iloc[:0]


def best_cells(settings: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the highest top-1 of each network, sorted by MACs; the first of equal rows."""
    best_first = settings.sort_values("top1", ascending=False, kind="stable")
    return best_first.drop_duplicates(CELL).sort_values(["macs", *CELL], kind="stable").reset_index(drop=True)


def cell_label(width_mult: float, resolution: int) -> str:
    """Write the label of a network, such as `0.35@96`; a width is rounded to four digits."""
    width = f"{width_mult:.4g}"
    return f"{width if '.' in width else f'{width}.0'}@{resolution}"


def cell_labels(table: pd.DataFrame) -> tuple[str, ...]:
    """Write the label of each row, with its family if there are several, such as `v3-small 0.35@96`."""
    cells = [cell_label(w, r) for w, r in zip(table["width_mult"], table["resolution"], strict=True)]
    families = [str(model).removeprefix("mobilenet_").replace("_", "-") for model in table["model"]]
    if len(set(families)) < 2:
        return tuple(cells)
    return tuple(f"{family} {cell}" for family, cell in zip(families, cells, strict=True))


def shade_column(settings: pd.DataFrame) -> tuple[str, str]:
    """Return the column that colours stand for, and its title in a legend."""
    by_resolution = len(set(settings["resolution"])) > 1 or len(set(settings["width_mult"])) <= 1
    return ("resolution", "Resolution (px)") if by_resolution else ("width_mult", "Width multiplier")


def spaced(num: int, most: int) -> list[int]:
    """Return at most `most` of the numbers 0 .. num - 1, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, num - 1, min(num, most)).round().astype(int)).tolist()
