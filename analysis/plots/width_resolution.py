"""Heat maps of the best top-1 over width and resolution, a panel a family, with lines of equal multiply-accumulates."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from analysis import style
from analysis.plots.cells import Array, best_cells, complete_settings, spaced
from analysis.plots.sheet import Texts, label_axes, sheet, texts_of
from analysis.plots.ticks import log_ticks
from analysis.published.sweep_results import SweepResults

MOST_PANELS = 4
MOST_LEVELS = 5
"""Most lines of equal MACs."""
MOST_NAMES = 20
"""Most widths, and most resolutions, that the axes name."""
CELLS_WITH_NUMBERS = {1: (16, 18), 2: (8, 18), 3: (8, 14), 4: (8, 14)}
"""Most resolutions and widths with room for a number in each cell, by the number of panels."""
SIZES = {1: style.SIZE, 2: style.SIZE, 3: (8.6, 8.2), 4: (8.6, 8.2)}
"""Size of the figure in inches, by the number of panels."""
COLOURS = LinearSegmentedColormap.from_list("top1", list(style.shades(np.arange(64.0)).values()))
"""The colours of `style.shades`, without steps."""
CENTRED: Mapping[str, Any] = MappingProxyType({"ha": "center", "va": "center", "fontsize": style.LABEL})
FRAME: Mapping[str, Any] = MappingProxyType(
    {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": style.INK, "linewidth": 0.6}
)
"""Text style of numbers and labels, and the box around a label."""
OFF_ROW = 0.4
"""Least distance, in cells, from the middle of a label to the middles of rows, where the numbers are."""
MARGIN, CLEAR = (0.05, 0.03), (0.17, 0.07)
"""Distance of a label from the edge of the heat map and from other labels, as shares of the heat map."""
NUM_FITS = 100
"""Rounds of the fit of unknown MACs."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One family. Grids are (widths, resolutions), NaN where no setting is COMPLETE."""

    model: str
    widths: Array
    resolutions: Array
    top1: Array
    """Top-1 of each cell, in percent."""
    macs: Array
    """MACs of each cell, in millions."""
    levels: tuple[float, ...]
    """MACs of the lines in ascending order, in millions."""


@dataclass(frozen=True, kw_only=True)
class HeatMapInfo:
    """Content of the chart."""

    texts: Texts
    panels: tuple[Panel, ...]
    """One panel or more: the families with the most networks."""
    with_numbers: bool
    """Whether the cells have room for their numbers."""

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per COMPLETE network."""
        rows = [
            (panel.model, width, resolution, top1, macs)
            for panel in self.panels
            for width, top1s, each_macs in zip(panel.widths, panel.top1, panel.macs, strict=True)
            for resolution, top1, macs in zip(panel.resolutions, top1s, each_macs, strict=True)
            if not np.isnan(top1)
        ]
        return pd.DataFrame(rows, columns=["model", "width_mult", "resolution", "top1", "macs_m"])


def info(results: SweepResults) -> HeatMapInfo | None:
    """Return the content; None unless a family has two widths and two resolutions, and for several datasets."""
    cells = best_cells(complete_settings(results))
    grids = [_panel(str(model), rows) for model, rows in cells.groupby("model", sort=True) if _is_grid(rows)]
    if not grids:
        return None
    panels = sorted(grids, key=lambda panel: -panel.top1.size)[:MOST_PANELS]
    most_columns, most_rows = CELLS_WITH_NUMBERS[len(panels)]
    num_families = len(set(cells["model"]))
    shown = f" · {len(panels)} of {num_families} families" if num_families > len(panels) else ""
    caption = f"Best setting of each network; hatched where none is complete · lines: equal MACs (M: millions){shown}"
    return HeatMapInfo(
        texts=texts_of(results, "Top-1 (%) over width and resolution", caption),
        panels=tuple(panels),
        with_numbers=all(len(p.resolutions) <= most_columns and len(p.widths) <= most_rows for p in panels),
    )


def _is_grid(rows: pd.DataFrame) -> bool:
    return len(set(rows["width_mult"])) > 1 and len(set(rows["resolution"])) > 1


def _panel(model: str, rows: pd.DataFrame) -> Panel:
    top1 = rows.pivot(index="width_mult", columns="resolution", values="top1")
    macs = rows.pivot(index="width_mult", columns="resolution", values="macs").to_numpy(dtype=float) / 1e6
    ticks = log_ticks(float(np.nanmin(macs)), float(np.nanmax(macs)))
    return Panel(
        model=model,
        widths=top1.index.to_numpy(dtype=float),
        resolutions=top1.columns.to_numpy(dtype=float),
        top1=top1.to_numpy(dtype=float),
        macs=macs,
        levels=tuple(ticks[i] for i in spaced(len(ticks), MOST_LEVELS)),
    )


def draw(chart: HeatMapInfo) -> Figure:
    """Draw the chart as a figure."""
    rows, columns = (1 if len(chart.panels) <= 2 else 2), min(len(chart.panels), 2)
    known = np.concatenate([panel.top1[~np.isnan(panel.top1)] for panel in chart.panels])
    with sheet(chart.texts, size=SIZES[len(chart.panels)]) as figure:
        grid = [figure.add_subplot(rows, columns, 1 + i) for i in range(len(chart.panels))]
        meshes = [
            _draw_panel(axes, panel, limits=(float(known.min()), float(known.max())), with_numbers=chart.with_numbers)
            for axes, panel in zip(grid, chart.panels, strict=True)
        ]
        bar = figure.colorbar(meshes[0], ax=grid, fraction=0.04, pad=0.02)
        bar.set_label("Top-1 accuracy (%)", fontsize=style.AXIS, color=style.INK)
        bar.ax.tick_params(labelsize=style.TICK, colors=style.MUTED, length=3)
        for axes, panel in zip(grid, chart.panels, strict=True):
            _draw_levels(axes, panel)
        return figure


def _draw_panel(axes: Axes, panel: Panel, *, limits: tuple[float, float], with_numbers: bool) -> QuadMesh:
    """Draw the cells of a family, with their numbers, on axes that count widths and resolutions."""
    label_axes(axes, "Resolution (px)", "Width multiplier")
    axes.grid(visible=False)
    axes.set_title(panel.model, fontsize=style.AXIS, color=style.INK, loc="left")
    axes.patch.set(facecolor="white", edgecolor=style.GRID, hatch="////", linewidth=0)
    for axis, names in ((axes.xaxis, panel.resolutions), (axes.yaxis, panel.widths)):
        named = spaced(len(names), MOST_NAMES)
        axis.set_ticks(named, [f"{names[i]:.4g}" for i in named])
    edges = [np.arange(num + 1) - 0.5 for num in (len(panel.resolutions), len(panel.widths))]
    mesh = axes.pcolormesh(*edges, np.ma.masked_invalid(panel.top1), cmap=COLOURS, vmin=limits[0], vmax=limits[1])
    for row, column in np.argwhere(~np.isnan(panel.top1)) if with_numbers else []:
        value = panel.top1[row, column]
        face = to_rgb(mesh.to_rgba(value)[:3])  # pyright: ignore[reportArgumentType]
        number = axes.text(column, row, f"{value:.1f}", **CENTRED, color=ink_on(face), zorder=4)
        number.set_path_effects([withStroke(linewidth=3, foreground=face)])  # keeps the lines of equal MACs off it
    return mesh


def ink_on(colour: tuple[float, float, float]) -> str:
    """Return white or ink, whichever has the higher contrast (WCAG 2) on a colour."""
    on_white, on_ink = (_contrast(colour, to_rgb(text)) for text in ("white", style.INK))
    return "white" if on_white >= on_ink else style.INK


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[float, float, float]) -> float:
    """Return the relative luminance of an sRGB colour, from 0 to 1 (WCAG 2)."""
    channels = np.array(colour)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _draw_levels(axes: Axes, panel: Panel) -> None:
    """The lines of equal MACs: log-MACs interpolated between the cells, and beyond the outer ones to the edge."""
    log_macs = np.pad(filled(np.log10(panel.macs), panel.resolutions), 1, mode="reflect", reflect_type="odd")
    columns, rows = (np.arange(-1.0, num + 1) for num in (len(panel.resolutions), len(panel.widths)))
    limits = np.array([axes.get_xlim(), axes.get_ylim()])
    taken = np.empty((0, 2))
    for level in panel.levels:
        line = axes.contour(columns, rows, log_macs, levels=[np.log10(level)], colors="white", linewidths=1.2)
        line.set_path_effects([withStroke(linewidth=2.4, foreground=style.INK)])
        place = _label_place([np.asarray(each) for each in line.allsegs[0] if len(each)], limits, taken)
        if place is None:
            line.remove()
        else:
            taken = np.vstack([taken, place])
            axes.text(place[0], place[1], f"{level:g} M", **CENTRED, color=style.INK, bbox=dict(FRAME), zorder=5)
    axes.set(xlim=limits[0], ylim=limits[1])


def filled(log_macs: Array, resolutions: Array) -> Array:
    """Logarithms of MACs (widths, resolutions) with the unknown ones, NaN, put at the sum of what their width and their
    resolution bring, fitted to the others by least squares; each width and resolution has a known one.

    Where these do not tell width from resolution, MACs are taken to grow with the area of the image.
    """
    of_resolution = 2 * np.log10(resolutions)[None]
    of_width = np.nanmean(log_macs - of_resolution, axis=1, keepdims=True)
    for _ in range(NUM_FITS):
        of_resolution = np.nanmean(log_macs - of_width, axis=0, keepdims=True)
        of_width = np.nanmean(log_macs - of_resolution, axis=1, keepdims=True)
    return np.where(np.isnan(log_macs), of_width + of_resolution, log_macs)


def _label_place(segments: list[Array], limits: Array, taken: Array) -> Array | None:
    """Where on a line its label covers no number: nearest to the border of two rows, and far from other labels; None
    where there is no such place."""
    places = np.concatenate([np.empty((0, 2)), *map(_dense, segments)])
    low, size = limits[:, 0], limits[:, 1] - limits[:, 0]
    inside = np.all(np.abs((places - low) / size - 0.5) < 0.5 - np.array(MARGIN), axis=1)
    away = np.abs(places[:, None] - taken) > CLEAR * size
    free = places[inside & np.all(np.any(away, axis=2), axis=1)]
    off_row = np.abs(free[:, 1] - free[:, 1].round())
    return free[off_row.argmax()] if off_row.max(initial=0) > OFF_ROW else None


def _dense(segment: Array) -> Array:
    """Return 400 places along a line (n, 2)."""
    at = np.linspace(0, len(segment) - 1, 400)
    return np.stack([np.interp(at, np.arange(len(segment)), column) for column in segment.T], axis=1)
