"""Tables in the layouts of the published READMEs: the best COMPLETE setting of each network. Pure."""

import math
from typing import Any

import pandas as pd

from analysis.plots.cells import best_cells, complete_settings
from analysis.published.comparison import add_published
from analysis.published.sweep_results import SweepResults
from analysis.report.markdown import escape, table
from trainers.config import network_name

Row = dict[Any, Any]
FAMILIES = {"mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2", "mobilenet_v3_large": "MobileNetV3-Large",
            "mobilenet_v3_small": "MobileNetV3-Small"}  # fmt: skip
RIGHT = "---:"


def readme_tables(results: SweepResults) -> str:
    """Write the tables as Markdown: TF-slim's, d-li14's two for each family, MindSpore's beside the published source.

    MAdds and MFLOPs in their headers are multiply-accumulates in millions. There is no table without a COMPLETE
    setting or with several datasets, whose accuracies are never mixed.
    """
    cells = best_cells(complete_settings(results)).iloc[::-1]  # the dearest first, as upstream
    if cells.empty:
        return "No network of one dataset is complete.\n"
    parts = [
        f"# {escape(results.name)} in the tables of the published READMEs",
        "In TF-slim's layout:",
        _tf_slim(cells),
    ]
    for family, rows in cells.groupby("model", sort=True):
        parts += _dli14(FAMILIES.get(str(family), escape(str(family))), rows)
    if results.comparison.source is not None:
        parts += ["In MindSpore's layout:", _mindspore(cells, results)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _tf_slim(cells: pd.DataFrame) -> str:
    header = [("Network", "---"), ("MAdds (M)", RIGHT), ("Parameters (M)", RIGHT), ("Top 1", RIGHT), ("Top 5", RIGHT)]
    timed = bool(cells["latency_ms"].notna().any())
    rows = [
        [_name(row), f"{row['macs'] / 1e6:.0f}", f"{row['num_params'] / 1e6:.2f}", _percent(row["top1"], 1),
         _percent(row["top5"], 1), *([_percent(row["latency_ms"], 1)] if timed else [])]
        for row in cells.to_dict("records")
    ]  # fmt: skip
    return table([*header, *([("Latency (ms)", RIGHT)] if timed else [])], rows)


def _dli14(family: str, cells: pd.DataFrame) -> list[str]:
    """Write tables along width at the largest resolution and along resolution at width 1, of two networks or more."""
    header = [
        ("Architecture", "---"),
        ("# Parameters", RIGHT),
        ("MMAdds", RIGHT),
        ("Top-1 / Top-5 Accuracy (%)", RIGHT),
    ]
    largest = cells["resolution"].max()
    parts: list[str] = []
    for title, rows, name in (
        (f"widths at {largest}x{largest}", cells.loc[cells["resolution"] == largest], "{width_mult:g}"),
        ("resolutions at width 1", cells.loc[cells["width_mult"] == 1], "{resolution}x{resolution}"),
    ):
        if len(rows) > 1:
            lines = [
                [f"{family} {name.format(**row)}", f"{row['num_params'] / 1e6:.3f}M", f"{row['macs'] / 1e6:.2f}",
                 f"{_percent(row['top1'], 3)} / {_percent(row['top5'], 3)}"]
                for row in rows.to_dict("records")
            ]  # fmt: skip
            parts += [f"In d-li14's layout, {title}:", table(header, lines)]
    return parts


def _mindspore(cells: pd.DataFrame, results: SweepResults) -> str:
    source = str(results.comparison.source)
    header = [("Model", "---"), ("Top-1 (%)", RIGHT), ("Top-5 (%)", RIGHT), (f"{source} Top-1 (%)", RIGHT),
              (f"{source} Top-5 (%)", RIGHT)]  # fmt: skip
    columns = ("top1", "top5", "published_top1", "published_top5")
    rows = add_published(cells, results.comparison).to_dict("records")
    return table(header, [[_name(row), *(_percent(row[column], 2) for column in columns)] for row in rows])


def _name(row: Row) -> str:
    return escape(network_name(row["model"], row["width_mult"], row["resolution"]))


def _percent(value: float | None, digits: int) -> str:
    """Write a number with `digits` after the point; nothing for an unknown number."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"
