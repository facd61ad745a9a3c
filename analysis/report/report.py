"""Writer of the report of a sweep: charts, CSV files, pages, from the logs in the folder of the sweep."""

import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.advice.answer import answers
from analysis.frontier.frontier import frontier_points
from analysis.plots.registry import PLOTS
from analysis.published.comparison import add_published
from analysis.published.sweep_results import SweepResults, load_results, published_results
from analysis.published.tables import NUM_VAL, load_published
from analysis.report.answer_page import answer_page
from analysis.report.html_page import Picture, html_page
from analysis.report.provenance import Provenance, read_provenance
from analysis.report.readme_tables import readme_tables
from analysis.report.results_table import results_page
from analysis.results.settings import is_replicated
from trainers.errors import ConfigError, spreadsheet_cell
from trainers.files import replacing, write_whole

COUNTS = ("num_classes", "macs", "num_params", "activations", "best_epoch", "epochs_trained")
"""Columns of whole numbers, which a table with gaps would write as 3504872.0."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Files of a report, and its main results."""

    folder: Path
    charts: tuple[Path, ...]
    """Every chart as PNG, SVG and PDF."""
    csv: Path
    """One row a point."""
    markdown: Path
    """Markdown page."""
    html: Path
    """HTML page, which stands alone."""
    note: str
    """Reason for the absence of published figures; "" without a reason."""
    summary: str
    """Markdown text of the network to ship within each budget."""
    frontier: pd.DataFrame
    """Settings on the MACs frontier, cheapest first: rows of `add_frontiers`' table."""
    num_points: int
    """Number of ended points."""

    @property
    def frontier_points(self) -> list[str]:
        """Return the ids of all seeds of the settings on the MACs frontier."""
        return [point for points in self.frontier["points"] for point in points]


def write_report(folder: Path, *, published: str | None = None, out: Path | None = None) -> Report:
    """Write a report from the logs in `folder`; an older report is replaced file by file.

    Args:
        folder: a sweep's folder.
        published: the source of published figures beside a sweep on ImageNet, or `none`; unset: that of TF-slim.
        out: the report's folder; unset: `folder/report`.

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, there is no such source, or `out` cannot be
            written to.
    """
    results = load_results(folder, published)
    return write_report_of(results, read_provenance(folder, results.points), out or folder / "report")


def write_published(source: str, out: Path) -> Report:
    """Write the report of a published source alone into the folder `out`.

    Raises:
        ConfigError: there is no such source, or `out` cannot be written to.
    """
    results = published_results(source)
    citations = ", ".join(sorted(set(load_published(source)["citation"])))
    costs = "counted by this project: convolutions and linear layers, 1000 classes, normalisation among the parameters"
    rows = [("Accuracies", f"as printed in {citations}"), ("Costs", costs)]
    provenance = Provenance(rows=rows, num_val=NUM_VAL)
    return write_report_of(results, provenance, out)


def write_report_of(results: SweepResults, provenance: Provenance, out: Path) -> Report:
    """Write the report of `results` into the folder `out`."""
    settings, comparison = results.settings, results.comparison
    points = add_published(results.points.join(of_points(settings), on="point"), comparison)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write the report: {error}") from error
    if not os.access(out, os.W_OK):
        raise ConfigError(f"cannot write the report: {out} is not yours to write to; choose another --out")
    infos = {name: info for name, plot in PLOTS.items() if (info := plot.info(results)) is not None}
    charts = {name: write_chart(PLOTS[name].draw(info), out / name) for name, info in infos.items()}
    for name, info in infos.items():
        write_whole(out / f"{name}.csv", info.numbers().to_csv(index=False))
    csv, markdown, html = out / "results.csv", out / "results.md", out / "report.html"
    write_whole(csv, results_csv(points))
    images = {PLOTS[name].description: f"{name}.png" for name in charts}
    page = results_page(add_published(settings, comparison), comparison, sweep=results.name, charts=images)
    write_whole(markdown, page)
    pictures = [
        Picture(description=PLOTS[name].description, name=name, png=paths[0].read_bytes())
        for name, paths in charts.items()
    ]
    sweep_answers = answers(settings, provenance.num_val)
    write_whole(html, html_page(results, sweep_answers, provenance, pictures))
    write_whole(out / "readme_tables.md", readme_tables(results))
    summary = answer_page(results.name, sweep_answers, results.points, settings)
    write_whole(out / "summary.md", summary)
    paths = tuple(path for each in charts.values() for path in each)
    return Report(
        folder=out,
        charts=paths,
        csv=csv,
        markdown=markdown,
        html=html,
        note=comparison.note,
        summary=summary,
        frontier=frontier_points(settings),
        num_points=len(points),
    )


def of_points(settings: pd.DataFrame) -> pd.DataFrame:
    """Return the frontier columns of each point's setting, by point; columns of seeds only if a seed was repeated."""
    frontiers = ["on_frontier", "on_params_frontier", "on_joint_frontier"]
    seeds = ["mean_top1", "sd_top1", "num_seeds", "frontier_probability"] if is_replicated(settings) else []
    by_point = settings.assign(mean_top1=settings["top1"]).explode("points").set_index("points")
    return by_point.loc[:, [*frontiers, *seeds]]


def results_csv(points: pd.DataFrame) -> str:
    """Write the table as CSV; a count is a whole number, also in a column with gaps."""
    texts = points.map(lambda value: spreadsheet_cell(value) if isinstance(value, str) else value)
    return texts.astype(dict.fromkeys(COUNTS, "Int64")).to_csv(index=False)


def write_chart(figure: Figure, stem: Path) -> tuple[Path, Path, Path]:
    """Write a figure to `stem`.png, .svg and .pdf; one figure gives the same bytes every time."""
    png, svg, pdf = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg", "pdf"))
    dates = {png: {"Software": None}, svg: {"Date": None}, pdf: {"CreationDate": None}}
    with matplotlib.rc_context(dict(style.RC)):  # pyright: ignore[reportArgumentType]
        for path, metadata in dates.items():
            with replacing(path) as partial:
                figure.savefig(partial, dpi=style.DPI, metadata=metadata)
            figure.set_layout_engine("none")  # it is laid out once, for all formats alike
    return png, svg, pdf
