"""The HTML page works in a real browser: it needs no network, escapes all texts, and has an interactive chart."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from analysis import style
from analysis.published.comparison import compare
from analysis.published.sweep_results import results_of
from analysis.report.html_page import html_page
from analysis.report.provenance import Provenance
from analysis.report.report import write_report
from tests.conftest import complaints

Row = dict[str, Any]
HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
LOCAL = ("file:", "data:", "blob:")
HOVERED = re.compile(r"mobilenet_v2_0\.\d+_\d+ p\dtop-1 [\d.]+ %.* M MACs, .* M params")
"""Hover text of a dot, without its line breaks."""


def test_page_explains_latency_and_the_areas_of_dots(
    digits_rows: list[Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    table = make_table(digits_rows)
    assessed = {"latency_ms": {HOSTILE: {digits_rows[0]["point"]: 3.0}}}

    page = html_page(results_of(table, compare(table, None), name="demo", assessed=assessed), [], Provenance(), [])

    assert HOSTILE not in page
    assert "Latency: of one image on &lt;/script&gt;" in page
    assert re.search(r"stands for its parameters \([\d.]+ to [\d.]+ M\)", page)


def test_browser_draws_a_chart_of_many_points_by_webgl(
    browser: Browser,
    digits_rows: list[Row],
    make_table: Callable[[list[Row]], pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(style, "MOST_VECTORS", 1)
    table = make_table(digits_rows)
    path = tmp_path / "report.html"
    path.write_text(html_page(results_of(table, compare(table, None), name="demo"), [], Provenance(), []))
    page = browser.new_page()
    problems = watch(page)

    page.goto(path.as_uri())
    page.locator("#chart canvas").first.wait_for(state="attached")

    assert page.locator("#chart .no-webgl").count() == 0
    assert problems == []


@pytest.fixture
def report(make_row: Callable[..., Row], digits_rows: list[Row], make_sweep: Callable[..., Path]) -> Path:
    """The HTML page of a sweep of nine complete points, a stopped point and a failed point."""
    stopped = make_row(resolution=48, top1=70.0, state="PRUNED", reason=HOSTILE)
    failed = make_row(resolution=48, top1=None, state="FAILED", reason=HOSTILE)
    return write_report(make_sweep([*digits_rows, stopped, failed])).html


def watch(page: Page) -> list[str]:
    """Collect errors on the console, dialogs and network requests of a page from now on."""
    problems = complaints(page)
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith(LOCAL) else problems.append(request.url))
    return problems


def costs_in_chart(page: Page) -> list[float]:
    """Return the costs of the complete points from the data of the chart."""
    return sorted(page.evaluate("place.data.find(trace => trace.name === 'mobilenet_v2').x.map(Number)"))


def test_page_starts_with_the_answer_and_its_chart_is_interactive(
    browser: Browser, report: Path, digits_rows: list[Row]
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    problems = watch(page)
    page.goto(report.as_uri())
    points = page.locator("#chart .point")
    expect(points).to_have_count(10)

    ship = page.locator(".ship")  # the answer is on the first screen
    box = ship.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 800
    assert ship.locator("tbody b").last.inner_text() == "mobilenet_v2_1_96"
    assert "How sure:" in page.locator("section").first.inner_text()

    points.nth(4).hover(force=True)  # the whole point
    expect(page.locator("#chart .hovertext")).to_have_text(HOVERED)

    assert costs_in_chart(page) == pytest.approx(sorted(row["macs"] / 1e6 for row in digits_rows))
    for cost in ("num_params", "activations"):
        page.select_option("#cost", cost)
        assert costs_in_chart(page) == pytest.approx(sorted(row[cost] / 1e6 for row in digits_rows))
    page.select_option("#scale", "linear")
    assert page.evaluate("place.layout.xaxis.type") == "linear"

    page.locator("#chart .legendtoggle").nth(1).click()  # hides a family
    expect(points).to_have_count(1)

    assert HOSTILE in page.locator(".checks").inner_text()
    alts = [image.get_attribute("alt") for image in page.locator("img").all()]
    assert len(alts) >= 2
    assert all(alts)
    assert problems == []
