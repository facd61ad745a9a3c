"""The MLflow UI, started as by a user, prints its address once it answers, shows its pages, and ends completely."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, expect

from sweep.watch.mlflow_store import EXPERIMENT, tracking_uri
from tests.conftest import complaints
from tests.sweep.conftest import Sweep

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ui:
    """A running `run_sweep.py ui`, whose server answers."""

    process: "subprocess.Popen[str]"
    address: str
    lines: list[str]
    """The printed lines: the address, then links to the views."""


@pytest.fixture(scope="module")
def ui(real_sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "sweep.py").write_text("raise RuntimeError('a module of the user')")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "run_sweep.py"), "ui", "--runs", str(real_sweep.runs), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        yield Ui(process, f"http://127.0.0.1:{port}", lines)
        process.terminate()


def test_pages_open_without_errors_on_the_console(ui: Ui, real_sweep: Sweep, browser: Browser) -> None:
    client = MlflowClient(tracking_uri(real_sweep.runs, None))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if "point" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    id_, compared = json.dumps([experiment.experiment_id]), json.dumps([run.info.run_id for run in children[:2]])
    artifacts = f"{ui.address}/#/experiments/{experiment.experiment_id}/runs/{parent.info.run_id}/artifacts"
    frontier, charts = (line.split()[-1] for line in ui.lines[1:])
    pages = {
        frontier: "mobilenet_v2",
        charts: "best_top1",
        f"{artifacts}/report.html": "report.html",
        f"{ui.address}/#/compare-runs?runs={compared}&experiments={id_}": "Comparing 2 Runs",
    }
    for address, title in pages.items():
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors = complaints(page)
        with page.expect_response("**/users/current"):  # MLflow alone would answer with an error
            page.goto(address)
        expect(page.get_by_text(re.compile(title)).first).to_be_visible(timeout=30_000)
        assert errors == [], address
        page.close()


def test_the_server_answers_once_announced_and_ctrl_c_ends_all_its_processes(ui: Ui) -> None:
    """This test ends the fixture's server, so it must be the last."""
    assert ui.lines[0] == f"the MLflow UI is on {ui.address}; Ctrl-C ends it\n"
    assert urllib.request.urlopen(f"{ui.address}/health", timeout=10).read() == b"OK"
    ui.process.send_signal(signal.SIGINT)
    _, lines = ui.process.communicate(timeout=60)

    assert ui.process.returncode == 0
    assert lines.startswith("starting the MLflow UI ...\n")
    assert "Traceback" not in lines
    with socket.create_server(("127.0.0.1", int(ui.address.rpartition(":")[2]))):
        pass  # no process of the server holds the port
