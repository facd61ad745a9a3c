"""A local web server of weights, so that tests really download."""

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch


class Served:
    """A folder that a web server serves, and the paths that clients requested."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.requested: list[str] = []

    def add(self, state: Any, *, spoil: bool = False) -> str:
        """Serve `state` under a name with its hash, and return the URL; `spoil` damages the file after hashing."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        name = f"weights-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
        (self.folder / name).write_bytes(buffer.getvalue()[:-1] + b"?" if spoil else buffer.getvalue())
        return f"{self.url}/{name}"


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve a new `folder` on a free port of this machine."""
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            served.requested.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    served = Served(folder, f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
