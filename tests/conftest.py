"""Fixtures of all tests, which keep tests away from the user's cache, runs and MLflow server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch: workers of pytest, each on all cores, wait for another

from analysis.plots.registry import PLOTS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SILENT = (
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
)


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this run of pytest share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give fixtures of the session a cache and no MLflow server, as they run before the fixture `isolated`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        cache = shared_folder(tmp_path_factory) / "cache"
        cache.mkdir(exist_ok=True)
        patch.setenv("MOBILENET_SWEEP_CACHE", str(cache))
        yield cache


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test its own cache, and no MLflow server from the environment."""
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def known_timings(isolated: None, session_cache: Path, tmp_path: Path) -> None:
    """Share the timings of networks between tests, as timing takes seconds."""
    (session_cache / "timings").mkdir(exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "timings").symlink_to(session_cache / "timings")


@pytest.fixture
def few_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit reports to the two charts that every sweep has, as all charts take seconds and have their own tests."""
    for name in list(PLOTS)[2:]:
        monkeypatch.delitem(PLOTS, name)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A real browser."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; Debian's package is called chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SILENT))
        yield browser
        browser.close()


def complaints(page: Page) -> list[str]:
    """Return a list that collects the page's console errors and uncaught errors from now on."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
