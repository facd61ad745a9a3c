"""Checkpoints of a point on disk, written whole or not at all, and read without running code from the file."""

import argparse
import io
import os
import pickle
import struct
from pathlib import Path, PosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from trainers.errors import ConfigError, one_line
from trainers.files import remove_left_behind, replacing

LAST, BEST = "last.pt", "best.pt"
NEXT_BEST = "best.next.pt"
"""The new best checkpoint until `last.pt` of its epoch is written, so that an interrupted epoch leaves no trace."""
LEFT_BEHIND_SECONDS = 3600.0
"""Age at which an unfinished file counts as left by a killed process. A younger file may belong to a node that the
sweep takes for lost while it still writes."""
UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError, AttributeError,
              TypeError, struct.error)  # fmt: skip
"""Errors that `torch.load` raises for damaged files and files of other kinds."""

SAFETENSORS = ".safetensors"
EXTRAS: list[Any] = [
    argparse.Namespace,
    SimpleNamespace,
    PosixPath,
    np.dtype,
    np.ndarray,
    np.float64(0).__reduce__()[0],
    np.zeros(1).__reduce__()[0],
    *(kind for kind in vars(np.dtypes).values() if isinstance(kind, type)),
]
"""Plain types that training scripts save beside the weights; none of them runs code when it is read."""


def save(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors and plain values) to `path`; an older file stays until the new one is whole on disk."""
    content = io.BytesIO()
    torch.save(state, content)  # to memory, because its error for a full disk is hard to understand
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(path, LEFT_BEHIND_SECONDS)
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def load(
    path: Path, device: torch.device | str = "cpu", *, remedy: str = "remove it, and its point trains again"
) -> dict[str, Any] | None:
    """Return the state in the file `path`, on `device`; None if there is no such file.

    Raises:
        ConfigError: the file is no checkpoint or is damaged; the message ends with the `remedy`.
    """
    if not path.is_file():
        return None
    if path.suffix == SAFETENSORS:
        return _load_safetensors(path, device, remedy)
    try:
        with torch.serialization.safe_globals(EXTRAS):
            return torch.load(path, map_location=device, weights_only=True)
    except UNREADABLE as error:
        if "TorchScript" in str(error):
            raise ConfigError(f"{path} is a TorchScript file; give the state dict behind it") from error
        if "Unsupported global" in str(error):  # the class of an object, which could run code
            raise ConfigError(f"{path} holds more than tensors and plain values; save its state dict alone") from error
        kind = type(error).__name__
        raise ConfigError(f"{path} is damaged or no checkpoint ({kind}); {remedy}") from error


def _load_safetensors(path: Path, device: torch.device | str, remedy: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device=str(device))
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path} is damaged or no safetensors file ({one_line(error)}); {remedy}") from error
