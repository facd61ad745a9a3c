"""Checkpoints: what a point keeps on disk. Written whole or not at all, read without unpickling code."""

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from trainers.errors import ConfigError
from trainers.files import remove_left_behind, replacing

LAST, BEST = "last.pt", "best.pt"
NEXT_BEST = "best.next.pt"
"""What is the best once `last.pt` has the epoch that found it: an attempt that ends before leaves nothing behind."""
LEFT_BEHIND_SECONDS = 3600.0
"""What is unfinished for so long is of a process that was killed; until then it may be of a node taken for lost."""
UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError, AttributeError,
              TypeError, struct.error)  # fmt: skip
"""What `torch.load` raises for files of all kinds."""


def save(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors and plain values) to `path`, replacing what was there only once it is on disk."""
    content = io.BytesIO()
    torch.save(state, content)  # to memory, as what it says of a full disk nobody understands
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(path, LEFT_BEHIND_SECONDS)
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def load(
    path: Path, device: torch.device | str = "cpu", *, remedy: str = "remove it, and its point trains again"
) -> dict[str, Any] | None:
    """The state at `path`, on `device`; None if there is none.

    Raises:
        ConfigError: the file is no checkpoint, or not a whole one; the message ends with the `remedy`.
    """
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except UNREADABLE as error:
        if "Unsupported global" in str(error):  # an object's class, which could run code
            raise ConfigError(f"{path} holds more than tensors and plain values; save its state dict alone") from error
        kind = type(error).__name__
        raise ConfigError(f"{path} is damaged or no checkpoint ({kind}); {remedy}") from error
