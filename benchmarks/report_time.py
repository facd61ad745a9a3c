"""The cost of a report: seconds and bytes for few and many points, the browser's time for its chart, and its filters.

    uv run benchmarks/report_time.py

The command that a user types writes each report, imports included; every point has a learning curve of ten epochs. The
browser is Debian's Chromium without a screen, and without a graphics card if the machine has none.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the project is run from its checkout, not installed

import numpy as np
from playwright.sync_api import sync_playwright

from analysis.frontier.pareto import joint_pareto_mask, pareto_mask
from search_spaces.registry import get_space
from sweep.run.recorder import row_of
from sweep.config import SweepConfig
from sweep.plan.plan import make_plan
from sweep.run.log import ResultsLog
from trainers.trial import Measurement

EPOCHS = 10
WIDTHS, RESOLUTIONS = (0.35, 0.5, 0.75, 1.0, 1.3), (16, 20, 24, 28, 32)
PAN_STEPS = 60


def make_sweep(num_points: int, runs: Path) -> Path:
    """Write the log of complete points of 25 networks, with synthetic measurements."""
    train = replace(get_space("mnv2_quick").base, epochs=EPOCHS)
    each = -(-num_points // (len(WIDTHS) * len(RESOLUTIONS)))
    axes = (
        f"width_mult={','.join(map(str, WIDTHS))}",
        f"resolution={','.join(map(str, RESOLUTIONS))}",
        f"lr={','.join(f'{0.001 * (i + 1):.3f}' for i in range(each))}",
    )
    plan = make_plan(SweepConfig(space="mnv2_quick", train=train, axis=axes, runs=runs, name=f"made{num_points}"))
    random = np.random.default_rng(0)
    log = ResultsLog(plan.folder)
    for point in plan.points[:num_points]:
        best = 60 + 3 * np.log(point.cost.macs / 1e6) + random.normal()
        curve = [made_up(point.id, epoch, best * (1 - 0.5**epoch)) for epoch in range(1, EPOCHS + 1)]
        for measurement in curve:
            log.append_measurement(measurement)
        log.append_result(row_of(point, "COMPLETE", "", curve))
    log.close()
    return plan.folder


def made_up(point: str, epoch: int, top1: float) -> Measurement:
    """Return a synthetic measurement."""
    return Measurement(
        point=point, epoch=epoch, lr=0.1, train_loss=1.0, val_loss=1.0, top1=top1, top5=95.0, images_per_second=100.0,
        train_seconds=epoch * 60.0, measured_at=0.0, device="none",
    )  # fmt: skip


def seconds_of(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def told(seconds: list[float]) -> str:
    """Write median and spread."""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def pan_milliseconds(page: Path, chromium: str) -> float:
    """Return the median milliseconds between frames while the chart is dragged."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        shown = browser.new_page(viewport={"width": 1280, "height": 800})
        shown.goto(page.as_uri())
        shown.wait_for_selector("#chart .nsewdrag")
        shown.evaluate(
            "window.frames_at = []; (function next(at) { frames_at.push(at); requestAnimationFrame(next); })(0)"
        )
        box = shown.locator("#chart .nsewdrag").first.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        shown.mouse.move(x, y)
        shown.mouse.down()
        begun = shown.evaluate("frames_at.length")
        for i in range(PAN_STEPS):
            shown.mouse.move(x + 2 * (i % 30), y + i % 20)
        frames = shown.evaluate("frames_at")[begun:]
        browser.close()
    return float(np.median(np.diff(frames)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="report-"))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    for num_points in (22, 10_000):
        sweep = make_sweep(num_points, folder)
        command = [sys.executable, "run_sweep.py", "report", str(sweep)]
        run = lambda command=command: subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
        seconds = [seconds_of(run) for _ in range(arguments.repeats)]
        page = sweep / "report" / "report.html"
        print(
            f"report of {num_points} points: {told(seconds)}, report.html {page.stat().st_size / 1e6:.2f} MB",
            flush=True,
        )
        if chromium:
            print(f"  dragging its chart: {pan_milliseconds(page, chromium):.1f} ms from frame to frame", flush=True)
    random = np.random.default_rng(0)
    sets = {
        "random": random.random((3, 1_000_000)),
        "all on the frontier": np.tile(np.linspace(0, 1, 1_000_000), (3, 1)),
    }
    for name, (costs, others, values) in sets.items():
        two = [seconds_of(lambda c=costs, v=values: pareto_mask(c, v)) for _ in range(arguments.repeats)]
        three = [
            seconds_of(lambda c=costs, o=others, v=values: joint_pareto_mask(c, o, v)) for _ in range(arguments.repeats)
        ]
        print(f"filter of a million points, {name}: one cost {told(two)}, two costs {told(three)}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
