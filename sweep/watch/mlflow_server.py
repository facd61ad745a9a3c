"""Runs MLflow's own server on a store until this process ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

APP, APP_FOLDER = "mobilenet_sweep", Path(__file__).with_name("mlflow_app")
"""The app that the server serves, and the folder that holds the app and its entry point."""
END_SECONDS = 10.0
"""Most seconds to wait for the server after SIGTERM before it is killed."""
QUIET = {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}


def serve(store: str, host: str, port: int, announce: Callable[[], None]) -> int:
    """Serve the MLflow UI until Ctrl-C, SIGTERM or SIGHUP; return the server's exit code, 0 after Ctrl-C.

    Args:
        store: URI of a backend store.
        host: address to listen on.
        port: port to listen on.
        announce: called once the server answers.
    """
    flags = ["--host", host, "--port", str(port), "--workers", "1", "--app-name", APP]
    flags += ["--uvicorn-opts", "--log-level warning"]
    path = os.pathsep.join([str(APP_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    # in the environment, as everybody on the machine can read flags and a URI may hold a password
    stores = {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_REGISTRY_STORE_URI": store}
    signal.signal(signal.SIGHUP, lambda number, _: sys.exit(128 + number))  # which ends the server, see `finally`
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *flags],
        env=os.environ | QUIET | stores | {"PYTHONPATH": path},
        start_new_session=True,  # only this process receives Ctrl-C, or each of the server's would print a traceback
    )
    try:
        while server.poll() is None and not _answers(host, port):
            time.sleep(0.1)
        if server.poll() is None:
            announce()
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)


def _answers(host: str, port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()
        return True
    return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server with all its child processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(END_SECONDS)
