"""What every test shares: no test touches the user's cache, runs or MLflow server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from analysis.plots.registry import PLOTS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SILENT = (
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
)


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of pytest, the same for all of its workers."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for what a session's fixtures run, and no MLflow server: the fixture below comes too late for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        cache = shared_folder(tmp_path_factory) / "cache"
        cache.mkdir(exist_ok=True)
        patch.setenv("MOBILENET_SWEEP_CACHE", str(cache))
        yield cache


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and no MLflow server from the environment."""
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def known_timings(isolated: None, session_cache: Path, tmp_path: Path) -> None:
    """The timings of networks that earlier tests took, as taking them takes seconds."""
    (session_cache / "timings").mkdir(exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "timings").symlink_to(session_cache / "timings")


@pytest.fixture
def few_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports with the two charts that every sweep has: all of them take seconds, and have tests of their own."""
    for name in list(PLOTS)[2:]:
        monkeypatch.delitem(PLOTS, name)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A real one."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; Debian's package is called chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SILENT))
        yield browser
        browser.close()


def complaints(page: Page) -> list[str]:
    """What goes wrong on a page from now on: errors on its console, and those that nothing catches."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
