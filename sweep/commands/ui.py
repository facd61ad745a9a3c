"""The command `ui`: serves the MLflow UI on this project's store."""

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.commands.parse import parse
from sweep.commands.program import say_aside
from trainers.errors import ConfigError, one_line, without_credentials


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Serve the MLflow UI on this project's store until Ctrl-C."""

    runs: Path = Path("runs")
    """Folder of the MLflow store."""
    tracking_uri: str | None = None
    """Another store, as in the command of the sweep; unset: MLFLOW_TRACKING_URI, else the store in `runs`."""
    host: str = "127.0.0.1"
    """Address to listen on; with the default, only this machine can reach the server."""
    port: int = 5000
    """Port to listen on."""

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("host is empty; give an address of this machine, such as 127.0.0.1")
        if not 1 <= self.port < 2**16:
            raise ConfigError(f"port is {self.port}; it must be 1 to 65535")


def run(argv: Sequence[str]) -> int:
    """Serve the MLflow UI on the store of the project."""
    arguments = parse(argv, Arguments, "ui")
    _check_free(arguments.host, arguments.port)
    from sweep.watch.mlflow_server import serve
    from sweep.watch.mlflow_store import DeletedExperimentError, connect
    from sweep.watch.mlflow_views import view_links

    store = _store(arguments)
    say_aside("starting the MLflow UI ...")
    try:
        experiment = connect(store, arguments.runs).experiment_id
    except DeletedExperimentError as error:  # the UI can restore the experiment
        say_aside(f"warning: {error}")
        experiment = None
    host = "127.0.0.1" if arguments.host == "0.0.0.0" else arguments.host
    address = f"http://[{host}]:{arguments.port}" if ":" in host else f"http://{host}:{arguments.port}"

    def announce() -> None:
        print(f"the MLflow UI is on {address}; Ctrl-C ends it")
        for view, link in view_links(address, experiment).items() if experiment else ():
            print(f"{view}: {link}")
        sys.stdout.flush()

    return serve(store, arguments.host, arguments.port, announce)


def _check_free(host: str, port: int) -> None:
    """Raise a ConfigError if no server can listen on the port."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = (error.strerror or one_line(error)).partition(" (while")[0]
        raise ConfigError(f"cannot listen on {host}:{port} ({reason}); choose another --port or --host") from error


def _store(arguments: Arguments) -> str:
    """Return the URI of the store to serve.

    Raises:
        ConfigError: the store is itself a server, or does not exist.
    """
    from sweep.watch.mlflow_store import STORE, tracking_uri
    from sweep.watch.sqlite_store import is_made, sqlite_path

    store = tracking_uri(arguments.runs, arguments.tracking_uri)
    if store.lower().startswith("http"):
        raise ConfigError(f"{without_credentials(store)} is a server: open it in a browser, or name another store")
    path = arguments.runs.absolute() / STORE
    if sqlite_path(store) == path and not is_made(path):
        raise ConfigError(f"no MLflow store at {path}; run a sweep first, or give its folder with --runs")
    return store
