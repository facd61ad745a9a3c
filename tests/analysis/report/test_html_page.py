"""The page in a real browser: it needs no network, nothing in it breaks out, and the chart can be turned."""

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
"""The lines of a dot's text, run together."""


def test_the_page_says_what_latency_is_of_and_what_areas_are(
    digits_rows: list[Row], make_table: Callable[[list[Row]], pd.DataFrame]
) -> None:
    table = make_table(digits_rows)
    assessed = {"latency_ms": {HOSTILE: {digits_rows[0]["point"]: 3.0}}}

    page = html_page(results_of(table, compare(table, None), name="demo", assessed=assessed), [], Provenance(), [])

    assert HOSTILE not in page
    assert "Latency: of one image on &lt;/script&gt;" in page
    assert re.search(r"stands for its parameters \([\d.]+ to [\d.]+ M\)", page)


def test_a_chart_of_many_points_is_drawn_by_webgl(
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
    """The page of nine complete points, a stopped and a failed one."""
    stopped = make_row(resolution=48, top1=70.0, state="PRUNED", reason=HOSTILE)
    failed = make_row(resolution=48, top1=None, state="FAILED", reason=HOSTILE)
    return write_report(make_sweep([*digits_rows, stopped, failed])).html


def watch(page: Page) -> list[str]:
    """What goes wrong from now on: errors on the console, dialogs, and whatever a network is asked for."""
    problems = complaints(page)
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: None if asked.url.startswith(LOCAL) else problems.append(asked.url))
    return problems


def costs_shown(page: Page) -> list[float]:
    """The costs of the complete points, as the chart has them."""
    return sorted(page.evaluate("place.data.find(trace => trace.name === 'mobilenet_v2').x.map(Number)"))


def test_the_page_answers_first_and_its_chart_can_be_turned(
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

    assert costs_shown(page) == pytest.approx(sorted(row["macs"] / 1e6 for row in digits_rows))
    for cost in ("num_params", "activations"):
        page.select_option("#cost", cost)
        assert costs_shown(page) == pytest.approx(sorted(row[cost] / 1e6 for row in digits_rows))
    page.select_option("#scale", "linear")
    assert page.evaluate("place.layout.xaxis.type") == "linear"

    page.locator("#chart .legendtoggle").nth(1).click()  # a family is hidden
    expect(points).to_have_count(1)

    assert HOSTILE in page.locator(".checks").inner_text()
    alts = [image.get_attribute("alt") for image in page.locator("img").all()]
    assert len(alts) >= 2
    assert all(alts)
    assert problems == []
