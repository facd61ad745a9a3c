"""Ray's token in the user's home, which nobody else may read: whoever has it can run code as the user."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from trainers.errors import ConfigError, one_line


def keep_token_private(*, create: bool) -> None:
    """Close the token's file to others; Ray leaves it open. A token that the environment names is left as it is.

    Args:
        create: whether to make a token if there is none.

    Raises:
        ConfigError: the file cannot be created or closed.
    """
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys() or os.environ.get("RAY_AUTH_MODE") == "disabled":
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        if path.exists():
            path.chmod(0o600)
        elif create:
            _create(path)
    except OSError as error:
        raise ConfigError(
            f"Ray's token {path} cannot be made private ({one_line(error)}); set HOME to a folder of yours that can be "
            "written, or RAY_AUTH_TOKEN_PATH to a file with a token"
        ) from error


def _create(path: Path) -> None:
    """Create the file with a new token, unless another process is faster; no reader sees a part."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent) as whole:  # of mode 0600
        whole.write(secrets.token_hex(32))  # as Ray's own
        whole.flush()
        with suppress(FileExistsError):
            os.link(whole.name, path)
