"""The report of a sweep: charts, a CSV and a Markdown page, written into its folder. Reads the results log only."""

import os
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.comparison import add_published
from analysis.frontier import frontier_points
from analysis.plots.registry import PLOTS
from analysis.replicates import is_replicated
from analysis.results_table import results_page
from analysis.sweep_results import load_results

COUNTS = ("num_classes", "macs", "num_params", "activations", "best_epoch", "epochs_trained")
"""Whole numbers that a table with gaps would otherwise write as 3504872.0."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `write_report` wrote."""

    folder: Path
    charts: tuple[Path, ...]
    """Every chart as PNG and as SVG."""
    csv: Path
    """One row a point."""
    markdown: Path
    """The page to read."""
    frontier: pd.DataFrame
    """The settings on the MACs frontier, cheapest first: rows of `add_frontiers`' table."""


def write_report(folder: Path, *, published: str | None = None) -> Report:
    """Write `folder/report/` from the logs in `folder`; a report that is there already is replaced file by file.

    Args:
        folder: a sweep's folder.
        published: the source of published figures, or `none`; unset, one is chosen for ImageNet and none otherwise.

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, or there is no such source.
    """
    results = load_results(folder, published)
    settings, comparison = results.settings, results.comparison
    points = add_published(results.points.join(of_points(settings), on="point"), comparison)
    out = folder / "report"
    out.mkdir(exist_ok=True)
    figures = {name: figure for name, plot in PLOTS.items() if (figure := plot.figure(results)) is not None}
    charts = [path for name, figure in figures.items() for path in write_chart(figure, out / name)]
    csv, markdown = out / "results.csv", out / "results.md"
    write_atomically(csv, results_csv(points).encode())
    images = {PLOTS[name].description: f"{name}.png" for name in figures}
    page = results_page(add_published(settings, comparison), comparison, sweep=results.name, charts=images)
    write_atomically(markdown, page.encode())
    return Report(folder=out, charts=tuple(charts), csv=csv, markdown=markdown, frontier=frontier_points(settings))


def of_points(settings: pd.DataFrame) -> pd.DataFrame:
    """What `add_frontiers`' table says of each point's setting, by point; of seeds only where some were repeated."""
    frontiers = ["on_frontier", "on_params_frontier"]
    seeds = ["mean_top1", "sd_top1", "num_seeds", "frontier_probability"] if is_replicated(settings) else []
    by_point = settings.assign(mean_top1=settings["top1"]).explode("points").set_index("points")
    return by_point.loc[:, [*frontiers, *seeds]]


def results_csv(points: pd.DataFrame) -> str:
    """The table as CSV; a count is written as a whole number, also in a column with gaps."""
    return points.astype(dict.fromkeys(COUNTS, "Int64")).to_csv(index=False)


def write_chart(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write a figure to `stem`.png and .svg; one figure gives the same bytes every time."""
    png, svg = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    with matplotlib.rc_context(dict(style.RC)):  # pyright: ignore[reportArgumentType]
        for path, metadata in ((png, {"Software": None}), (svg, {"Date": None})):
            content = BytesIO()
            figure.savefig(content, format=path.suffix[1:], dpi=style.DPI, metadata=metadata)
            write_atomically(path, content.getvalue())
    return png, svg


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp's 0o600 would hide a report on a shared disk
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
