"""The page of a sweep: one HTML file that opens offline, with the answer first and charts that a reader can turn."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from plotly.offline import get_plotlyjs

from analysis.advice.answer import Answer, no_answer, spent
from analysis.advice.health import health_checks
from analysis.frontier.costs import COSTS
from analysis.frontier.frontier import family_frontiers, frontier_points
from analysis.published.comparison import add_published, beside_published
from analysis.published.sweep_results import SweepResults
from analysis.report.interactive import interactive_chart
from analysis.report.provenance import Provenance
from analysis.report.results_table import SEVERAL_SEEDS, explanation, largest_first, page_columns
from analysis.results.settings import is_replicated

MOST_ROWS = 500
"""Most settings on the page; the CSV file beside the page has all."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart as an image."""

    description: str
    name: str
    """Name of the files beside the page, without ending."""
    png: bytes


def html_page(
    results: SweepResults, sweep_answers: Sequence[Answer], provenance: Provenance, pictures: Sequence[Picture]
) -> str:
    """Return the page as HTML; names and reasons are shown as text, whatever they contain."""
    settings = add_published(results.settings, results.comparison)
    chart = interactive_chart(results)
    return _template().render(
        sweep=results.name,
        answers=sweep_answers,
        no_answer=no_answer(results.settings),
        spent=spent(results.points),
        note=results.comparison.note,
        beside=beside_published(results.settings, results.comparison),
        frontier=_table(frontier_points(settings), states=False),
        families=family_frontiers(results.settings),
        explanation=" ".join(
            [explanation(results.settings), *([SEVERAL_SEEDS] if is_replicated(results.settings) else [])]
        ),
        chart=_script(asdict(chart)),
        webgl=any(trace["type"] == "scattergl" for trace in chart.traces),  # Plotly's makes functions from text
        colours_of=chart.colours_of,
        colours=chart.colours,
        areas=" to ".join(chart.areas),
        assessed=[(COSTS[cost].name, place) for cost, place in results.places.items()],
        plotly=get_plotlyjs(),
        pictures=[_embedded(picture) for picture in pictures],
        provenance=provenance.rows,
        checks=health_checks(results),
        stopped=bool((results.settings["state"] == "PRUNED").any()),
        has_sources=not results.comparison.every_source.empty,
        settings=_table(largest_first(settings).head(MOST_ROWS)),
        num_hidden=max(0, len(settings) - MOST_ROWS),
    )


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html.j2")


def _script(value: Any) -> str:
    """Write a value as JavaScript; a text in the value cannot end the script."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _embedded(picture: Picture) -> dict[str, str]:
    source = f"data:image/png;base64,{b64encode(picture.png).decode()}"
    return {"description": picture.description, "name": picture.name, "source": source}


def _table(rows: pd.DataFrame, *, states: bool = True) -> Mapping[str, Any]:
    """Return a table of settings in the columns of the Markdown page, with or without their states."""
    columns = [column for column in page_columns(rows) if states or column.header != "State"]
    lines = [[column.cell(row) for column in columns] for row in map(dict, rows.to_dict("records"))]
    numeric = [column.align != "---" for column in columns]
    return {"header": [(c.header, n) for c, n in zip(columns, numeric, strict=True)],
            "lines": [list(zip(line, numeric, strict=True)) for line in lines]}  # fmt: skip
