"""The MLflow UI as a user starts it: it says where it is once it answers, and ends without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from sweep.tracking import connect, tracking_uri

ROOT = Path(__file__).parents[2]


def test_the_ui_answers_when_it_says_so_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    connect(tracking_uri(tmp_path, None), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "run_sweep.py"), "ui", "--runs", str(tmp_path), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == f"the MLflow UI is on http://127.0.0.1:{port}; Ctrl-C ends it\n"
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).read() == b"OK"
        user = f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/users/current"
        assert json.load(urllib.request.urlopen(user, timeout=10)) == {}  # MLflow's own answer is an error
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 0
    assert said.startswith("starting the MLflow UI ...\n")
    assert "Traceback" not in said
    with socket.create_server(("127.0.0.1", port)):
        pass  # none of its processes holds the port
